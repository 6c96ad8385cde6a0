"""TOKEN vocabularies of problems that know all their tokens beforehand."""

from __future__ import annotations

import os
from collections.abc import Iterable

from t2tlite import text


def write_once(path: str, tokens: Iterable[str]) -> None:
    """Writes a vocabulary of `<pad>`, `<EOS>` and `tokens`, unless the file is there already.

    An existing file stays: data and models may have been made with its ids.

    Raises:
      OutputError: it can't be written.
    """
    if not os.path.exists(path):
        text.TokenTextEncoder(None, vocab_list=tokens).store_to_file(path)
