"""`table_problem`: a problem whose samples are the columns of files, or of rows in memory."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from t2tlite.api import rows as row_forms
from t2tlite.api.arguments import PathLike, checked
from t2tlite.assignments import convert, shown
from t2tlite.errors import DataError
from t2tlite.files import split_paths
from t2tlite.table_problems import TableProblem, make
from t2tlite.tables.rows import GivenRows
from t2tlite.tables.table import Table

_Files = PathLike | Sequence[PathLike]
_Column = str | int


@checked
def table_problem(
    problem: str, data_files: Any = "", problem_name: str = "", *, dev_files: _Files = "",
    test_files: _Files = "", hub_dataset: str = "", data_format: str = "",
    csv_delimiter: str = "", inputs: _Column = "", targets: _Column = "", label: _Column = "",
    split_column: _Column = "", dev_share: float | None = None,
    test_share: float | None = None, max_chars: int = 0, max_ratio: float = 0.0,
    drop_duplicates: bool = False, vocab_size: int = 8000,
) -> TableProblem:  # fmt: skip
    """Returns a problem whose samples are the columns of tables, for `generate_data` and `train`.

    >>> rows = [{"question": f"q {i}", "answer": f"a {i}"} for i in range(100)]
    >>> faq = table_problem(
    ...     "text2text_table", rows, "faq", inputs="question", targets="answer", vocab_size=0
    ... )
    >>> sum(generate_data(faq, "faq_data", num_workers=1).values())
    100

    The data folder describes it: from then on `problem="faq"` with that `data_dir` is enough.

    Args:
      problem: "text2text_table", "text2class_table" or "text2self_table".
      data_files: paths or patterns of files, with commas or as a list; or rows: a pandas DataFrame,
        a Dataset of Hugging Face, a list or generator of dicts, tuples or texts, or a function that
        returns one.
      problem_name: the problem's name; by default that of its kind.
      dev_files, test_files, hub_dataset, data_format, csv_delimiter, inputs, targets, label,
        split_column, dev_share, test_share, max_chars, max_ratio, drop_duplicates, vocab_size: as
        t2t-datagen's flags; see docs/data.md.

    Raises:
      DataError: an argument is impossible, or another problem has the name.
    """
    columns = {"inputs": inputs, "targets": targets, "label": label, "split_column": split_column}
    are_files = _are_files(data_files)
    table = Table(
        problem=problem,
        data_files=_paths(data_files) if are_files else [],
        dev_files=_paths(dev_files),
        test_files=_paths(test_files),
        hub_dataset=hub_dataset,
        data_format=data_format,
        csv_delimiter=csv_delimiter,
        dev_share=None if dev_share is None else convert("dev_share", dev_share, float),
        test_share=None if test_share is None else convert("test_share", test_share, float),
        max_chars=max_chars,
        max_ratio=max_ratio,
        drop_duplicates=drop_duplicates,
        vocab_size=vocab_size,
        **{name: _column(name, column) for name, column in columns.items()},
    )
    if are_files:
        return make(table, problem_name)
    if table.dev_files or table.test_files or table.hub_dataset:
        raise DataError(
            "data_files are rows; dev_files, test_files and hub_dataset go with files: give "
            "split_column, or shares"
        )
    names = row_forms.label_names(data_files, table.label or "label")
    rows = GivenRows(lambda: row_forms.iterate(data_files), lambda label: names(str(label)))
    return make(table, problem_name, rows)


def _are_files(value: Any) -> bool:
    if isinstance(value, str | os.PathLike):
        return True
    return isinstance(value, list | tuple) and all(isinstance(v, str | os.PathLike) for v in value)


def _paths(value: _Files) -> list[str]:
    if isinstance(value, str | os.PathLike):
        return split_paths(os.fspath(value))
    return [os.fspath(path) for path in value]


def _column(name: str, column: object) -> str:
    if isinstance(column, bool) or not isinstance(column, str | int):
        raise DataError(f"{name}={shown(column, quoted=True)}; expected a column's name or number")
    return str(column)
