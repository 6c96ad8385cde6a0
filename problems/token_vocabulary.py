"""TOKEN vocabularies of problems that know all their tokens beforehand."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from t2tlite import text, text_problems


class KnownTokensProblem(text_problems.Text2TextProblem):
    """A problem with a TOKEN vocabulary of known tokens, written to data_dir by t2t-datagen.

    A subclass implements `tokens` and `generate_samples`.
    """

    vocab_type = text_problems.VocabType.TOKEN

    def tokens(self) -> Iterable[str]:
        """Returns the tokens in the order of their ids, without `<pad>` and `<EOS>`."""
        raise NotImplementedError(f"{type(self).__name__} has no tokens")

    def get_or_create_vocab(
        self, data_dir: str, tmp_dir: str | None, force_get: bool = False
    ) -> Any:
        if not force_get:
            write_once(os.path.join(data_dir, self.vocab_filename), self.tokens)
        return super().get_or_create_vocab(data_dir, tmp_dir, force_get)


def write_once(path: str, tokens: Callable[[], Iterable[str]]) -> None:
    """Writes a vocabulary of `<pad>`, `<EOS>` and `tokens()` unless the file exists.

    An existing file stays: data and models may use its ids.

    Raises:
      OutputError: the file can't be written.
    """
    if not os.path.exists(path):
        text.TokenTextEncoder(None, vocab_list=tokens()).store_to_file(path)


def write_most_frequent(path: str, texts: Iterable[str], size: int | None = None) -> None:
    """Writes a vocabulary of `<pad>`, `<EOS>` and the words of texts, unless the file exists.

    More frequent words come first, and equally frequent ones in the order of their characters.

    Args:
      path: the file.
      texts: words between white space.
      size: how many words to keep, the most frequent ones; None: all.

    Raises:
      OutputError: the file can't be written.
    """

    def words() -> list[str]:
        counts = Counter(word for line in texts for word in line.split())
        return sorted(counts, key=lambda word: (-counts[word], word))[:size]

    write_once(path, words)
