"""Reads vocabulary files as bytes, or as lines in T2T's sense."""

from __future__ import annotations

import os
from pathlib import Path

from t2tlite.errors import VocabularyError
from t2tlite.files import BYTE_ORDER_MARK


def read_vocabulary(path: str | os.PathLike[str]) -> bytes:
    """Returns the bytes of a vocabulary file.

    Raises:
      VocabularyError: the file is missing, empty or unreadable.
    """
    try:
        content = Path(path).read_bytes()
    except FileNotFoundError:
        raise VocabularyError(
            f"no vocabulary file {os.fspath(path)}; run t2t-datagen first, or give the folder that "
            "contains it"
        ) from None
    except OSError as error:
        raise VocabularyError(
            f"can't read the vocabulary file {os.fspath(path)}: {error.strerror or error}; "
            "check its permissions"
        ) from error
    if not content:
        raise VocabularyError(
            f"the vocabulary file {os.fspath(path)} is empty; delete it and run t2t-datagen again"
        )
    return content


def read_vocabulary_lines(path: str | os.PathLike[str]) -> list[str]:
    """Returns the lines of a vocabulary file, split as T2T (tf.io.gfile) splits them.

    Only a newline ends a line, not Unicode's other line breaks, and all carriage returns are
    removed, even inside a line. Ids are line numbers, so another line break would shift them. A
    byte-order mark at the start is dropped, which T2T would take for a part of the first token.

    Raises:
      VocabularyError: the file is missing, empty, unreadable or not UTF-8.
    """
    content = read_vocabulary(path)
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise VocabularyError(
            f"{os.fspath(path)} isn't UTF-8 text (see byte {error.start}); expected one token per "
            "line"
        ) from error
    lines = text.removeprefix(BYTE_ORDER_MARK).replace("\r", "").split("\n")
    if not lines[-1]:
        lines.pop()
    return lines
