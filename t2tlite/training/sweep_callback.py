"""Keras's callback of a learning rate range test."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from t2tlite.training.objective import Objective, Totals


class SweepCallback(keras.callbacks.Callback):
    """Reports the learning rate and the loss of each update.

    Args:
      objective: the model that `fit` trains.
      schedule: the learning rate by number of batches.
      report: called with both; training stops when it returns False.
      batches: of an update.
    """

    def __init__(
        self,
        objective: Objective,
        schedule: Callable[[int], Any],
        report: Callable[[float, float], bool],
        batches: int,
    ):
        super().__init__()
        self.objective, self.schedule = objective, schedule
        self.report, self.batches = report, batches
        self._before = dict.fromkeys(Totals.NAMES, 0.0)
        self._stop_reason = ""

    def ask_to_stop(self, reason: str) -> None:
        """Ends training after the current batch."""
        self._stop_reason = reason

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if (batch + 1) % self.batches == 0:
            totals = Totals.read(logs)
            loss, weight = (totals[name] - self._before[name] for name in ("loss", "weight"))
            self._before = totals
            if not self.report(float(self.schedule(batch)), loss / max(weight, 1e-30)):
                self.objective.stop_training = True
        if self._stop_reason:
            self.objective.stop_training = True
