"""How examples become batches: the kind of batch, its shapes and sizes. Needs no TensorFlow."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np

from t2tlite.config import HParams
from t2tlite.errors import HParamsError

# Longest evaluation example, in tokens, if shapes are static and the hparams set no limit.
LONGEST_STATIC = 16_384


@dataclass(frozen=True)
class Batching:
    """How examples become batches.

    Attributes:
      kind: "bucket" (examples of similar length), "pad" (all padded to max_length) or "pack"
        (several examples in a row, separated by segment ids).
      batch_tokens: padded tokens of a batch, of inputs or of targets, whichever are longer.
      max_length: length of the longest example, in tokens; in a packed batch, of a row.
      min_length: length of the shortest example.
      first_bucket: bound of the first bucket.
      bucket_step: ratio of a bucket's bound to that of the bucket before.
      static: whether batches must have one of few shapes, because each shape is compiled.
      unbounded: whether examples longer than max_length are kept, in batches of their own.
      rows_multiple: the rows of a batch must be a multiple of it, the number of devices.
      length_multiple: lengths of static rows are multiples of it, for a TPU's matrix unit.
      one_label: whether the targets must be one class label. A batch would pad several with 0,
        which is a label.
    """

    kind: str
    batch_tokens: int
    max_length: int
    _: KW_ONLY
    min_length: int = 0
    first_bucket: int = 8
    bucket_step: float = 1.1
    static: bool = False
    unbounded: bool = False
    rows_multiple: int = 1
    length_multiple: int = 1
    one_label: bool = False

    @property
    def row_length(self) -> int:
        """Tokens of a padded or packed row, and of a row of the longest static bucket."""
        return self._round_up(self.max_length)

    def _round_up(self, length: int) -> int:
        return -(-length // self.length_multiple) * self.length_multiple

    @property
    def bounds(self) -> list[int]:
        """T2T's bucket bounds below max_length; a bucket holds lengths below its bound.

        Rows of a static bucket have the length of the bound itself.
        """
        bounds, bound = [], self._round_up(self.first_bucket)
        while bound < self.max_length:
            bounds.append(bound)
            bound = self._round_up(max(bound + 1, int(bound * self.bucket_step)))
        return bounds

    def rows(self, length: int) -> int:
        """Returns the number of rows of a batch whose rows have `length` tokens."""
        return max(1, self.batch_tokens // length // self.rows_multiple) * self.rows_multiple


def choose_batching(
    hparams: HParams,
    *,
    static: bool,
    replicas: int = 1,
    length_multiple: int = 1,
    can_pack: bool = True,
    packed_length: int | None = None,
) -> Batching:
    """Chooses how training examples are batched.

    Args:
      hparams: batching, pack_dataset, batch_size and the lengths are read.
      static: whether each shape is compiled, so that there should be few.
      replicas: devices that share a batch.
      length_multiple: lengths of static rows are multiples of it.
      can_pack: whether model and problem keep packed examples apart.
      packed_length: length of packed rows that the problem asks for.

    Raises:
      HParamsError: the batching isn't possible here, or the lengths contradict each other.
    """
    kind = "pack" if hparams.pack_dataset else hparams.batching
    if kind == "pack" and not can_pack:
        raise HParamsError(
            "batching=pack needs a model and a problem that keep packed examples apart, and these "
            "don't; choose batching=bucket or pad"
        )
    if kind == "auto":
        kind = "pack" if static and can_pack else "bucket"
    longest = (kind == "pack" and packed_length) or hparams.max_length or hparams.batch_size
    shortest = hparams.min_length
    if shortest > longest:
        raise HParamsError(f"min_length={shortest} exceeds max_length={longest}; lower it")
    return Batching(
        kind,
        hparams.batch_size * replicas,
        longest,
        min_length=shortest,
        first_bucket=hparams.min_length_bucket,
        # Bounds that double keep the number of shapes, and so of compilations, small.
        bucket_step=max(hparams.length_bucket_step, 2.0) if static else hparams.length_bucket_step,
        static=static,
        rows_multiple=replicas if static else 1,
        length_multiple=length_multiple if static else 1,
    )


def evaluation_batching(
    hparams: HParams, *, static: bool, replicas: int = 1, length_multiple: int = 1
) -> Batching:
    """Returns how evaluation examples are batched: in buckets, with all examples.

    With eval_drop_long_sequences, examples longer than max_length are left out as in training; if
    shapes are static, those longer than LONGEST_STATIC.
    """
    drop = hparams.eval_drop_long_sequences
    longest = hparams.max_length or hparams.batch_size
    return Batching(
        "bucket",
        hparams.batch_size * (replicas if static else 1),
        LONGEST_STATIC if static and not drop else longest,
        first_bucket=hparams.min_length_bucket,
        bucket_step=2.0 if static else hparams.length_bucket_step,
        static=static,
        unbounded=not (static or drop),
        rows_multiple=replicas if static else 1,
        length_multiple=length_multiple if static else 1,
    )


def limits_of(hparams: HParams) -> dict[str, int]:
    """Returns the length, by feature, that training examples are truncated to; 0: not."""
    return {"inputs": hparams.max_input_seq_length, "targets": hparams.max_target_seq_length}


@dataclass(frozen=True)
class Sizes:
    """What is known of a split before training on it.

    Attributes:
      examples: number of examples.
      kept: number of those within the length limits.
      batches: batches in an epoch, a mean if a round has several.
      rows, tokens: mean numbers of examples and of target tokens in a batch.
      padded_share: share of padding in the batches.
      row_length: tokens of the longest rows.
    """

    examples: int
    kept: int
    batches: int
    rows: float
    tokens: float
    padded_share: float
    row_length: int


def random_part(examples: int, share: float) -> Any:
    """Returns which examples are a share of all, drawn at random: bool [examples].

    The draw depends on nothing else, so that evaluations can be compared between steps and runs.
    """
    count = examples if share >= 1 else max(1, round(examples * share))
    part = np.zeros(examples, bool)
    part[np.random.default_rng(0).permutation(examples)[:count]] = True
    return part
