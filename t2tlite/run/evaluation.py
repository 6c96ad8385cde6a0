"""Evaluation: one compiled pass over a split."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import keras
from keras import ops

from t2tlite.compat.metrics import NOT_COMPUTED
from t2tlite.errors import DataError
from t2tlite.model.losses import cross_entropy, weights
from t2tlite.run.metrics import KNOWN, NEED_PAIRS, NEED_TEXT, Scores, text_units

log = logging.getLogger(__name__)


class Scorer(keras.Model):
    """Runs a model without dropout and returns what the metrics need, by row.

    Args:
      network: a model.
      modality: of its targets.
      gather: makes a result whole where several devices compute it.
    """

    def __init__(self, network: Any, modality: str, gather: Callable[[Any], Any]):
        super().__init__(name="scorer")
        self.network = network
        self.modality = modality
        self.gather = gather

    def call(self, features: dict[str, Any]) -> dict[str, Any]:
        targets_BT = features["targets"]
        logits_BTV = self.network(features, training=False)
        weights_BT = weights(targets_BT, self.modality)
        if "inputs" in features:
            # A row that only fills up a batch of static shape has no inputs.
            filled_B1 = ops.any(ops.not_equal(features["inputs"], 0), axis=1, keepdims=True)
            weights_BT = weights_BT * ops.cast(filled_B1, "float32")
        target_logits = ops.take_along_axis(logits_BTV, targets_BT[..., None], axis=-1)
        ahead_BT = ops.sum(ops.cast(logits_BTV > target_logits, "int32"), axis=-1)

        def count(where: Any) -> Any:
            return ops.sum(ops.cast(where, "float32") * weights_BT, axis=1)

        predicted_BT = ops.cast(ops.argmax(logits_BTV, axis=-1), "int32")
        scores = {
            "loss": ops.sum(cross_entropy(logits_BTV, targets_BT) * weights_BT, axis=1),
            "tokens": ops.sum(weights_BT, axis=1),
            # As T2T: the argmax must be the target, also where two logits are equal.
            "correct": count(predicted_BT == targets_BT),
            "top5": count(ahead_BT < 5),
            "predicted": predicted_BT,
        }
        return {name: self.gather(value) for name, value in scores.items()}


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
