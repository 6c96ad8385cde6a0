"""`evaluate`: metrics of a checkpoint on a split."""

from __future__ import annotations

import dataclasses
import logging

from t2tlite.checkpoint import checkpoints, trained_problem
from t2tlite.checkpoint.run_record import RunRecord
from t2tlite.devices import devices
from t2tlite.training.setup import TrainingSetup
from t2tlite.training.train_args import TrainArgs

log = logging.getLogger(__name__)


def evaluate(
    run: RunRecord,
    data_dir: str,
    output_dir: str,
    train_args: TrainArgs | None = None,
    device: devices.Devices | None = None,
    checkpoint: str | int = "",
) -> dict[str, float]:
    """Evaluates a checkpoint.

    Args:
      run, data_dir, output_dir, device: as for `train`.
      train_args: reads eval_split and eval_steps, where None is all batches.
      checkpoint: a step, the path of a weights file, or "best"; "": the newest.

    Returns:
      Loss, in nats a token, and metrics by name.

    Raises:
      Error: there is no checkpoint, or data, vocabulary or hparams don't fit.
    """
    weights = checkpoints.find(output_dir, checkpoint)
    train_args = train_args or TrainArgs()
    if train_args.eval_steps is None:
        train_args = dataclasses.replace(train_args, eval_steps=0)
    problem = trained_problem.load_for_data(run, output_dir, data_dir)
    setup = TrainingSetup(run, data_dir, train_args, device or devices.choose(), problem)
    checkpoints.load_weights(setup.network, weights)
    log.info("evaluating %s on %s", weights, setup.device)
    with setup.explained_errors():
        metrics = setup.evaluate()
    log.info("evaluated %s", setup.coverage)
    return metrics
