"""`train`: from a data folder and a run record to checkpoints and metrics."""

from __future__ import annotations

import contextlib
import logging
import math
from typing import Any

from t2tlite.checkpoint import (
    checkpoints,
    eval_log,
    model_card,
    run_record,
    warm_start,
)
from t2tlite.checkpoint.run_record import RunRecord
from t2tlite.config import HParams
from t2tlite.devices import devices
from t2tlite.files import make_folder
from t2tlite.training import precision, reports
from t2tlite.training.setup import TrainingSetup
from t2tlite.training.signals import stop_on_signals
from t2tlite.training.train_args import TrainArgs

log = logging.getLogger(__name__)


def train(
    run: RunRecord,
    data_dir: str,
    output_dir: str,
    train_args: TrainArgs | None = None,
    device: devices.Devices | None = None,
) -> dict[str, float]:
    """Trains a model, or resumes from the newest checkpoint in `output_dir`.

    The first SIGINT or SIGTERM ends training after the current step, with a checkpoint.

    Args:
      run: problem, model and hparams, from `RunRecord.describe`.
      data_dir: the data folder that t2t-datagen wrote.
      output_dir: the model folder; gets run.json, checkpoints, eval.jsonl and TensorBoard events.
      train_args: when to save, evaluate and stop.
      device: where to train; None: one device of the current Keras backend.

    Returns:
      Loss, in nats a token, and metrics of the last evaluation; empty if there was none.

    Raises:
      Error: data, vocabulary, hparams or folders don't fit, the loss is not finite, or another
        process is training in `output_dir`.
    """
    device = device or devices.choose()
    # Only the chief writes checkpoints.
    lock = checkpoints.locked_folder(output_dir) if device.is_chief else contextlib.nullcontext()
    with lock:
        products = precision.settle(run, device, output_dir)
        setup = prepare(run, data_dir, output_dir, train_args or TrainArgs(), device)
        return _train(setup, output_dir, products)


def _train(setup: TrainingSetup, output_dir: str, products: str) -> dict[str, float]:
    """Does the work of `train`, after the checks; `products` is the precision in words."""
    # Imports Keras, which must follow the choice of a backend.
    from t2tlite.training.callback import RawLogs, TrainingCallback

    device = setup.device
    objective, optimizer = setup.make_objective()
    step = checkpoints.restore(output_dir, setup.network, optimizer)
    with device.scope():
        objective.compile(
            optimizer=optimizer,
            jit_compile=device.static_shapes,
            steps_per_execution=_steps_per_call(setup.train_args, device, step),
        )
    origin = f"resumes at step {step}" if step else "starts from new weights"
    source = setup.train_args.warm_start_from
    if source and not step:
        copied = warm_start.warm_start(setup.network, source, setup.hparams, setup.problem_hparams)
        origin = f"starts from {copied}"
    if step and run_record.read(output_dir).order != setup.run.order:
        log.warning(
            "this version of t2tlite has another order of examples: the training goes on with it "
            "from step %d on, in the middle of an epoch",
            step,
        )
    if device.is_chief:
        setup.run.write(output_dir, setup.data_dir)
        model_card.write(output_dir, setup.run)
    reports.startup_panel(setup, output_dir, products, origin)

    callback = TrainingCallback(setup, objective, output_dir, step)
    stopping = stop_on_signals(callback.agreement.ask_to_stop)
    with contextlib.closing(callback), stopping, setup.explained_errors():
        if not callback.catch_up():
            log.info("stopped early at step %d; raise --eval_early_stopping_steps", step)
        elif step >= setup.train_args.train_steps:
            log.info("already trained for %d steps; raise --train_steps to continue", step)
        else:
            fit(setup, objective, RawLogs([callback], add_history=True, model=objective), step)
    callback.summarize()
    rows = eval_log.read_evaluations(output_dir)
    return {name: value for name, value in rows[-1].items() if name != "step"} if rows else {}


def prepare(
    run: RunRecord, data_dir: str, output_dir: str, train_args: TrainArgs, device: devices.Devices
) -> TrainingSetup:
    """Makes the folder, checks what the user gave, and builds the network."""
    if device.is_chief:
        make_folder(output_dir)
        train_args.check_direction()
        train_args.check_warmup(HParams.from_values(run.hparams))
    run.take_vocabularies(output_dir, data_dir)
    setup = TrainingSetup(run, data_dir, train_args, device)
    # Reads the data: a bad folder ends the run before anything slow.
    _ = setup.sizes
    if device.is_chief:
        setup.take_page()
    return setup


def _steps_per_call(train_args: TrainArgs, device: devices.Devices, step: int) -> int:
    """Returns the most steps a call, up to steps_per_call, that never skip an event or a save."""
    if device.strategy is not None:
        if train_args.steps_per_call > 1:
            log.warning("one step a call: Keras can't run more at a time on several devices")
        return 1
    period = math.gcd(step, train_args.train_steps, train_args.eval_frequency, reports.EVENT_STEPS)
    return max(n for n in range(1, train_args.steps_per_call + 1) if period % n == 0)


def fit(setup: TrainingSetup, objective: Any, callbacks: Any, step: int) -> None:
    """Runs Keras's training loop from `step` to the last one."""
    feed = setup.feed(step)
    try:
        objective.fit(
            setup.device.distribute(feed),
            epochs=1,
            steps_per_epoch=setup.train_args.train_steps - step,
            callbacks=callbacks,
            verbose=0,
            shuffle=False,
        )
    except Exception:
        if feed.error is not None:
            raise feed.error from None
        raise
