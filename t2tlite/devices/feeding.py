"""Feeds training batches to Keras's `fit`, made in the background while the devices compute."""

from __future__ import annotations

import itertools
import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

# Feature with the seconds that a step waited for its batch, divided among the rows: float32 [rows].
WAITED = "waited"

# Batches that are made ahead.
AHEAD = 8

# Makes batch n, or a share of its rows.
MakeBatch = Callable[..., dict[str, Any]]


class Feed:
    """The training batches from one of them on.

    Args:
      make_batch: called as make_batch(number, share, shares); returns int32 arrays by feature.
      signature: shape and dtype of each feature; None where the shapes of batches differ.
      first: number of the first batch.

    Attributes:
      error: the exception that `make_batch` raised. TensorFlow reports it as one of its own.
    """

    def __init__(
        self,
        make_batch: MakeBatch,
        signature: Mapping[str, tuple[tuple[int | None, ...], str]],
        first: int,
    ):
        self._make_batch, self._signature, self._first = make_batch, signature, first
        self.error: Exception | None = None

    def iterate(
        self, share: int, shares: int, to_device: Callable[[dict[str, Any]], dict[str, Any]] = dict
    ) -> Iterator[tuple[dict[str, Any]]]:
        """Yields one share of each batch, with WAITED, as the tuples that Keras wants.

        Args:
          share, shares: which share of the rows, of how many.
          to_device: copies a batch to the device ahead of its step; called in the background.
        """
        ready: queue.Queue[Any] = queue.Queue(AHEAD)
        stopped = threading.Event()

        def put(item: Any) -> None:
            while not stopped.is_set():
                try:
                    return ready.put(item, timeout=0.1)
                except queue.Full:
                    continue

        def work() -> None:
            try:
                for number in itertools.count(self._first):
                    if stopped.is_set():
                        return
                    put(to_device(self._make_batch(number, share, shares)))
            except Exception as error:
                put(error)

        threading.Thread(target=work, name="batches", daemon=True).start()
        try:
            while True:
                start = time.monotonic()
                batch = ready.get()
                if isinstance(batch, Exception):
                    raise batch
                yield (_with_time(batch, time.monotonic() - start),)
        finally:
            stopped.set()

    def dataset(self, shares: int = 1, first_share: int = 0, own_shares: int = 1) -> Any:
        """Returns a tf.data.Dataset of the same, for TensorFlow.

        Args:
          shares: number of devices that share a batch.
          first_share: the first device of this machine.
          own_shares: number of devices of this machine, which get their rows in turn.
        """
        import tensorflow as tf

        names = list(self._signature)
        dtypes = [dtype for _, dtype in self._signature.values()]

        def make(element: Any) -> list[Any]:
            number, share = divmod(int(element), own_shares)
            try:
                batch = self._make_batch(self._first + number, first_share + share, shares)
            except Exception as error:
                self.error = error
                raise
            return [batch[name] for name in names]

        def batch(element: Any) -> dict[str, Any]:
            arrays = tf.numpy_function(make, [element], dtypes, stateful=False)
            features = {}
            for array, (name, (shape, _)) in zip(arrays, self._signature.items(), strict=True):
                # Keras would take the shapes of the first two batches for those of all.
                features[name] = tf.ensure_shape(
                    array, [shape[0] if shares == 1 else None, *shape[1:]]
                )
            return features

        options = tf.data.Options()
        options.deterministic = True
        made = tf.data.Dataset.range(2**62).map(batch).prefetch(AHEAD * own_shares)
        made = made.with_options(options)
        if shares > 1:
            # Declared endless, or several machines would ask each other for its end at every step.
            endless = tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY)
            return made.apply(endless)
        return _timed(made)


def _with_time(batch: dict[str, Any], seconds: float) -> dict[str, Any]:
    # A value for each row, since every feature is divided among devices by rows.
    rows = len(next(iter(batch.values())))
    return {**batch, WAITED: np.full(rows, seconds / rows, np.float32)}


def _timed(batches: Any) -> Any:
    """Adds WAITED to the batches of a dataset."""
    import tensorflow as tf

    # Zip asks its datasets in turn for the time, the batch, and the time again.
    clock = tf.data.Dataset.range(2**62).map(lambda _: tf.timestamp())

    def add(before: Any, batch: dict[str, Any], after: Any) -> dict[str, Any]:
        rows = tf.shape(batch["targets"])[0]
        waited = tf.fill([rows], tf.cast((after - before) / tf.cast(rows, tf.float64), tf.float32))
        return {**batch, WAITED: tf.ensure_shape(waited, batch["targets"].shape[:1])}

    timed_batches = tf.data.Dataset.zip((clock, batches, clock)).map(add)
    options = tf.data.Options()
    # A prefetch behind the clocks would measure its own waiting.
    options.experimental_optimization.inject_prefetch = False
    return timed_batches.with_options(options)
