"""Flags of t2t-datagen that describe a table problem; see docs/data.md."""

from __future__ import annotations

from typing import Any

from absl import flags

from t2tlite import table_problems
from t2tlite.cli import app
from t2tlite.files import split_paths
from t2tlite.tables.table import COLUMNS, DATA_FORMATS, Table

FLAGS = flags.FLAGS

flags.DEFINE_string(
    "problem_name", "", "Name of the table's problem, for later commands; default: --problem."
)
flags.DEFINE_string(
    "data_files",
    "",
    "Tables to train on: CSV, TSV, JSON lines, Parquet, Arrow or text files, also packed, or a "
    "folder that Dataset.save_to_disk wrote. Paths or patterns, several with commas; texts whose "
    "lines belong together with a plus: train.en+train.de.",
)
flags.DEFINE_string("dev_files", "", "Tables to evaluate on.")
flags.DEFINE_string("test_files", "", "Tables to test on.")
flags.DEFINE_string(
    "hub_dataset", "", "In place of files: OWNER/NAME or OWNER/NAME:CONFIG on the Hugging Face Hub."
)
flags.DEFINE_enum(
    "data_format", "", ["", *DATA_FORMATS], "Format of the files; default: as their names say."
)
flags.DEFINE_string("csv_delimiter", "", "Between the cells of CSV files; default: a comma.")
_COLUMN = (
    "a name, a path in nested values (translation.en), or a position from 0 in files without names"
)
flags.DEFINE_string("inputs", "", f"Column of the inputs: {_COLUMN}.")
flags.DEFINE_string("targets", "", "Column of the targets.")
flags.DEFINE_string("label", "", "Column of the labels, with text2class_table.")
flags.DEFINE_string("split_column", "", "Column that says train, dev or test.")
flags.DEFINE_float(
    "dev_share",
    None,
    "Share of the different inputs to evaluate on; default: 0.05 if nothing else says which.",
    0.0,
    1.0,
)
flags.DEFINE_float("test_share", None, "Share of the different inputs to test on.", 0.0, 1.0)
flags.DEFINE_integer("max_chars", 0, "Leave out rows with a longer text; 0: none.", 0, 2**31 - 1)
flags.DEFINE_float(
    "max_ratio",
    0.0,
    "Leave out rows with one text this many times as long as the other; 0: none.",
    0.0,
    1e9,
)
flags.DEFINE_bool("drop_duplicates", False, "Leave out rows that occurred before in the split.")

_NAMES = [
    *(
        "data_files",
        "dev_files",
        "test_files",
        "hub_dataset",
        "data_format",
        "csv_delimiter",
        "inputs",
    ),
    *("targets", "label", "split_column", "dev_share", "test_share", "max_chars", "max_ratio"),
    "drop_duplicates",
]


def problem() -> table_problems.TableProblem | None:
    """Returns the problem that the flags describe; None if they describe no table.

    Raises:
      UsageError: flags of tables are given with another problem.
      DataError: an argument is impossible.
    """
    given = [name for name in ("problem_name", *_NAMES) if FLAGS[name].present]
    if FLAGS.problem not in COLUMNS:
        if given:
            raise app.UsageError(
                f"--{given[0]} goes with --problem={', '.join(COLUMNS)}; a table that has a name "
                f"already needs no more than --problem=NAME --data_dir=..."
            )
        return None
    if not given and FLAGS.vocab_size is None:
        return None
    values: dict[str, Any] = {name: FLAGS[name].value for name in _NAMES}
    for name in ("data_files", "dev_files", "test_files"):
        values[name] = split_paths(values[name])
    if FLAGS.vocab_size is not None:
        values["vocab_size"] = FLAGS.vocab_size
    return table_problems.make(Table(FLAGS.problem, **values), FLAGS.problem_name)
