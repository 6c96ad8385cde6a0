"""Compiles the steps of a training for a TPU and reports whether and how well they would run.

`topology.set_variables` must be called before anything imports jax or keras.
"""

from __future__ import annotations

import logging

from t2tlite.checkpoint import run_record
from t2tlite.devices import devices
from t2tlite.errors import DeviceError
from t2tlite.tpu_check import batch_size, report, steps
from t2tlite.tpu_check.program import Check, DoesNotFit, compile_step
from t2tlite.tpu_check.topology import describe
from t2tlite.training import precision
from t2tlite.training.setup import TrainingSetup
from t2tlite.training.train_args import TrainArgs

log = logging.getLogger(__name__)


def check(
    run: run_record.RunRecord, data_dir: str, topology_name: str, search_batch_size: bool
) -> None:
    """Compiles training, evaluation and decoding for a TPU and logs a report.

    Args:
      run: problem, model and hparams.
      topology_name: for example "v5e:2x4".
      search_batch_size: whether to look for the largest batch_size that fits.

    Raises:
      DeviceError: a step doesn't compile or doesn't fit.
      Error: data, vocabulary or hparams don't fit.
    """
    topology = describe(topology_name)
    device = devices.Devices("jax", "TPU", topology.cores)
    precision.settle(run, device)
    setup = TrainingSetup(run, data_dir, TrainArgs(), device)
    result = Check(setup, topology)
    report.show_setup(setup, topology)
    for step in steps.make_steps(setup):
        rows, length = step.shape
        log.info("compiling %s for %d rows of %d tokens ...", step.name, rows, length)
        try:
            result.programs[step.name] = compile_step(step, topology)
        except DoesNotFit as error:
            result.failures.append(error)
    if search_batch_size:
        batch_size.search(result)
    report.show_result(result)
    if result.failures:
        size = result.largest_batch_size
        hint = f"; training fits with batch_size={size}" if size else ""
        raise DeviceError("; ".join(map(str, result.failures)) + hint)
