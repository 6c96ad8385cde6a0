"""Where a training step's time goes: a trace of a few steps, for TensorBoard and as tables."""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import keras

from t2tlite import console
from t2tlite.training import traces

log = logging.getLogger(__name__)

# The first steps compile, fill buffers and grow memory: they tell nothing about later ones.
SKIP_STEPS = 10
# Enough for batches of the common lengths, and few enough that the trace, about half a megabyte a
# step for a small model, is written and read in seconds.
STEPS = 20
# Operations that the second table names.
TOP = 10


class Profiler:
    """Records STEPS steps of a run after its first SKIP_STEPS, and shows where their time went.

    The trace goes to output_dir/plugins/profile, where TensorBoard's profile plugin looks. What
    happens between those steps, such as an evaluation, is recorded with them.

    Args:
      output_dir: of the run.
    """

    def __init__(self, output_dir: str | Path):
        self.output_dir = Path(output_dir)
        self._state = "before"  # then "recording", then "done"
        # Steps so far, those when recording started, and the time then in seconds.
        self._step = self._first = 0
        self._started = 0.0

    def on_step(self, step: int) -> None:
        """Must be called after each step.

        Args:
          step: steps of this run so far; the first call has 1.
        """
        self._step = step
        if self._state == "before" and step >= SKIP_STEPS:
            self._start()
        elif self._state == "recording" and step >= self._first + STEPS:
            self._finish()

    def close(self) -> None:
        """Ends a recording that training didn't finish, or says that there was none."""
        if self._state == "recording" and self._step > self._first:
            self._finish()
        elif self._state != "done":
            if self._state == "recording":
                self._stop()
            log.warning(
                "no profile: training ended after %d steps of this run, and the first %d aren't "
                "recorded; train for longer",
                self._step,
                SKIP_STEPS,
            )
        self._state = "done"

    def _start(self) -> None:
        _wait_for_device()
        if keras.backend.backend() == "jax":
            import jax

            options = jax.profiler.ProfileOptions()
            # Every call in Python would be an event, and make the step slower.
            options.python_tracer_level = 0
            jax.profiler.start_trace(str(self.output_dir), profiler_options=options)
        else:
            import tensorflow as tf

            tf.profiler.experimental.start(str(self.output_dir))
        self._state, self._first, self._started = "recording", self._step, time.monotonic()

    def _stop(self) -> None:
        if keras.backend.backend() == "jax":
            import jax

            jax.profiler.stop_trace()
        else:
            import tensorflow as tf

            tf.profiler.experimental.stop()
        self._state = "done"

    def _finish(self) -> None:
        _wait_for_device()
        steps = self._step - self._first
        step_ms = (time.monotonic() - self._started) * 1e3 / steps
        self._stop()
        path = traces.newest(self.output_dir)
        show(
            {operation: total / steps for operation, total in traces.read(path).items()},
            f"{step_ms:,.1f} ms a step (steps {self._first + 1} to {self._step} of this run)",
            f"The trace is {path}; tensorboard --logdir={self.output_dir} shows it where its "
            f"profile plugin is installed.",
        )


def _wait_for_device() -> None:
    """Returns when all steps so far are computed; Python may be ahead of the device."""
    if keras.backend.backend() == "jax":
        import jax

        jax.block_until_ready(jax.live_arrays())
    else:
        import tensorflow as tf

        tf.test.experimental.sync_devices()


def show(milliseconds: Mapping[traces.Operation, float], measured: str, note: str) -> None:
    """Shows a table of the kinds of operations and one of the longest operations.

    Args:
      milliseconds: of each operation, in a step.
      measured: how long a step took on the clock, recording included.
      note: stands below.
    """
    total = sum(milliseconds.values())
    kinds: defaultdict[str, float] = defaultdict(float)
    for operation, one in milliseconds.items():
        kinds[operation.kind] += one
    names = {f"{operation.name} [{operation.kind}]": one for operation, one in milliseconds.items()}

    def rows(times: Mapping[str, float]) -> list[list[str]]:
        longest_first = sorted(times.items(), key=lambda item: -item[1])
        return [[f"{one:,.2f}", f"{one / total:.1%}", name] for name, one in longest_first]

    beside = (
        f"Threads or streams run side by side: their times add up to {total:,.1f} ms a step, and "
        f"shares are of that sum. What a compiler fused with a matrix product counts with it."
    )
    if traces.WAITING not in kinds:
        # JAX's trace knows nothing of tf.data.
        beside += " Waiting for data isn't in this trace; the line of progress shows it."
    columns = {"ms a step": "right", "share": "right"}
    console.table(
        f"where a step's time goes: {measured}",
        {**columns, "kind of operation": "left"},
        rows(kinds),
        beside,
    )
    console.table(
        "the longest operations, each that of all layers together",
        {**columns, "operation": "left"},
        rows(names)[:TOP],
        note,
    )
