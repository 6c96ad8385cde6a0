"""Evaluation: one compiled pass over a split."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from t2tlite.errors import DataError
from t2tlite.metrics import KNOWN, NEED_PAIRS, NEED_TEXT, Scores, text_units
from t2tlite.model.scorer import Scorer
from t2tlite.t2t_names.metrics import NOT_COMPUTED

log = logging.getLogger(__name__)


def evaluate(
    scorer: Scorer,
    batches: Iterable[dict[str, Any]],
    metric_names: Sequence[str],
    feed: Callable[[dict[str, Any]], dict[str, Any]],
    encoder: Any,
) -> dict[str, float]:
    """Returns the loss, in nats a token, and the metrics over all batches.

    Args:
      scorer: runs the model.
      batches: of NumPy arrays.
      metric_names: which metrics.
      feed: gives a batch to the devices.
      encoder: of the targets.

    Raises:
      DataError: there is no batch, or a metric that nobody knows.
    """
    foreign = [name for name in metric_names if name in NOT_COMPUTED.values()]
    if foreign:
        log.warning("eval_metrics: %s: T2T's, not computed here", ", ".join(foreign))
    metric_names = [name for name in metric_names if name not in foreign]
    unknown = [name for name in metric_names if name not in KNOWN]
    if unknown:
        raise DataError(
            f"eval_metrics names {unknown[0]!r}, which t2tlite doesn't know; it has "
            f"{', '.join(sorted(KNOWN))}"
        )
    total = Scores()
    needs_pairs = bool(NEED_PAIRS.intersection(metric_names))
    needs_text = bool(NEED_TEXT.intersection(metric_names))
    for batch in batches:
        rows = scorer.predict_on_batch(feed(batch))
        targets = batch["targets"]
        total.loss += float(rows["loss"].sum())
        total.tokens += float(rows["tokens"].sum())
        total.correct += float(rows["correct"].sum())
        total.top5 += float(rows["top5"].sum())
        real = rows["tokens"] > 0
        total.sequences += int(real.sum())
        total.whole += int((rows["correct"] == rows["tokens"])[real].sum())
        if needs_text:
            units = [text_units(targets[i], encoder) for i in real.nonzero()[0]]
            total.words += sum(words for words, _ in units)
            total.bytes += sum(size for _, size in units)
        if needs_pairs:
            for i in real.nonzero()[0]:
                length = int(rows["tokens"][i])
                pair = rows["predicted"][i, :length], targets[i, :length]
                total.pairs.append((pair[0].tolist(), pair[1].tolist()))
    if not total.sequences:
        raise DataError("the evaluation data is empty; run t2t-datagen, or check dataset_splits")
    return total.result(metric_names)
