"""Encodes and decodes with Tensor2Tensor's `.subwords` vocabulary files, with T2T's ids.

`subwords.py` describes how words are split. Problems get new vocabularies from SentencePiece
(`sentencepiece_training.py`); plugins written for T2T can build one in this format.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property, lru_cache
from typing import Any, Self

from t2tlite.errors import VocabularyError
from t2tlite.files import atomic
from t2tlite.text import tokenizer
from t2tlite.text.encoder import TextEncoder, as_text, encode_utf8
from t2tlite.text.subword_training import ROUNDS, learn_subtokens, learn_subtokens_to_size
from t2tlite.text.subwords import (
    ESCAPE_CHARACTERS,
    escape_token,
    longest_subtokens,
    unescape_token,
)
from t2tlite.text.vocabulary_file import read_vocabulary_lines

# Enough for the words of a large corpus; about 100 MB when full. A look-up is ten times as fast as
# splitting.
_CACHED_TOKENS = 2**17


class SubwordTextEncoder(TextEncoder):
    """Encodes and decodes with a T2T `.subwords` file as T2T 1.15.7 does.

    `decode(encode(text)) == text` for any text.

    Args:
      filename: a T2T subword vocabulary: one subtoken per line, with or without quotes. None: the
        vocabulary is empty until one of the `build` methods fills it.

    Raises:
      VocabularyError: the file is missing, empty or not UTF-8.
    """

    def __init__(self, filename: str | os.PathLike[str] | None = None) -> None:
        super().__init__()
        self.filename = None if filename is None else os.fspath(filename)
        self._fill([])
        if filename is not None:
            self._load_from_file(filename)

    @cached_property
    def _token_ids(self) -> Callable[[str], tuple[int, ...]]:
        return lru_cache(_CACHED_TOKENS)(self._split_token)

    # The cache can't be pickled; a worker process fills its own.
    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_token_ids"}

    @property
    def vocab_size(self) -> int:
        return len(self._all_subtoken_strings)

    @property
    def all_subtoken_strings(self) -> tuple[str, ...]:
        """The subtokens by id."""
        return tuple(self._all_subtoken_strings)

    @property
    def fallback_ids(self) -> frozenset[int]:
        """The subtokens that begin an escape such as `\\9786;`."""
        subtokens = self._all_subtoken_strings
        bare = (s.replace("\\\\", "").replace("\\u", "") for s in subtokens)
        return frozenset(id_ for id_, subtoken in enumerate(bare) if "\\" in subtoken)

    def encode(self, text: str) -> list[int]:
        text = as_text(text)
        try:
            return self._tokens_to_subtoken_ids(tokenizer.encode(text))
        except UnicodeEncodeError:
            encode_utf8(text)
            raise

    def encode_without_tokenizing(self, token_text: str) -> list[int]:
        """Returns the subtoken ids of one token of any tokenizer; raises as `encode`."""
        token_text = as_text(token_text)
        encode_utf8(token_text)
        return self._tokens_to_subtoken_ids([token_text])

    def decode(self, ids: Sequence[int], strip_extraneous: bool = False) -> str:
        """Returns the text of `ids`; ids outside the vocabulary are ignored."""
        return tokenizer.decode(self._subtoken_ids_to_tokens(self._stripped(ids, strip_extraneous)))

    def decode_list(self, ids: Sequence[int]) -> list[str]:
        """Returns the subtokens of `ids` as in the file, with `_` at the end of a word."""
        return [self._subtoken_id_to_subtoken_string(id_) for id_ in ids]

    @classmethod
    def build_from_generator(
        cls,
        generator: Iterable[str],
        target_size: int,
        max_subtoken_length: int | None = None,
        reserved_tokens: Sequence[str] | None = None,
    ) -> Self:
        """Learns a vocabulary from texts; see `learn_subtokens_to_size`."""
        counts: Counter[str] = Counter()
        for text in generator:
            counts.update(tokenizer.encode(as_text(text)))
        return cls.build_to_target_size(
            target_size, counts, 1, 1000, max_subtoken_length, reserved_tokens
        )

    @classmethod
    def build_to_target_size(
        cls,
        target_size: int,
        token_counts: Mapping[str, int],
        min_val: float,
        max_val: float,
        max_subtoken_length: int | None = None,
        reserved_tokens: Sequence[str] | None = None,
        num_iterations: int = ROUNDS,
    ) -> Self:
        """Learns a vocabulary of about `target_size` subtokens; see `learn_subtokens_to_size`."""
        encoder = cls()
        subtokens = learn_subtokens_to_size(
            target_size,
            token_counts,
            min_val,
            max_val,
            rounds=num_iterations,
            reserved_tokens=reserved_tokens,
            max_subtoken_length=max_subtoken_length,
        )
        encoder._fill(subtokens)
        return encoder

    def build_from_token_counts(
        self,
        token_counts: Mapping[str, int],
        min_count: float,
        num_iterations: int = ROUNDS,
        reserved_tokens: Sequence[str] | None = None,
        max_subtoken_length: int | None = None,
    ) -> None:
        """Learns the subtokens that occur at least `min_count` times; see `learn_subtokens`."""
        subtokens = learn_subtokens(
            token_counts,
            min_count,
            rounds=num_iterations,
            reserved_tokens=reserved_tokens,
            max_subtoken_length=max_subtoken_length,
        )
        self._fill(subtokens)

    def store_to_file(
        self, filename: str | os.PathLike[str], add_single_quotes: bool = True
    ) -> None:
        """Writes the subtokens, one per line, atomically.

        Args:
          filename: the file; an old one is replaced.
          add_single_quotes: write quotes around each, which keep its spaces.

        Raises:
          OutputError: the file can't be written.
        """
        quote = "'" if add_single_quotes else ""
        with atomic(filename, "w") as file:
            file.writelines(f"{quote}{s}{quote}\n" for s in self._all_subtoken_strings)
        self.filename = self.filename or os.fspath(filename)

    def dump(self) -> None:
        """Prints all subtokens with their ids."""
        pairs = sorted((id_, s) for s, id_ in self._subtoken_string_to_id.items())
        print(", ".join(f"{id_} : '{subtoken}'" for id_, subtoken in pairs))

    # The methods from here on have T2T's names: subclasses in plugins call and override them.

    def _load_from_file(self, filename: str | os.PathLike[str]) -> None:
        self._load_from_file_object(read_vocabulary_lines(filename))

    def _load_from_file_object(self, lines: Iterable[str]) -> None:
        self._fill([_unquote(line.strip()) for line in lines])

    def _fill(self, subtokens: Sequence[str]) -> None:
        # T2T's names, which plugins read.
        self._all_subtoken_strings = list(subtokens)
        # If a subtoken appears twice, its later id is used, as in T2T.
        self._subtoken_string_to_id = {s: i for i, s in enumerate(subtokens) if s}
        self._max_subtoken_len = max(map(len, subtokens), default=0)
        self._alphabet = ESCAPE_CHARACTERS.union(*subtokens)
        self.__dict__.pop("_token_ids", None)

    def _tokens_to_subtoken_ids(self, tokens: Iterable[str]) -> list[int]:
        token_ids = self._token_to_subtoken_ids
        return [id_ for token in tokens for id_ in token_ids(token)]

    def _token_to_subtoken_ids(self, token: str) -> Sequence[int]:
        return self._token_ids(token)

    def _split_token(self, token: str) -> tuple[int, ...]:
        """Returns the ids of one token; raises UnicodeEncodeError for a lone surrogate."""
        return tuple(self._escaped_token_to_subtoken_ids(escape_token(token, self._alphabet)))

    def _escaped_token_to_subtoken_ids(self, escaped_token: str) -> list[int]:
        ids = self._subtoken_string_to_id
        return [ids[s] for s in self._escaped_token_to_subtoken_strings(escaped_token)]

    def _escaped_token_to_subtoken_strings(self, escaped_token: str) -> list[str]:
        ids, longest = self._subtoken_string_to_id, self._max_subtoken_len
        try:
            return longest_subtokens(escaped_token, ids, longest)
        except KeyError as error:
            raise VocabularyError(
                f"{self.filename or 'the vocabulary'} has no subtoken for {error.args[0]!r} (in "
                f"{unescape_token(escaped_token)!r}), which other subtokens contain; is the file "
                f"complete?"
            ) from None

    def _subtoken_ids_to_tokens(self, subtokens: Sequence[int]) -> list[str]:
        tokens = map(unescape_token, "".join(self.decode_list(subtokens)).split("_"))
        return [token for token in tokens if token]

    def _subtoken_id_to_subtoken_string(self, subtoken: int) -> str:
        in_vocabulary = 0 <= subtoken < len(self._all_subtoken_strings)
        return self._all_subtoken_strings[subtoken] if in_vocabulary else ""


def _unquote(line: str) -> str:
    """Returns a line without the quotes with which T2T protects a subtoken's spaces."""
    return line[1:-1] if line[:1] in ("'", '"') and line[0] == line[-1] else line
