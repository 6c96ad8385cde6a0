"""t2t-datagen: generates a problem's data: vocabulary, TFRecord shards, manifest.

t2t-datagen                                                      # lists all problems
t2t-datagen --problem=psalm_line_problem --data_dir=data
t2t-datagen --problem=text2text_tmpdir --data_dir=data --tmp_dir=dates --vocab_size=300
t2t-datagen --problem=text2text_table --problem_name=faq --data_dir=data \\
            --data_files='pairs/*.csv' --inputs=question --targets=answer      # docs/data.md
t2t-datagen --t2t_usr_dir=./poetry --problem=my_poetry_lines --data_dir=data --tmp_dir=texts
t2t-datagen --problem=psalm_line_problem --data_dir=data --runner=beam \\
            --beam_options="--runner=FlinkRunner --flink_master=HOST:PORT"
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

from absl import flags

from t2tlite import cores, registry
from t2tlite.cli import app, shared_flags, t2t_flags, table_flags
from t2tlite.datagen.generate_data import generate_data, generate_data_with_beam
from t2tlite.problem import Problem
from t2tlite.tables.table import COLUMNS

FLAGS = flags.FLAGS

flags.DEFINE_integer(
    "random_seed", 0, "Seed of the shuffle, and of random numbers in hooks.", -(2**63), 2**63 - 1
)
flags.DEFINE_integer("num_workers", 0, "Processes that encode; 0: one per core.", 0, 1024)
flags.DEFINE_bool("only_list", False, "List the problems that would be generated, and exit.")
flags.DEFINE_bool("overwrite", False, "Generate the data again even if it is complete.")
flags.DEFINE_string("exclude_problems", "", "Parts of names, separated by commas, to leave out.")
flags.DEFINE_integer(
    "task_id", -1, "Part of the data, for problems that support it; -1: all.", -1, shared_flags.MAX
)
for _name in ("task_id_start", "task_id_end"):
    _help = "Parts from task_id_start to before task_id_end, as with --task_id; -1: all."
    flags.DEFINE_integer(_name, -1, _help, -1, shared_flags.MAX)
flags.DEFINE_integer(
    "vocab_size", None, "With text2text_tmpdir, tables: about how many tokens; 0: bytes.", 0, 2**20
)
flags.DEFINE_enum("runner", "local", ["local", "beam"], "See docs/datagen.md.")
flags.DEFINE_string("beam_options", "", "With --runner=beam: Beam's own options, as one string.")
t2t_flags.define(
    t2t_flags.GENERATING, {"num_shards": ("0", "set shards in the problem's dataset_splits")}
)


def main() -> None:
    """Generates the data of each problem in --problem (`a,b` or `wmt_*`); lists all without it."""
    lists = FLAGS.only_list or not (FLAGS.problem or FLAGS.data_dir)
    if not lists:
        app.require("problem", "data_dir")
    table = None if lists else table_flags.problem()
    names: Sequence[str | Problem] = [table] if table else _problem_names()
    if lists:
        print("\n".join(map(str, names)))
        return
    _check_runner()
    num_workers = FLAGS.num_workers or cores.available()
    for name in names:
        common = name, FLAGS.data_dir, FLAGS.tmp_dir, FLAGS.random_seed, FLAGS.overwrite
        if FLAGS.runner == "beam":
            generate_data_with_beam(*common, num_workers, shlex.split(FLAGS.beam_options))
        else:
            for task_id in _task_ids():
                vocab_size = None if table else FLAGS.vocab_size
                generate_data(*common, task_id, num_workers, vocab_size)


def _task_ids() -> Sequence[int]:
    """The parts of the data to generate; -1 is all of them."""
    start, end = FLAGS.task_id_start, FLAGS.task_id_end
    if start == end == -1:
        return [FLAGS.task_id]
    if FLAGS.task_id != -1 or not 0 <= start < end:
        raise app.UsageError(
            f"--task_id_start={start} --task_id_end={end}: expected 0 <= start < end, and no "
            f"--task_id"
        )
    return range(start, end)


def _check_runner() -> None:
    """Raises UsageError if flags contradict each other."""
    if FLAGS.runner != "beam":
        if FLAGS.beam_options:
            raise app.UsageError("--beam_options needs --runner=beam")
    elif FLAGS.vocab_size is not None and FLAGS.problem not in COLUMNS:
        raise app.UsageError("--vocab_size can't be used with --runner=beam")
    elif list(_task_ids()) != [-1]:
        raise app.UsageError("--task_id can't be used with --runner=beam, which runs all tasks")
    elif FLAGS.num_workers and FLAGS.beam_options:
        raise app.UsageError(
            "--num_workers can't be used with --beam_options; for processes on this machine use "
            '--beam_options="--direct_num_workers=N --direct_running_mode=multi_processing"'
        )


def _listed(text: str) -> list[str]:
    """Returns the names of a list with commas; a mixture's schedule may have commas and spaces."""
    return re.split(r",(?!\s)", text) if "+" in text else text.split(",")


def _problem_names() -> list[str]:
    """Names of the problems to generate, in the order of the flag; all without --problem."""
    names: list[str] = []
    for pattern in _listed(FLAGS.problem) if FLAGS.problem else "*":
        if pattern.endswith("*"):
            matches = [name for name in registry.list_problems() if name.startswith(pattern[:-1])]
            if not matches:
                raise app.UsageError(f"--problem={pattern}: no problem's name begins like this")
            names += matches
        else:
            # An unknown name must stop the command before hours of work on the ones before it.
            registry.problem(pattern)
            names.append(registry.parse_problem_name(pattern)[0])
    excluded = [part for part in FLAGS.exclude_problems.split(",") if part]
    return [name for name in dict.fromkeys(names) if not any(part in name for part in excluded)]


run = app.command(main, table_flags, shared_flags)
