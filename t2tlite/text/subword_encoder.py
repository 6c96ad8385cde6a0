"""Encodes and decodes with Tensor2Tensor's `.subwords` vocabulary files, with T2T's ids.

A word token (`tokenizer.py`) is escaped, ended by an underscore, and split greedily into the
longest subtokens of the vocabulary. Escapes replace underscores, and characters that are missing
in the vocabulary:

    \\      a backslash          \\u     an underscore
    \\9786; the character with this code point

No `.subwords` files are written: new vocabularies are learned by SentencePiece
(`sentencepiece_training.py`).
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from functools import cached_property, lru_cache
from typing import Any

from t2tlite.errors import VocabularyError
from t2tlite.text import tokenizer
from t2tlite.text.encoder import TextEncoder, encode_utf8
from t2tlite.text.vocabulary_file import read_vocabulary_lines

# Enough for the words of a large corpus; about 100 MB when full. A look-up is ten times as fast as
# splitting.
_CACHED_TOKENS = 2**17
ESCAPE_CHARACTERS = frozenset("\\_u;0123456789")
_ESCAPE = re.compile(r"\\u|\\\\|\\([0-9]+);")
# T2T's replacement for an escape without a character.
UNDEFINED = "\u3013"


class SubwordTextEncoder(TextEncoder):
    """Encodes and decodes with a T2T `.subwords` file as T2T 1.15.7 does.

    `decode(encode(text)) == text` for any text.

    Args:
      filename: a T2T subword vocabulary: one subtoken per line, with or without quotes.

    Raises:
      VocabularyError: the file is missing, empty or not UTF-8.
    """

    def __init__(self, filename: str | os.PathLike[str]) -> None:
        super().__init__()
        self.filename = os.fspath(filename)
        self._subtokens = [_unquote(line.strip()) for line in read_vocabulary_lines(filename)]
        # If a subtoken appears twice, its later id is used, as in T2T.
        self._subtoken_to_id = {s: i for i, s in enumerate(self._subtokens) if s}
        self._longest = max(map(len, self._subtokens))
        self._alphabet = ESCAPE_CHARACTERS.union(*self._subtokens)

    @cached_property
    def _token_ids(self) -> Callable[[str], tuple[int, ...]]:
        return lru_cache(_CACHED_TOKENS)(self._split_token)

    # The cache can't be pickled; a worker process fills its own.
    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_token_ids"}

    @property
    def vocab_size(self) -> int:
        return len(self._subtokens)

    @property
    def fallback_ids(self) -> frozenset[int]:
        """The subtokens that begin an escape such as `\\9786;`."""
        bare = (s.replace("\\\\", "").replace("\\u", "") for s in self._subtokens)
        return frozenset(id_ for id_, subtoken in enumerate(bare) if "\\" in subtoken)

    def encode(self, text: str) -> list[int]:
        token_ids = self._token_ids
        try:
            return [id_ for token in tokenizer.encode(text) for id_ in token_ids(token)]
        except UnicodeEncodeError:
            encode_utf8(text)
            raise

    def encode_without_tokenizing(self, token_text: str) -> list[int]:
        """Returns the subtoken ids of one token of any tokenizer; raises as `encode`."""
        encode_utf8(token_text)
        return list(self._token_ids(token_text))

    def decode(self, ids: Sequence[int], strip_extraneous: bool = False) -> str:
        """Returns the text of `ids`; ids outside the vocabulary are ignored."""
        joined = "".join(self.decode_list(self._stripped(ids, strip_extraneous)))
        tokens = (_ESCAPE.sub(_character, escaped) for escaped in joined.split("_"))
        return tokenizer.decode(token for token in tokens if token)

    def decode_list(self, ids: Sequence[int]) -> list[str]:
        """Returns the subtokens of `ids` as in the file, with `_` at the end of a word."""
        size = self.vocab_size
        return [self._subtokens[id_] if 0 <= id_ < size else "" for id_ in ids]

    def _split_token(self, token: str) -> tuple[int, ...]:
        """Returns the ids of one token; raises UnicodeEncodeError for a lone surrogate."""
        escaped = self._escape(token)
        ids: list[int] = []
        start = 0
        while start < len(escaped):
            for end in range(min(len(escaped), start + self._longest), start, -1):
                id_ = self._subtoken_to_id.get(escaped[start:end])
                if id_ is not None:
                    break
            else:
                raise VocabularyError(
                    f"{self.filename} has no subtoken for {escaped[start]!r} (in {token!r}), which "
                    f"other subtokens contain; is the file complete?"
                )
            ids.append(id_)
            start = end
        return tuple(ids)

    def _escape(self, token: str) -> str:
        token = token.replace("\\", "\\\\").replace("_", "\\u")
        if not self._alphabet.issuperset(token):
            token.encode("utf-8")
            token = "".join(c if c in self._alphabet else f"\\{ord(c)};" for c in token)
        return token + "_"


def _unquote(line: str) -> str:
    """Returns a line without the quotes with which T2T protects a subtoken's spaces."""
    return line[1:-1] if line[:1] in ("'", '"') and line[0] == line[-1] else line


def _character(escape: re.Match[str]) -> str:
    number = escape.group(1)
    if number is None:
        return "_" if escape.group() == "\\u" else "\\"
    try:
        character = chr(int(number))
        # T2T would return a lone surrogate here, which can't be written as UTF-8.
        character.encode("utf-8")
    except (ValueError, OverflowError):
        return UNDEFINED
    return character
