"""`Check`: what compiled for a TPU, and what didn't fit."""

from __future__ import annotations

from dataclasses import dataclass, field

from t2tlite.tpu_check.program import DoesNotFit, Program
from t2tlite.tpu_check.topology import Topology
from t2tlite.training.setup import TrainingSetup


@dataclass
class Check:
    """The results of compiling a setup's steps for a TPU.

    Attributes:
      programs: the steps that compiled and fit, by name.
      failures: the errors of the steps that don't fit.
      batch_sizes: bytes of a core's memory that training takes, by batch_size; None: too many.
    """

    setup: TrainingSetup
    topology: Topology
    programs: dict[str, Program] = field(default_factory=dict)
    failures: list[DoesNotFit] = field(default_factory=list)
    batch_sizes: dict[int, float | None] = field(default_factory=dict)

    @property
    def epoch_tokens(self) -> int:
        """Padded tokens that a core gets in an epoch: the largest useful batch_size."""
        setup = self.setup
        return setup.sizes.batches * setup.batching.batch_tokens // setup.device.count

    @property
    def training(self) -> Program | None:
        """The training step, if it fits."""
        return self.programs.get("training")

    @property
    def largest_batch_size(self) -> int | None:
        """The largest batch_size that was compiled and fits."""
        fitting = [size for size, memory in self.batch_sizes.items() if memory is not None]
        return max(fitting, default=None)
