"""Evaluation: loss and metrics over the batches of a split."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from t2tlite.errors import DataError
from t2tlite.metrics import (
    KNOWN,
    NEED_PAIRS,
    NEED_TEXT,
    OF_NUMBERS,
    Scores,
    member_metric,
    text_units,
)
from t2tlite.model.teacher_forcing import Scorer
from t2tlite.t2t_names.metrics import NOT_COMPUTED

log = logging.getLogger(__name__)

# T2T's error rates of teacher-forced predictions.
_RATES = {NOT_COMPUTED["WORD_ERROR_RATE"], NOT_COMPUTED["EDIT_DISTANCE"]}


def evaluate(
    scorer: Scorer,
    batches: Iterable[dict[str, Any]],
    metric_names: Sequence[str],
    feed: Callable[[dict[str, Any]], dict[str, Any]],
    encoder: Any,
) -> tuple[dict[str, float], int]:
    """Returns the loss and metrics over all batches; and how many examples there were.

    The loss is in nats a token; of numbers it is the mean squared error.

    Args:
      batches: int32 arrays [rows, length] by feature; rows of padding don't count.
      metric_names: from `computed_metrics`.
      feed: places a batch on the devices.
      encoder: of the targets; decodes them for metrics of the text.

    Raises:
      DataError: there is no example.
    """
    needs_pairs = bool(NEED_PAIRS.intersection(metric_names))
    needs_text = bool(NEED_TEXT.intersection(metric_names))
    total = Scores()
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
        for i in real.nonzero()[0]:
            if needs_text:
                words, size = text_units(targets[i], encoder)
                total.words += words
                total.bytes += size
            if needs_pairs:
                length = int(rows["tokens"][i])
                pair = rows["predicted"][i, :length], targets[i, :length]
                total.pairs.append((pair[0].tolist(), pair[1].tolist()))
    if not total.sequences:
        raise DataError("the evaluation data is empty; run t2t-datagen, or check dataset_splits")
    return total.result(metric_names), total.sequences


def mean_of_members(metrics: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Returns the mean of each metric over the members of a mixture, and those of each member.

    Args:
      metrics: by the member's name; or those of another problem, by the name "".
    """
    if list(metrics) == [""]:
        return dict(metrics[""])
    rows = list(metrics.values())
    means = {name: sum(row[name] for row in rows) / len(rows) for name in rows[0]}
    each = {
        member_metric(member, name): value
        for member, row in metrics.items()
        for name, value in row.items()
    }
    return {**means, **each}


def computed_metrics(metric_names: Sequence[str], modality: str) -> list[str]:
    """Returns the names without those of T2T's metrics that aren't computed for these targets.

    A warning says which. The others are in `metrics.KNOWN`.

    Raises:
      DataError: a metric is neither.
    """
    numbers = modality == "real_l2"
    skipped = [
        name
        for name in metric_names
        if name in NOT_COMPUTED.values() or (name in KNOWN and (name in OF_NUMBERS) != numbers)
    ]
    if skipped:
        hint = "; --eval_decode=N measures error rates of answers" if _RATES & {*skipped} else ""
        log.warning("eval_metrics: T2T's %s not computed here%s", ", ".join(skipped), hint)
    names = [name for name in metric_names if name not in skipped]
    if unknown := [name for name in names if name not in KNOWN]:
        raise DataError(
            f"eval_metrics names {unknown[0]!r}, which is not one of {', '.join(sorted(KNOWN))}"
        )
    return names
