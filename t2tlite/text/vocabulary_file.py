"""Reads a vocabulary file into bytes or lines, with T2T's idea of a line."""

from __future__ import annotations

import os
from pathlib import Path

from t2tlite.errors import VocabularyError


def read_vocabulary(path: str | os.PathLike[str]) -> bytes:
    """Returns the bytes of a vocabulary file.

    Raises:
      VocabularyError: it is missing, empty or unreadable.
    """
    try:
        content = Path(path).read_bytes()
    except FileNotFoundError:
        raise VocabularyError(
            f"no vocabulary file {os.fspath(path)}; run t2t-datagen first, or point to the folder "
            "that holds it"
        ) from None
    except OSError as error:
        raise VocabularyError(
            f"can't read the vocabulary file {os.fspath(path)}: {error.strerror or error}; "
            "expected a file that you may read"
        ) from error
    if not content:
        raise VocabularyError(
            f"the vocabulary file {os.fspath(path)} is empty; delete it and make it again"
        )
    return content


def read_vocabulary_lines(path: str | os.PathLike[str]) -> list[str]:
    """Returns the lines of a vocabulary file, split as T2T's file layer (tf.io.gfile) splits them.

    Only a newline ends a line, whatever else Unicode calls a line break, and every carriage return
    is dropped, even inside a line: ids are line numbers, so one line more or less shifts them all.

    Raises:
      VocabularyError: the file is missing, empty, unreadable or not UTF-8.
    """
    content = read_vocabulary(path)
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise VocabularyError(
            f"{os.fspath(path)} isn't text in UTF-8 (byte {error.start} doesn't fit); expected one "
            "token a line"
        ) from error
    lines = text.replace("\r", "").split("\n")
    if not lines[-1]:
        lines.pop()
    return lines
