"""Examples whose target tokens have a teacher's likeliest tokens beside them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from t2tlite.batches.examples import Examples, MappedExamples, RecordFeature
from t2tlite.config import WEIGHTS, HParams
from t2tlite.data.index import index_shards
from t2tlite.data.teacher import TEACHER_COSTS, TEACHER_IDS
from t2tlite.data.wire import Array
from t2tlite.errors import DataError, HParamsError


class TaughtExamples:
    """Examples with a teacher's K likeliest tokens of each target token; see `data.teacher`.

    Args:
      examples: without them, the targets truncated as `hparams` say.
      shards: the TFRecord files.
      features: how the targets, among others, are read from the records.
      hparams: of the training.

    Raises:
      HParamsError: the targets of the training aren't those of the teacher.
      DataError: the records have no teacher's tokens, or not as many for each target token.
    """

    def __init__(
        self,
        examples: Examples,
        shards: Sequence[str],
        features: Mapping[str, RecordFeature],
        hparams: HParams,
    ):
        wanted = f"task_balance={hparams.task_balance}"
        if features["targets"].source != "targets" or hparams.prepend_mode != "none":
            other = "_rev, _copy or another feature as targets"
            if hparams.prepend_mode != "none":
                other = f"prepend_mode={hparams.prepend_mode}"
            raise HParamsError(
                f"{wanted} doesn't go with {other}: a teacher's distributions are those of the "
                f"targets as t2t-distill wrote them; set task_balance=1"
            )
        self.names, self.widths, self.lengths = examples.names, examples.widths, examples.lengths
        self.weights, self.ids = examples.weights, examples.ids
        filled = [one for one in index_shards(shards) if len(one.sizes)]
        if not all({TEACHER_IDS, TEACHER_COSTS} <= one.lengths.keys() for one in filled):
            raise DataError(
                f"{wanted}, but the examples in {os.path.dirname(shards[0])} have no teacher's "
                f"distributions; make them by t2t-distill --top_k=8, or set task_balance=1"
            )
        names = ("targets", TEACHER_COSTS, TEACHER_IDS)
        whole = MappedExamples(shards, {name: RecordFeature(name) for name in names}).lengths
        # Of all examples: some may have no targets.
        targets, _, ids = whole.sum(axis=0, dtype=np.int64).tolist()
        self._tokens = max(1, ids // max(1, targets))
        if not np.array_equal(whole[:, :1] * [1, self._tokens, self._tokens], whole):
            raise DataError(
                f"the examples in {os.path.dirname(shards[0])} have other numbers of the teacher's "
                f"tokens than {self._tokens} for each target token; run t2t-distill --overwrite"
            )
        limit = self._tokens * hparams.max_target_seq_length
        cut = {name: RecordFeature(name, limit) for name in (TEACHER_COSTS, TEACHER_IDS)}
        self._taught = MappedExamples(shards, cut)

    def taught(self, numbers: Array) -> Iterator[tuple[str, Array]]:
        """Yields the names and values, int32 [tokens, K], of the target tokens of examples."""
        for name, values in zip(self._taught.names, self._taught.ids(numbers), strict=True):
            yield name, values.reshape(-1, self._tokens)


def of_targets(examples: Examples, numbers: Array) -> Iterator[tuple[str, Array]]:
    """Yields what each target token of examples has beside its id.

    Args:
      examples: of any kind.
      numbers: which of them.

    Yields:
      WEIGHTS, if an example has a weight other than 1: float32 [tokens]. Of `TaughtExamples`, the
      likeliest tokens of the teacher and their costs: int32 [tokens, K].
    """
    if examples.weights is not None:
        yield WEIGHTS, np.repeat(examples.weights[numbers], examples.lengths[numbers, -1])
    if isinstance(examples, TaughtExamples):
        yield from examples.taught(numbers)
