"""Encodes whitespace-separated tokens with the user's own vocabulary: `VocabType.TOKEN`.

The file format is Tensor2Tensor's: one token per line, whose id is the number of the line, from 0.
No token is added, so the first two lines of the file are `<pad>` and `<EOS>`.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Sequence
from typing import Any

from t2tlite.errors import VocabularyError
from t2tlite.files import atomic
from t2tlite.text.encoder import NUM_RESERVED_TOKENS, RESERVED_TOKENS, TextEncoder, as_text
from t2tlite.text.vocabulary_file import read_vocabulary_lines

_log = logging.getLogger(__name__)


class TokenTextEncoder(TextEncoder):
    """Maps each whitespace-separated token to its position in a file or list.

    Args:
      vocab_filename: a UTF-8 file with one token per line, including the reserved tokens.
      reverse: encode the last token first, and decode accordingly.
      vocab_list: the tokens, if there is no file; `<pad>` and `<EOS>` are added before them.
      replace_oov: the token that replaces out-of-vocabulary tokens. If it isn't in the vocabulary
        itself, such a token is an error.
      num_reserved_ids: ids that `decode(..., strip_extraneous=True)` strips from the end; as in
        T2T, it doesn't change the ids of tokens.

    Raises:
      VocabularyError: the file is missing or damaged, or there is neither file nor list.
    """

    def __init__(
        self,
        vocab_filename: str | os.PathLike[str] | None,
        reverse: bool = False,
        vocab_list: Iterable[str] | None = None,
        replace_oov: str | None = None,
        num_reserved_ids: int = NUM_RESERVED_TOKENS,
    ) -> None:
        super().__init__(num_reserved_ids)
        self.filename = os.fspath(vocab_filename) if vocab_filename else None
        if vocab_filename:
            tokens = [line.strip() for line in read_vocabulary_lines(vocab_filename)]
            if (first := tokens[:NUM_RESERVED_TOKENS]) != RESERVED_TOKENS:
                _log.warning(
                    "%s starts with the tokens %r, not %r: ids 0 and 1 always mean padding and end "
                    "of sequence, so put these two lines before the first token",
                    self.filename,
                    first,
                    RESERVED_TOKENS,
                )
        elif vocab_list is not None:
            tokens = RESERVED_TOKENS + [t for t in vocab_list if t not in RESERVED_TOKENS]
        else:
            raise VocabularyError(
                "TokenTextEncoder got neither vocab_filename nor vocab_list; give it one of them"
            )
        self.reverse = reverse
        self.replace_oov = replace_oov
        # T2T's names, which plugins read. Of a token that appears twice, its later id is used.
        self._id_to_token = dict(enumerate(tokens))
        self._token_to_id = {token: id_ for id_, token in self._id_to_token.items()}

    @property
    def oov_id(self) -> int | None:
        """The id of `replace_oov`; None if it is not set, or not in the vocabulary."""
        return None if self.replace_oov is None else self._token_to_id.get(self.replace_oov)

    @property
    def vocab_size(self) -> int:
        return len(self._id_to_token)

    @property
    def fallback_ids(self) -> frozenset[int]:
        """The id of `replace_oov`, if it is in the vocabulary."""
        oov_id = self.oov_id
        return frozenset() if oov_id is None else frozenset([oov_id])

    def encode(self, text: str) -> list[int]:
        tokens, oov_id = as_text(text).split(), self.oov_id
        ids: list[Any] = [self._token_to_id.get(token, oov_id) for token in tokens]
        if None in ids:
            unknown, oov = tokens[ids.index(None)], self.replace_oov
            raise VocabularyError(
                f"token {unknown!r} isn't among the {self.vocab_size} tokens of the vocabulary, "
                + (
                    "and there is no oov_token; set the problem's oov_token to the token that "
                    "replaces unknown ones, or add it to the vocabulary"
                    if oov is None
                    else f"and neither is the oov_token {oov!r}; add one of them, or set the "
                    f"problem's oov_token to a token that is there"
                )
            )
        return ids[::-1] if self.reverse else ids

    def decode(self, ids: Sequence[int], strip_extraneous: bool = False) -> str:
        """Returns the tokens of `ids`, joined by single spaces."""
        return " ".join(self.decode_list(self._stripped(ids, strip_extraneous)))

    def decode_list(self, ids: Sequence[int]) -> list[str]:
        """Returns the tokens of `ids`; an id without a token becomes, for example, `ID_7`."""
        ordered = reversed(ids) if self.reverse else ids
        return [self._id_to_token.get(id_, f"ID_{id_}") for id_ in ordered]

    def store_to_file(self, filename: str | os.PathLike[str]) -> None:
        """Writes the tokens, reserved ones included, one per line, atomically.

        Raises:
          OutputError: the file can't be written.
        """
        with atomic(filename, "w") as file:
            file.writelines(f"{token}\n" for token in self._id_to_token.values())
