"""t2t-inspect: shows decoded examples of a data folder, and statistics of its splits; or a model.

t2t-inspect --problem=psalm_line_problem --data_dir=data
t2t-inspect --output_dir=model                      # what the model folder's README.md says
t2t-inspect --output_dir=model --data_dir=data      # data, by the model's own vocabulary
t2t-inspect --t2t_usr_dir=./poetry --problem=my_poetry_lines --data_dir=data --split=dev --n=20

Lengths are in tokens, EOS included. Fallback tokens are bytes (SentencePiece), out-of-vocabulary
tokens (TOKEN) or escapes (T2T's .subwords). Splits are compared unless --split is given.
"""

from __future__ import annotations

from absl import flags

from t2tlite.checkpoint import model_card, run_record, trained_problem
from t2tlite.cli import app, shared_flags
from t2tlite.problem import Problem

FLAGS = flags.FLAGS

flags.DEFINE_string("output_dir", "", "Model folder to show; with --data_dir, for its problem.")
flags.DEFINE_enum("split", "", ["", "train", "dev", "test"], "Show one split only; default: all.")
flags.DEFINE_integer(
    "n", 5, "Number of examples of each kind.", lower_bound=0, upper_bound=1_000_000
)


def main() -> None:
    """Prints examples and tables, or a model's card."""
    if FLAGS.problem or not FLAGS.output_dir:
        app.require("problem", "data_dir")
        _inspect_data(FLAGS.problem)
        return
    run = run_record.read(FLAGS.output_dir)
    if FLAGS.data_dir:
        _inspect_data(trained_problem.load_for_data(run, FLAGS.output_dir, FLAGS.data_dir))
    else:
        print(model_card.text(FLAGS.output_dir, run))


def _inspect_data(problem: str | Problem) -> None:
    from t2tlite.datagen.inspect import inspect_data

    inspect_data(problem, FLAGS.data_dir, FLAGS.split, FLAGS.n)


run = app.command(main, shared_flags)
