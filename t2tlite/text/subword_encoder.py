"""Reads the `.subwords` vocabularies that Tensor2Tensor made, and gives T2T's ids.

A word token (`tokenizer.py`) is escaped so that it holds no underscore and no character that the
vocabulary lacks, gets an underscore as its end mark, and is cut greedily into the longest subtokens
that the vocabulary has:

    \\      for a backslash          \\u     for an underscore
    \\9786; for the character of that number, where no subtoken has it

New vocabularies are learned by SentencePiece (`sentencepiece_encoder.py`); this module writes none.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from t2tlite.errors import VocabularyError
from t2tlite.text import tokenizer
from t2tlite.text.encoder import TextEncoder, check_encodable
from t2tlite.text.vocabulary_file import read_vocabulary_lines

# The words of a large corpus, about 100 MB when full; a lookup is ten times an encoding's speed.
_CACHED_TOKENS = 2**17
ESCAPE_CHARACTERS = frozenset("\\_u;0123456789")
_ESCAPE = re.compile(r"\\u|\\\\|\\([0-9]+);")
# T2T's stand-in for an escape that names no character.
UNDEFINED = "\u3013"


class SubwordTextEncoder(TextEncoder):
    """Encodes and decodes with a T2T `.subwords` file: ids and text are those of T2T 1.15.7.

    Any text comes back unchanged from `decode(encode(text))`.
    """

    def __init__(self, filename: str | os.PathLike[str]) -> None:
        """Loads the vocabulary.

        Args:
          filename: a T2T subword vocabulary, one subtoken a line, in quotes or not.

        Raises:
          VocabularyError: the file is missing, empty or not UTF-8.
        """
        super().__init__()
        self.filename = os.fspath(filename)
        self._subtokens = [_unquoted(line.strip()) for line in read_vocabulary_lines(filename)]
        # Of a subtoken that appears twice the later id counts, as in T2T.
        self._subtoken_to_id = {s: i for i, s in enumerate(self._subtokens) if s}
        self._longest = max(map(len, self._subtokens))
        self._alphabet = ESCAPE_CHARACTERS.union(*self._subtokens)
        self._token_ids = lru_cache(_CACHED_TOKENS)(self._cut)

    @property
    def vocab_size(self) -> int:
        """The number of lines of the file."""
        return len(self._subtokens)

    @property
    def fallback_ids(self) -> frozenset[int]:
        """The subtokens with which an escape begins that is spelled out, such as `\\9786;`."""
        bare = (s.replace("\\\\", "").replace("\\u", "") for s in self._subtokens)
        return frozenset(id_ for id_, subtoken in enumerate(bare) if "\\" in subtoken)

    def encode(self, text: str) -> list[int]:
        """The subtoken ids of `text`.

        Raises:
          DataError: `text` holds a lone surrogate.
          VocabularyError: the file lacks a character that it uses inside other subtokens.
        """
        token_ids = self._token_ids
        try:
            return [id_ for token in tokenizer.encode(text) for id_ in token_ids(token)]
        except UnicodeEncodeError:
            check_encodable(text)
            raise

    def encode_without_tokenizing(self, token_text: str) -> list[int]:
        """The subtoken ids of one token that the caller has made by rules of their own.

        Raises:
          DataError: the token holds a lone surrogate.
          VocabularyError: as for `encode`.
        """
        check_encodable(token_text)
        return list(self._token_ids(token_text))

    def decode(self, ids: Sequence[int], strip_extraneous: bool = False) -> str:
        """The text of `ids`; an id outside the vocabulary adds nothing."""
        joined = "".join(self.decode_list(self._stripped(ids, strip_extraneous)))
        tokens = (_unescaped(escaped) for escaped in joined.split("_"))
        return tokenizer.decode(token for token in tokens if token)

    def decode_list(self, ids: Sequence[int]) -> list[str]:
        """The subtokens of `ids` as the file spells them, `_` ending a word."""
        size = self.vocab_size
        return [self._subtokens[id_] if 0 <= id_ < size else "" for id_ in ids]

    def _cut(self, token: str) -> tuple[int, ...]:
        """The ids of one token; raises UnicodeEncodeError for a lone surrogate."""
        escaped = self._escaped(token)
        ids: list[int] = []
        start = 0
        while start < len(escaped):
            for end in range(min(len(escaped), start + self._longest), start, -1):
                id_ = self._subtoken_to_id.get(escaped[start:end])
                if id_ is not None:
                    break
            else:
                raise VocabularyError(
                    f"{self.filename} has no subtoken for {escaped[start]!r} (in {token!r}); a T2T "
                    "vocabulary has one for every character that it uses: is the file complete?"
                )
            ids.append(id_)
            start = end
        return tuple(ids)

    def _escaped(self, token: str) -> str:
        token = token.replace("\\", "\\\\").replace("_", "\\u")
        if not self._alphabet.issuperset(token):
            token.encode("utf-8")
            token = "".join(c if c in self._alphabet else f"\\{ord(c)};" for c in token)
        return token + "_"

    # A worker process that gets this encoder fills a cache of its own.
    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_token_ids"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._token_ids = lru_cache(_CACHED_TOKENS)(self._cut)


def _unquoted(line: str) -> str:
    """A line without the quotes that T2T puts around a subtoken to keep its spaces."""
    quoted = line.startswith("'") and line.endswith("'")
    quoted = quoted or (line.startswith('"') and line.endswith('"'))
    return line[1:-1] if quoted else line


def _unescaped(escaped: str) -> str:
    return _ESCAPE.sub(_character, escaped) if "\\" in escaped else escaped


def _character(escape: re.Match[str]) -> str:
    number = escape.group(1)
    if number is None:
        return "_" if escape.group() == "\\u" else "\\"
    try:
        character = chr(int(number))
        # T2T would return a lone surrogate here, which no file and no terminal takes.
        character.encode("utf-8")
    except (ValueError, OverflowError):
        return UNDEFINED
    return character
