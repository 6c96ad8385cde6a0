"""Whitespace-separated tokens with a vocabulary of the user's own: `VocabType.TOKEN`.

The file format and its meaning are Tensor2Tensor's: one token a line, the line's number (from 0) is
the id, and nothing is added, so that the file itself starts with `<pad>` and `<EOS>`.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Sequence

from t2tlite.errors import VocabularyError
from t2tlite.files import atomic
from t2tlite.text.encoder import NUM_RESERVED_TOKENS, RESERVED_TOKENS, TextEncoder
from t2tlite.text.vocabulary_file import read_vocabulary_lines

_log = logging.getLogger(__name__)


class TokenTextEncoder(TextEncoder):
    """Maps each whitespace-separated token to the id that a file or list gives it."""

    def __init__(
        self,
        vocab_filename: str | os.PathLike[str] | None,
        reverse: bool = False,
        vocab_list: Iterable[str] | None = None,
        replace_oov: str | None = None,
        num_reserved_ids: int = NUM_RESERVED_TOKENS,
    ) -> None:
        """Loads the tokens.

        Args:
          vocab_filename: a UTF-8 file with one token a line, the reserved tokens among them.
          reverse: encode the last token first, and decode accordingly.
          vocab_list: the tokens, if there is no file; `<pad>` and `<EOS>` are put before them.
          replace_oov: the token that stands for every token out of the vocabulary.
          num_reserved_ids: how many ids `decode(..., strip_extraneous=True)` strips from the end;
            as in T2T it moves no token to another id.

        Raises:
          VocabularyError: the file is missing or broken, there is neither file nor list, or
            `replace_oov` isn't in the vocabulary.
        """
        super().__init__(num_reserved_ids)
        if vocab_filename:
            self._tokens = [line.strip() for line in read_vocabulary_lines(vocab_filename)]
            _warn_unless_reserved(self._tokens, vocab_filename)
        elif vocab_list is not None:
            self._tokens = RESERVED_TOKENS + [t for t in vocab_list if t not in RESERVED_TOKENS]
        else:
            raise VocabularyError(
                "TokenTextEncoder found neither vocab_filename nor vocab_list; give it one of them"
            )
        self.reverse = reverse
        # Of a token that appears twice the later id counts, as in T2T.
        self._token_to_id = {token: id_ for id_, token in enumerate(self._tokens)}
        self.oov_id: int | None = None
        if replace_oov is not None:
            if replace_oov not in self._token_to_id:
                source = os.fspath(vocab_filename) if vocab_filename else "the vocabulary list"
                raise VocabularyError(
                    f"oov_token {replace_oov!r} isn't in {source}; add it as a line of its own, or "
                    "name a token that is there"
                )
            self.oov_id = self._token_to_id[replace_oov]

    @property
    def vocab_size(self) -> int:
        """The number of lines or tokens, reserved ones included."""
        return len(self._tokens)

    @property
    def fallback_ids(self) -> frozenset[int]:
        """The id of `replace_oov`, if there is one."""
        return frozenset() if self.oov_id is None else frozenset([self.oov_id])

    def encode(self, text: str) -> list[int]:
        """The ids of the tokens of `text`.

        Raises:
          VocabularyError: a token isn't in the vocabulary and there is no `replace_oov`.
        """
        tokens = text.split()
        if self.oov_id is not None:
            ids = [self._token_to_id.get(token, self.oov_id) for token in tokens]
        else:
            try:
                ids = [self._token_to_id[token] for token in tokens]
            except KeyError as error:
                raise VocabularyError(
                    f"token {error.args[0]!r} isn't among the {self.vocab_size} tokens of the "
                    "vocabulary; set the problem's oov_token to the one that stands for unknown "
                    "tokens, or add it to the vocabulary file"
                ) from None
        return ids[::-1] if self.reverse else ids

    def decode(self, ids: Sequence[int], strip_extraneous: bool = False) -> str:
        """The tokens of `ids` with single spaces between them."""
        return " ".join(self.decode_list(self._stripped(ids, strip_extraneous)))

    def decode_list(self, ids: Sequence[int]) -> list[str]:
        """The tokens of `ids`; an id that no token has becomes `ID_7`."""
        ordered = reversed(ids) if self.reverse else ids
        size = self.vocab_size
        return [self._tokens[id_] if 0 <= id_ < size else f"ID_{id_}" for id_ in ordered]

    def store_to_file(self, filename: str | os.PathLike[str]) -> None:
        """Writes the vocabulary, reserved tokens included, one a line, whole or not at all.

        Raises:
          OutputError: the file can't be written.
        """
        with atomic(filename) as file:
            file.write("".join(f"{token}\n" for token in self._tokens).encode("utf-8"))


def _warn_unless_reserved(tokens: list[str], filename: str | os.PathLike[str]) -> None:
    first = tokens[:NUM_RESERVED_TOKENS]
    if first != RESERVED_TOKENS:
        _log.warning(
            "%s starts with the tokens %r, not %r: ids 0 and 1 mean padding and the end of a "
            "sequence whatever these lines say, so put these two lines before the first token",
            os.fspath(filename),
            first,
            RESERVED_TOKENS,
        )
