"""t2t-inspect: shows the examples of a data folder, a model, or where decoded answers are wrong.

t2t-inspect --problem=psalm_line_problem --data_dir=data
t2t-inspect --output_dir=model                      # what the model folder's README.md says
t2t-inspect --output_dir=model --data_dir=data      # data, by the model's own vocabulary
t2t-inspect --t2t_usr_dir=./poetry --problem=my_poetry_lines --data_dir=data --split=dev --n=20
t2t-inspect --answers=german --output_dir=model --data_dir=data     # what t2t-decoder wrote

Lengths are in tokens, EOS included. Fallback tokens are bytes (SentencePiece), out-of-vocabulary
tokens (TOKEN) or escapes (T2T's .subwords). Splits are compared unless --split is given.

--answers=FILE is compared with FILE.targets and FILE.inputs, unless --reference and --source are
given, and drawn to FILE.png. With --data_dir the rarity of inputs is that in the training data,
without it that among the inputs themselves.
"""

from __future__ import annotations

from absl import flags

from t2tlite import registry
from t2tlite.checkpoint import model_card, run_record, trained_problem
from t2tlite.cli import app, shared_flags
from t2tlite.problem import Problem

FLAGS = flags.FLAGS

flags.DEFINE_string("output_dir", "", "Model folder to show; with --data_dir, for its problem.")
flags.DEFINE_enum("split", "", ["", "train", "dev", "test"], "Show one split only; default: all.")
flags.DEFINE_string("answers", "", "File of answers to diagnose, as t2t-decoder wrote it.")
flags.DEFINE_string("reference", "", "Right answers; several files joined by commas.")
flags.DEFINE_string("source", "", "The inputs that --answers answers.")
flags.DEFINE_integer(
    "n", 5, "Number of examples of each kind.", lower_bound=0, upper_bound=1_000_000
)


def main() -> None:
    """Prints examples and tables, a model's card, or a diagnosis."""
    if FLAGS.answers:
        _inspect_answers()
        return
    if FLAGS.reference or FLAGS.source:
        raise app.UsageError("--reference and --source go with --answers")
    if FLAGS.problem or not FLAGS.output_dir:
        app.require("problem", "data_dir")
    if FLAGS.data_dir:
        from t2tlite.datagen.inspect import inspect_data

        inspect_data(_problem(), FLAGS.data_dir, FLAGS.split, FLAGS.n)
    else:
        run = run_record.read(FLAGS.output_dir)
        print(model_card.text(FLAGS.output_dir, run))


def _problem() -> Problem:
    if FLAGS.problem:
        problem: Problem = registry.problem(FLAGS.problem)
        return problem
    run = run_record.read(FLAGS.output_dir)
    return trained_problem.load_for_data(run, FLAGS.output_dir, FLAGS.data_dir)


def _inspect_answers() -> None:
    if FLAGS.split:
        raise app.UsageError("--split shows data, without --answers; leave it out")
    if FLAGS.data_dir and not (FLAGS.problem or FLAGS.output_dir):
        raise app.UsageError("--data_dir: give --problem or --output_dir, too")
    from t2tlite.bulk.diagnosis_report import inspect_answers

    problem = _problem() if FLAGS.data_dir else None
    inspect_answers(FLAGS.answers, FLAGS.reference, FLAGS.source, problem, FLAGS.data_dir, FLAGS.n)


run = app.command(main, shared_flags)
