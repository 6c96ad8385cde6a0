"""When to report and when to stop: one machine decides alone, several agree on the same step."""

from __future__ import annotations

from typing import Any

from t2tlite.devices import jax_devices
from t2tlite.devices.devices import Devices
from t2tlite.training.objective import Objective, Totals

# Seconds between the reports of one machine: each waits for the device.
REPORT_SECONDS = 1.0
# Steps between the reports of several machines, and between their votes to stop on JAX.
REPORT_STEPS = 10


class OneMachine:
    """Decides alone.

    Attributes:
      stop_reason: why this machine was asked to stop; "": it wasn't.
    """

    def __init__(self) -> None:
        self.stop_reason = ""

    def ask_to_stop(self, reason: str) -> bool:
        """Asks training to stop; returns whether it may stop at once, without a later agreement."""
        self.stop_reason = reason
        return True

    def agreed_to_stop(self, logs: dict[str, Any], step: int) -> bool:
        """Returns whether to stop after this step, given its logs; must be called every step."""
        return bool(self.stop_reason)

    def time_to_report(self, step: int, seconds: float) -> bool:
        """Returns whether to report after this step, `seconds` after the last report."""
        return seconds >= REPORT_SECONDS


class ManyMachines(OneMachine):
    """Reports and stops after the same step on all machines.

    TensorFlow: `Objective.stop_asked` is one of the sums that each step adds up over the machines.
    JAX: the machines vote every REPORT_STEPS steps.
    """

    def __init__(self, device: Devices, objective: Objective):
        super().__init__()
        self._device = device
        self._objective = objective

    def ask_to_stop(self, reason: str) -> bool:
        super().ask_to_stop(reason)
        return False

    def agreed_to_stop(self, logs: dict[str, Any], step: int) -> bool:
        if self._device.backend == "jax":
            is_vote = step % REPORT_STEPS == 0
            return is_vote and jax_devices.any_process(bool(self.stop_reason))
        if self.stop_reason:
            self._objective.stop_asked.assign(1.0)
        return Totals.read(logs)["stops"] > 0

    def time_to_report(self, step: int, seconds: float) -> bool:
        # A report resets the sums, in which all machines take part.
        return step % REPORT_STEPS == 0


def make_agreement(device: Devices, objective: Objective) -> OneMachine:
    """Returns the variant for the machines of `device`."""
    return OneMachine() if device.workers == 1 else ManyMachines(device, objective)
