"""Training: from a data folder and hparams to checkpoints, on whatever `devices` chose."""

from __future__ import annotations

import collections
import contextlib
import itertools
import logging
import math
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from t2tlite import console
from t2tlite.checkpoint import checkpoints, eval_log, run_record, warm_start
from t2tlite.config import HParams
from t2tlite.data.records import read_shard
from t2tlite.devices import cluster, devices
from t2tlite.errors import DataError
from t2tlite.files import make_folder
from t2tlite.training import memory_estimate, reports
from t2tlite.training.setup import TrainingSetup
from t2tlite.training.train_args import TrainArgs

log = logging.getLogger(__name__)


def train(
    run: run_record.RunRecord,
    data_dir: str,
    output_dir: str,
    schedule: TrainArgs | None = None,
    device: devices.Devices | None = None,
) -> dict[str, float]:
    """Trains a model, or goes on where `output_dir` stopped.

    Args:
      run: what is trained on what; `RunRecord.describe(problem, model, hparams, usr_dirs)`.
      data_dir: what t2t-datagen wrote.
      output_dir: gets checkpoints, run.json, events and eval.jsonl.
      schedule: how long, and what happens on the way.
      device: from `devices.choose`; by default one of Keras's current backend.

    Returns:
      The last evaluation's loss and metrics; empty if there was none.

    Raises:
      Error: data, vocabulary, hparams or folders don't fit; the message says how.
    """
    schedule = schedule or TrainArgs()
    device = device or devices.current()
    if device.is_chief:
        make_folder(output_dir)
        schedule.check_direction()
        schedule.check_warmup(HParams.from_values(run.hparams))
    run.take_vocabularies(output_dir, data_dir)
    place = TrainingSetup(run, data_dir, schedule, device)
    # Before anything slow: bad data should end a run at once.
    _ = place.sizes

    from t2tlite.model.optimizers import make_optimizer
    from t2tlite.training.objective import Objective

    with device.scope():
        optimizer = make_optimizer(place.hparams, schedule.train_steps)
        objective = Objective(
            place.network,
            place.hparams,
            place.problem_hparams,
            device.sum_over_replicas,
            device.row_shares,
        )
        optimizer.build(place.network.trainable_variables)
    step = checkpoints.restore(output_dir, place.network, optimizer)
    with device.scope():
        objective.compile(
            optimizer=optimizer,
            jit_compile=device.static_shapes,
            steps_per_execution=_steps_per_call(schedule, device, step),
        )
    started = f"goes on at step {step}" if step else "starts from new weights"
    if schedule.warm_start_from and not step:
        source = schedule.warm_start_from
        told = warm_start.warm_start(place.network, source, place.hparams, place.problem_hparams)
        started = f"starts from {told}"
    if device.is_chief:
        run.write(output_dir, data_dir)
    _panel(place, output_dir, started)
    from t2tlite.training.callback import Watcher, callbacks

    watcher = Watcher(place, optimizer, output_dir, step)
    with contextlib.closing(watcher), _stopping(watcher), _told_errors(place):
        if not watcher.catch_up():
            log.info("stopped early before, at step %d; raise --eval_early_stopping_steps", step)
        elif step >= schedule.train_steps:
            log.info("already trained for %d steps; raise --train_steps to go on", step)
        else:
            objective.fit(
                device.share(place.training_batches(start=step)),
                epochs=1,
                steps_per_epoch=schedule.train_steps - step,
                callbacks=callbacks(watcher, objective),
                verbose=0,
                shuffle=False,
            )
    watcher.summarize()
    return _last(output_dir)


def evaluate(
    run: run_record.RunRecord,
    data_dir: str,
    output_dir: str,
    schedule: TrainArgs | None = None,
    device: devices.Devices | None = None,
    checkpoint: str | int = "",
) -> dict[str, float]:
    """Evaluates a checkpoint of `output_dir`, by default the newest; returns loss and metrics.

    Args:
      run, data_dir, output_dir, schedule, device: as for `train`.
      checkpoint: a step, or the path of a weights file; "best"; "": the newest.

    Raises:
      Error: there is no checkpoint, or data, vocabulary or hparams don't fit.
    """
    schedule = schedule or TrainArgs()
    weights = checkpoints.find(output_dir, checkpoint)
    place = TrainingSetup(run, data_dir, schedule, device or devices.current())
    checkpoints.load_weights(place.network, weights)
    log.info("evaluating %s on %s", weights, place.device)
    with _told_errors(place):
        return place.evaluate()


def _steps_per_call(schedule: TrainArgs, device: devices.Devices, step: int) -> int:
    """The most steps a call, up to the schedule's, that end where something has to happen."""
    if device.strategy is not None:
        if schedule.steps_per_call > 1:
            log.warning("several devices take one step a call: Keras can't do more there")
        return 1
    even = math.gcd(step, schedule.train_steps, schedule.eval_frequency, reports.EVENT_STEPS)
    return max(n for n in range(1, min(schedule.steps_per_call, even) + 1) if even % n == 0)


@contextlib.contextmanager
def _told_errors(place: TrainingSetup) -> Iterator[None]:
    """Turns TensorFlow's errors that a user can mend into ones that say how."""
    import tensorflow as tf

    try:
        with cluster.told_lost_workers(place.device.workers):
            yield
    except (tf.errors.DataLossError, tf.errors.InvalidArgumentError) as error:
        if isinstance(error, tf.errors.InvalidArgumentError) and "parse" not in error.message:
            raise
        # TensorFlow doesn't say in which file.
        for path in itertools.chain(*place.shards.values()):
            collections.deque(read_shard(path, verify=True), maxlen=0)
        raise DataError(
            f"a record in {place.data_dir} is damaged ({error.message.splitlines()[0]}); run "
            f"t2t-datagen --overwrite or copy the folder again"
        ) from error
    except Exception as error:
        if memory_estimate.is_out_of_memory(error):
            raise memory_estimate.out_of_memory_error(place.job, place.memory_found) from error
        raise


def _last(output_dir: str) -> dict[str, float]:
    rows = eval_log.read_evaluations(output_dir)
    return {name: value for name, value in rows[-1].items() if name != "step"} if rows else {}


@contextlib.contextmanager
def _stopping(watcher: Any) -> Iterator[None]:
    """Lets SIGINT and SIGTERM end training after the step in hand; a second one ends it at once."""
    import threading

    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: Any) -> None:
        watcher.stop_asked = signal.Signals(number).name
        for one, old in before.items():
            signal.signal(one, old)

    before = {one: signal.signal(one, stop) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for one, old in before.items():
            signal.signal(one, old)


def _panel(place: TrainingSetup, output_dir: str, started: str) -> None:
    sizes, batching, job = place.sizes, place.batching, place.job
    dtype = place.hparams.activation_dtype
    if dtype == "float32" and place.device.multiplies_bfloat16:
        dtype += " (activation_dtype=bfloat16 should be faster on this device)"
    unit = {"bucket": "buckets by length", "pack": "packed rows", "pad": "padded rows"}
    if sizes.kept < sizes.examples:
        dropped = f", about {sizes.examples - sizes.kept:,} outside the length limits"
    else:
        dropped = ""
    console.panel(
        f"{place.run.problem} with {place.run.model}",
        {
            "device": str(place.device),
            "model": f"{job.parameters:,} parameters, {dtype}; {started}",
            "data": f"{sizes.examples:,} training examples in {place.data_dir}{dropped}",
            "batch": f"up to {batching.batch_tokens:,} tokens in {unit[batching.kind]}: about "
            f"{sizes.rows:,.0f} examples, {sizes.tokens:,.0f} target tokens, "
            f"{sizes.padded_share:.0%} padding",
            "memory": memory_estimate.describe(memory_estimate.estimate(job), place.memory_found),
            "epoch": f"about {sizes.batches:,} steps; training ends at step "
            f"{place.schedule.train_steps:,}",
            "output": f"{Path(output_dir).resolve()} (checkpoints, eval.jsonl; tensorboard "
            f"--logdir={output_dir})",
        },
    )
    too_much = memory_estimate.advice(job, place.memory_found)
    if too_much:
        log.warning("training may run out of memory: %s", too_much)
