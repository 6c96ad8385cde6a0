"""Rows of Parquet and Arrow files, with pyarrow."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import IO, Any

from t2tlite import libraries
from t2tlite.errors import DataError
from t2tlite.files import open_binary
from t2tlite.tables.cells import NOT_UTF8, Row, bad_text, getter, no_column

# Rows that are decoded together.
_ROWS = 1024


def read(path: str, data_format: str, columns: Sequence[str]) -> Iterator[Row]:
    """Yields the rows of a file, "parquet" or "arrow", with the cells of the columns.

    Raises:
      DataError: pyarrow isn't installed, or the file is damaged or hasn't the columns.
    """
    if not libraries.is_installed("pyarrow"):
        raise DataError(
            f"{path} needs pyarrow to be read; install it with: pip install 't2tlite[tables]'"
        )
    import pyarrow

    with open_binary(path) as file:
        try:
            yield from _rows(file, path, data_format, columns)
        except (pyarrow.ArrowException, OSError) as error:
            first = str(error).partition("\n")[0]
            raise DataError(
                f"{path} isn't a whole {data_format} file ({first}); get it again"
            ) from None


def _rows(file: IO[bytes], path: str, data_format: str, columns: Sequence[str]) -> Iterator[Row]:
    schema, batches = _open(file, data_format)
    fields = [column if column in schema.names else column.split(".")[0] for column in columns]
    if missing := [field for field in fields if field not in schema.names]:
        raise no_column(path, missing, schema.names, "name others")
    names = [_class_names(schema, column) for column in columns]
    getters = [getter(column) for column in columns]
    number = 0
    for batch in batches(sorted(set(fields))):
        decoded = {field: _values(batch.column(field)) for field in set(fields)}
        for values in zip(*(decoded[field] for field in fields), strict=True):
            number += 1
            cells = [
                get({field: value}) if field != column else value
                for get, field, column, value in zip(getters, fields, columns, values, strict=True)
            ]
            for i, classes in enumerate(names):
                if classes and cells[i] is not None:
                    # -1 stands for a label that is withheld.
                    cells[i] = classes[cells[i]] if 0 <= cells[i] < len(classes) else None
            if problem := bad_text(cells):
                yield Row(number, None, NOT_UTF8, problem)
            else:
                yield Row(number, cells)


def _open(file: IO[bytes], data_format: str) -> tuple[Any, Any]:
    """Returns the schema of a file, and a function from names of columns to batches."""
    if data_format == "parquet":
        import pyarrow.parquet

        parquet = pyarrow.parquet.ParquetFile(file, pre_buffer=False)
        return parquet.schema_arrow, lambda names: parquet.iter_batches(_ROWS, columns=names)
    import pyarrow

    magic = file.read(6)
    file.seek(0)
    if magic == b"ARROW1":
        stored = pyarrow.ipc.open_file(file)
        whole = (stored.get_batch(i) for i in range(stored.num_record_batches))
        return stored.schema, lambda names: _small(whole)
    stream = pyarrow.ipc.open_stream(file)
    return stream.schema, lambda names: _small(stream)


def _small(batches: Iterable[Any]) -> Iterator[Any]:
    """Cuts batches, each of which may be a whole file, into small ones."""
    return (b.slice(start, _ROWS) for b in batches for start in range(0, b.num_rows, _ROWS))


def _values(column: Any) -> list[Any]:
    """Returns the values of a column; bytes that aren't UTF-8 become what `bad_text` finds."""
    try:
        values: list[Any] = column.to_pylist()
    except UnicodeDecodeError:
        import pyarrow

        is_large = column.type == pyarrow.large_string()
        binary = column.cast(pyarrow.large_binary() if is_large else pyarrow.binary())
        values = binary.to_pylist()
    return [
        value.decode("utf-8", "surrogateescape") if type(value) is bytes else value
        for value in values
    ]


def _class_names(schema: Any, column: str) -> list[str]:
    """Returns the names that `datasets` wrote for the numbers of a column; [] if there are none."""
    try:
        written = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
        names = written["info"]["features"][column]["names"]
        return [str(name) for name in names]
    except (ValueError, KeyError, TypeError):
        return []
