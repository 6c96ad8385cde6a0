"""t2t-datagen: makes a problem's data: vocabulary, TFRecord shards, manifest.

t2t-datagen --problem=psalm_line_problem --data_dir=data
t2t-datagen --t2t_usr_dir=./poetry --problem=my_poetry_lines --data_dir=data --tmp_dir=texts
"""

from __future__ import annotations

import logging
import random
import sys
import time

from absl import flags

from t2tlite import registry
from t2tlite.cli import app, shared_flags, t2t_flags
from t2tlite.data import generate, manifest
from t2tlite.files import make_folder

FLAGS = flags.FLAGS
log = logging.getLogger("t2tlite.cli")

flags.DEFINE_integer("random_seed", 429459, "Seed of the shuffle, and of Python's random module.")
flags.DEFINE_bool("only_list", False, "List the problems, and exit.")
flags.DEFINE_bool("overwrite", False, "Make the data anew, also where it is complete.")
flags.DEFINE_string("exclude_problems", "", "Problems to leave out, joined by commas.")
flags.DEFINE_integer("task_id", -1, "Part of a problem's work on many machines; -1: all.")
t2t_flags.define()


def main() -> None:
    """Makes the data of each problem that --problem names (`a,b` or `wmt_*`)."""
    if FLAGS.only_list or FLAGS.registry_help:
        print("\n".join(registry.list_problems()) if FLAGS.only_list else registry.help_string())
        return
    app.require("problem", "data_dir")
    for name in _problem_names():
        generate_problem(name, FLAGS.data_dir, FLAGS.tmp_dir or FLAGS.data_dir)


def _problem_names() -> list[str]:
    excluded = set(FLAGS.exclude_problems.split(","))
    names: list[str] = []
    for one in FLAGS.problem.split(","):
        if one.endswith("*"):
            found = [name for name in registry.list_problems() if name.startswith(one[:-1])]
            if not found:
                raise app.UsageError(f"--problem={one}: no problem's name begins so")
            names += found
        else:
            # An unknown name must stop the command before hours of work on the ones before it.
            registry.problem(one)
            names.append(registry.parse_problem_name(one)[0])
    return [name for name in dict.fromkeys(names) if name not in excluded]


def generate_problem(name: str, data_dir: str, tmp_dir: str) -> None:
    """Makes one problem's data, or finds it complete."""
    problem = registry.problem(name)
    problem.random_seed = FLAGS.random_seed
    make_folder(data_dir)
    make_folder(tmp_dir)
    stem = problem.dataset_filename()
    paths = [path for shards in problem.data_filepaths(data_dir).values() for path in shards]
    if not FLAGS.overwrite and generate.is_complete(data_dir, stem, paths):
        log.info("%s is complete in %s; --overwrite makes it anew", name, data_dir)
        return
    if FLAGS.overwrite:
        manifest.path_of(data_dir, stem).unlink(missing_ok=True)
    app.import_tensorflow()
    random.seed(FLAGS.random_seed)
    started = time.monotonic()
    problem.generate_data(data_dir, tmp_dir, FLAGS.task_id)
    made = manifest.read(data_dir, stem)
    if made is not None:
        for split, sizes in made.splits.items():
            tokens = ", ".join(f"{count:,} of {kind}" for kind, count in sizes.tokens.items())
            log.info("%s %s: %s examples, tokens: %s", name, split, f"{sizes.examples:,}", tokens)
    log.info("%s is in %s, made in %.1f s", name, data_dir, time.monotonic() - started)


def run() -> None:
    """The console command."""
    app.run(main, __doc__, [sys.modules[__name__], shared_flags])
