"""Evaluation of a model's checkpoints while another process trains it."""

from __future__ import annotations

import logging
from collections.abc import Iterator

from t2tlite.checkpoint import checkpoints, trained_problem
from t2tlite.checkpoint.run_record import RunRecord
from t2tlite.checkpoint.waiting import unless_deleted, weights_as_they_appear
from t2tlite.devices import devices
from t2tlite.problem import DatasetSplit
from t2tlite.training import reports
from t2tlite.training.setup import TrainingSetup
from t2tlite.training.train_args import TrainArgs

log = logging.getLogger(__name__)

# Folder of TensorBoard events in the model folder, by split; those of "eval" and "train" are T2T's.
_EVENTS = {
    DatasetSplit.EVAL: "eval",
    DatasetSplit.TRAIN: "eval_train",
    DatasetSplit.TEST: "eval_test",
}


def continuous_eval(
    run: RunRecord,
    data_dir: str,
    output_dir: str,
    train_args: TrainArgs | None = None,
    device: devices.Devices | None = None,
    wait_minutes: float = 0,
) -> Iterator[tuple[int, dict[str, float]]]:
    """Evaluates the newest checkpoint of a model folder, and each later one when it is there.

    The metrics are also written as TensorBoard events, to the folder eval, eval_train or eval_test
    in `output_dir`. The evaluation ends after the checkpoint of `train_args.train_steps`.

    Args:
      run, data_dir, device: as for `train`.
      output_dir: the model folder; it needn't have a checkpoint yet.
      train_args: reads eval_split, eval_steps and train_steps.
      wait_minutes: time without a new checkpoint after which it ends.

    Yields:
      The step of a checkpoint; loss, in nats a token, and metrics by name.

    Raises:
      Error: there is no checkpoint, or data, vocabulary or hparams don't fit.
    """
    train_args = train_args or TrainArgs()
    events = reports.Events(output_dir, run.problem, _EVENTS[train_args.eval_split])
    setup: TrainingSetup | None = None
    # T2T skips step 0, too.
    newest = max([1, *checkpoints.steps(output_dir)])
    for step, weights in weights_as_they_appear(output_dir, newest, wait_minutes):
        if setup is None:
            problem = trained_problem.load_for_data(run, output_dir, data_dir)
            setup = TrainingSetup(run, data_dir, train_args, device or devices.choose(), problem)
        with unless_deleted(weights):
            checkpoints.load_weights(setup.network, weights)
            log.info("evaluating %s on %s", weights, setup.device)
            with setup.explained_errors():
                metrics = setup.evaluate()
            log.info("evaluated %s", setup.coverage)
            events.evaluation(step, metrics)
            yield step, metrics
        if step >= train_args.train_steps:
            log.info("step %d is the last of training (--train_steps)", step)
            return
