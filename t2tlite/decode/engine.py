"""The interface of a decode engine: a loaded model that takes token ids and gives token ids."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from t2tlite.decode.decode_hparams import DecodeHParams
from t2tlite.errors import CheckpointError, DeviceError


class Row(NamedTuple):
    """A line to decode, as token ids.

    Attributes:
      ids: what the model reads, EOS included; for a language model, the beginning of the answer.
      prefix: what every answer begins with; scores don't count it.
      seed: makes its samples depend on this number and `random_seed` alone, whatever else is in the
        batch.
    """

    ids: Sequence[int]
    prefix: Sequence[int] = ()
    seed: int | None = None

    @property
    def size(self) -> int:
        """Number of tokens, the prefix included."""
        return len(self.ids) + len(self.prefix)


class Answer(NamedTuple):
    """One answer to a row, as token ids.

    Attributes:
      ids: without PAD and EOS; of a classifier, the label alone.
      score: log-probability in nats; with a beam, divided by the length penalty.
    """

    ids: list[int]
    score: float


class Engine(ABC):
    """A loaded model. `Decoder` turns text into the ids that it takes, and back.

    An engine inherits from this and defines `search` at least; the other methods refuse.

    Attributes:
      weights: the file of the loaded weights.
      backend: what computes: "tensorflow", "jax", "ctranslate2", ...
      row_shares: devices that the rows of a batch are split among.
      is_one_device: whether a single device computes; only then may several threads call methods.
      can_stream: whether `stream` may be called.
      has_attention: whether `attention` may be called.
      min_width: rows are padded to at least this many tokens, so that lines of different lengths
        share one compiled shape; an engine that doesn't pad ignores it.
    """

    weights: Path
    backend: str
    row_shares = 1
    is_one_device = True
    can_stream = False
    has_attention = False
    min_width = 1

    @property
    def all_weights(self) -> list[Path]:
        """The files of the loaded weights of all members of an ensemble."""
        return [self.weights]

    @abstractmethod
    def search(
        self, rows: Sequence[Row], decode_hparams: DecodeHParams, seed: int | None = None
    ) -> list[list[Answer]]:
        """Decodes a batch.

        Args:
          rows: of similar lengths.
          decode_hparams: checked.
          seed: makes samples depend on this number and `random_seed` alone; None: they also depend
            on the samples drawn before.

        Returns:
          For each row its answers, best first: one per beam, or fewer if the search found fewer;
          of a classifier, all labels.
        """

    def max_tokens(self, rows: int, decode_hparams: DecodeHParams | None = None) -> int:
        """Returns the most tokens, of a line and its prefix, that `search` takes.

        Args:
          rows: in the batch.
          decode_hparams: of the search; None: of the features that `score` takes.
        """
        return sys.maxsize

    def stream(self, row: Row, decode_hparams: DecodeHParams) -> Iterator[Answer]:
        """Decodes a row without a beam; yields the answer after each of its tokens."""
        raise self._unsupported("yield an answer token by token")

    def score(self, features: Mapping[str, Sequence[Sequence[int]]]) -> list[tuple[float, int]]:
        """Scores given targets.

        Args:
          features: the ids of each row by feature, "targets" and, unless the model is a language
            model, "inputs"; EOS included. The target of a classifier is a label.

        Returns:
          For each row the log-probability of its targets in nats, and their number of tokens.
        """
        raise self._unsupported("score given texts")

    def likeliest(
        self, features: Mapping[str, Sequence[Sequence[int]]], count: int
    ) -> list[tuple[Any, Any]]:
        """Finds the likeliest tokens at each position of given targets.

        Args:
          features: as for `score`.
          count: K tokens, at most as many as there are.

        Returns:
          For each row the ids, int32 [T, K], and their log-probabilities in nats, float32 [T, K].
        """
        raise self._unsupported("give distributions")

    def attention(self, features: Mapping[str, Sequence[int]]) -> dict[str, Any]:
        """Computes the attention weights of one row, without dropout.

        Args:
          features: the ids by feature, as for `score`.

        Returns:
          float32 [layers, heads, queries, keys] by kind: "encoder", "decoder" or "cross".
        """
        raise self._unsupported("give attention weights")

    def load_checkpoint(self, checkpoint: str | int) -> None:
        """Replaces the weights by those of another checkpoint, named as for `Decoder`."""
        raise self._unsupported("load another checkpoint")

    # Most engines have nothing to compile.
    def warm_up(self, decode_hparams: DecodeHParams, rows: int, stream: bool) -> None:  # noqa: B027
        """Traces or compiles what `search` needs for this many short rows, or `stream` for one."""

    def _unsupported(self, ability: str) -> DeviceError:
        advice = "use a Decoder of Keras (--engine=keras)"
        return DeviceError(f"{self.backend} doesn't {ability}; {advice}")


def not_finite_error(weights: Path) -> CheckpointError:
    """Returns the error for scores that are NaN or infinite."""
    return CheckpointError(
        f"{weights} gives scores that are not finite (NaN or infinity): its weights are damaged; "
        f"use another checkpoint, or train again"
    )
