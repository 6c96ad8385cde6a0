"""t2t-inspect: shows decoded examples of a data folder, and statistics of its splits.

t2t-inspect --problem=psalm_line_problem --data_dir=data
t2t-inspect --t2t_usr_dir=./poetry --problem=my_poetry_lines --data_dir=data --split=dev --n=20

Lengths are in tokens, EOS included. Fallback tokens are bytes (SentencePiece), out-of-vocabulary
tokens (TOKEN) or escapes (T2T's .subwords). Splits are compared unless --split is given.
"""

from __future__ import annotations

from absl import flags

from t2tlite.cli import app, shared_flags

FLAGS = flags.FLAGS

flags.DEFINE_enum("split", "", ["", "train", "dev", "test"], "Show one split only; default: all.")
flags.DEFINE_integer(
    "n", 5, "Number of examples of each kind.", lower_bound=0, upper_bound=1_000_000
)


def main() -> None:
    """Prints examples and tables."""
    app.require("problem", "data_dir")
    from t2tlite.datagen.inspect import inspect_data

    inspect_data(FLAGS.problem, FLAGS.data_dir, FLAGS.split, FLAGS.n)


run = app.command(main, shared_flags)
