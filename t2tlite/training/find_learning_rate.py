"""A learning rate range test (Smith 2017, arXiv:1506.01186): which rates train, in a short sweep.

A new model trains on the first batches of the training data while the learning rate grows by the
same factor at each update. The loss falls where rates are useful and rises where they are too
large.
"""

from __future__ import annotations

import copy
import dataclasses
import logging
import math
from dataclasses import dataclass, field
from pathlib import Path

from t2tlite import console
from t2tlite.checkpoint import warm_start
from t2tlite.checkpoint.run_record import RunRecord
from t2tlite.config import HParams
from t2tlite.devices.devices import Devices
from t2tlite.errors import HParamsError
from t2tlite.files import atomic, kept_if_filled
from t2tlite.training import precision
from t2tlite.training.setup import TrainingSetup
from t2tlite.training.signals import stop_on_signals
from t2tlite.training.train import fit, prepare
from t2tlite.training.train_args import TrainArgs

log = logging.getLogger(__name__)

NAME = "learning_rate.png"
# The loss is a moving average with this decay, whose bias is corrected.
SMOOTHING = 0.9
# The sweep ends when the smoothed loss is this many times its lowest value, or not finite.
DIVERGED = 2.0
# The suggested rate is the one of the lowest loss divided by it: at the lowest loss, the rate is
# about to become too large for a whole training.
MARGIN = 10.0
# The fewest updates that tell something.
FEWEST = 10
# The most rows of the table.
ROWS = 12


@dataclass
class LearningRateTest:
    """What a range test found; `str` is the suggestion in words.

    Attributes:
      rates: the learning rate of each update, growing.
      losses: training loss of each update, in nats a target token.
      smoothed: its moving average.
      suggestion: the learning rate to train with at its highest; None: too few updates, or the
        loss never fell.
      hparam: the name of the hparam that scales the schedule; "": it has none.
      value: what it should be for `suggestion`.
      diverged: whether the sweep ended because the loss rose.
      path: the picture.
    """

    rates: list[float] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    smoothed: list[float] = field(default_factory=list)
    suggestion: float | None = None
    hparam: str = ""
    value: float | None = None
    diverged: bool = False
    path: Path | None = None

    @property
    def lowest(self) -> int:
        """Index of the lowest smoothed loss."""
        return min(range(len(self.smoothed)), key=self.smoothed.__getitem__)

    def add(self, rate: float, loss: float) -> bool:
        """Adds an update; returns whether the sweep should go on."""
        if not math.isfinite(loss):
            self.diverged = True
            return False
        count = len(self.losses) + 1
        self.rates.append(rate)
        self.losses.append(loss)
        before = self.smoothed[-1] if self.smoothed else 0.0
        share = (1 - SMOOTHING) / (1 - SMOOTHING**count)
        self.smoothed.append(before + share * (loss - before))
        self.diverged = count > FEWEST and self.smoothed[-1] > DIVERGED * min(self.smoothed)
        return not self.diverged

    def suggest(self, hparams: HParams, train_steps: int) -> None:
        """Sets the suggestion, for a training of so many steps with the hparams' schedule."""
        if len(self.losses) < FEWEST or self.lowest == 0:
            return
        self.suggestion = self.rates[self.lowest] / MARGIN
        factors = {name.strip() for name in hparams.learning_rate_schedule.split("*")}
        if "constant" in factors:
            self.hparam = "learning_rate_constant"
        elif "legacy" in factors:
            self.hparam = "learning_rate"
        if self.hparam and (peak := _peak(hparams, self.hparam, train_steps)):
            self.value = float(f"{self.suggestion / peak:.2g}")

    def __str__(self) -> str:
        if self.suggestion is None:
            if not self.losses and self.diverged:
                return "no suggestion: the loss wasn't finite in the first update"
            return "no suggestion: the loss didn't fall, or there were too few updates"
        rate = f"highest learning rate {self.suggestion:.1e}"
        if self.value is None:
            return f"suggested {rate}, which this learning_rate_schedule can't be scaled to"
        return f"suggested: --hparams={self.hparam}={self.value:g} ({rate})"


def _peak(hparams: HParams, name: str, train_steps: int) -> float:
    """Returns the highest learning rate of a schedule if the hparam that scales it were 1."""
    import numpy as np

    from t2tlite.optimizers.schedules import LearningRate

    unit = hparams.copy()
    setattr(unit, name, 1.0)
    unit.learning_rate_minimum = None
    schedule = LearningRate(unit, train_steps)
    warmup = schedule.hparams.learning_rate_warmup_steps
    updates = np.linspace(0, max(train_steps - 1, 1), 1000).astype("int32")
    batches = max(hparams.optimizer_multistep_accumulate_steps, 1)
    steps = [*updates, min(warmup * batches, train_steps)]
    return max(float(schedule(int(step))) for step in steps)


def find_learning_rate(
    run: RunRecord,
    data_dir: str,
    output_dir: str,
    device: Devices,
    train_args: TrainArgs | None = None,
    updates: int = 100,
    lowest: float = 1e-5,
    highest: float = 1.0,
) -> LearningRateTest:
    """Trains a new model with growing learning rates, and suggests one.

    Shows a table and draws learning_rate.png in `output_dir`. The model isn't saved, and nothing
    else in the folder changes. SIGINT and SIGTERM end the sweep; what was found is shown.

    Args:
      run: problem, model and hparams of the training to come.
      data_dir: the data folder.
      output_dir: the model folder of that training.
      device: where to train.
      train_args: of that training; reads train_steps, warm_start_from and seed.
      updates: of the weights, at most.
      lowest: learning rate of the first update.
      highest: learning rate of the last one.

    Raises:
      Error: as `train`; HParamsError if there are several machines, or the sweep is impossible.
    """
    planned = train_args or TrainArgs()
    if device.workers > 1:
        raise HParamsError(
            f"find_learning_rate runs on one machine, TF_CONFIG names {device.workers}; unset it"
        )
    if updates < FEWEST or not 0.0 < lowest < highest:
        raise HParamsError(
            f"updates={updates}, lowest={lowest}, highest={highest}; expected at least {FEWEST} "
            f"updates and 0 < lowest < highest"
        )
    hparams = HParams.from_values(run.hparams)
    batches = max(hparams.optimizer_multistep_accumulate_steps, 1)
    swept = hparams.copy()
    swept.learning_rate_schedule = "constant*exp_decay"
    swept.learning_rate_constant, swept.learning_rate_minimum = lowest, None
    swept.learning_rate_warmup_steps, swept.learning_rate_decay_staircase = 0, False
    swept.learning_rate_decay_rate = (highest / lowest) ** (1 / (updates - 1))
    swept.learning_rate_decay_steps = 1
    sweep = copy.copy(run)
    sweep.hparams = swept.values()
    args = dataclasses.replace(planned, train_steps=updates * batches, evaluate=False)
    with kept_if_filled(output_dir):
        precision.settle(sweep, device, output_dir)
        setup = prepare(sweep, data_dir, output_dir, args, device)
        found = LearningRateTest()
        _train(setup, found, batches)
        found.suggest(hparams, planned.train_steps)
        if found.losses:
            found.path = _draw(found, output_dir)
            _show(found)
        log.info("%s", found)
    return found


def _train(setup: TrainingSetup, found: LearningRateTest, batches: int) -> None:
    """Trains, and adds rates and losses to `found`."""
    # Imports Keras, which must follow the choice of a backend.
    from t2tlite.training.callback import RawLogs
    from t2tlite.training.sweep_callback import SweepCallback

    objective, optimizer = setup.make_objective()
    with setup.device.scope():
        objective.compile(optimizer=optimizer, jit_compile=setup.device.static_shapes)
    if source := setup.train_args.warm_start_from:
        warm_start.warm_start(setup.network, source, setup.hparams, setup.problem_hparams)
    callback = SweepCallback(objective, optimizer._learning_rate, found.add, batches)
    with stop_on_signals(callback.ask_to_stop), setup.explained_errors():
        fit(setup, objective, RawLogs([callback], add_history=True, model=objective), 0)


def _show(found: LearningRateTest) -> None:
    """Shows a table of the sweep, and the suggestion."""
    last = len(found.rates) - 1
    shown = sorted({round(i * last / (ROWS - 1)) for i in range(ROWS)} | {found.lowest})
    console.table(
        "learning rate range test",
        {
            "update": "right",
            "learning_rate": "right",
            "loss": "right",
            "smoothed": "right",
            "": "left",
        },
        [
            [
                str(i + 1),
                f"{found.rates[i]:.1e}",
                f"{found.losses[i]:.3f}",
                f"{found.smoothed[i]:.3f}",
                "lowest" if i == found.lowest else "",
            ]
            for i in shown
        ],
        "the loss rose: the sweep ended" if found.diverged else "",
    )
    log.info("picture: %s", found.path)


def _draw(found: LearningRateTest, output_dir: str) -> Path:
    """Draws losses against rates."""
    # The import takes a second. Not pyplot, which has global state.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    axes.plot(found.rates, found.losses, linewidth=0.6, alpha=0.6, label="loss of each update")
    axes.plot(found.rates, found.smoothed, label="smoothed")
    if found.suggestion is not None:
        axes.axvline(found.suggestion, linestyle="--", color="gray", label=str(found))
    axes.set_xscale("log")
    axes.set_xlabel("learning rate")
    axes.set_ylabel("training loss (nats a token)")
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
    path = Path(output_dir) / NAME
    with atomic(path) as file:
        figure.savefig(file, format="png", dpi=120)
    return path
