"""JAX's devices for Keras: joins processes, shards batches and weights over all of them.

A mesh has the axes "batch", over which rows are divided, and "model", over which the large weights
are (one device wide unless --model_parallel says more). The model axis lies within a process, so
each process holds every weight, whole or in parts.
"""

from __future__ import annotations

import glob
import importlib.util
import logging
import os
import signal
from typing import Any

from t2tlite.devices import cluster, silence
from t2tlite.errors import DeviceError

log = logging.getLogger(__name__)

# Weights by their Keras path, and which of their axes is divided: Megatron-LM's way (Shoeybi et
# al. 2019), by which a sublayer needs one sum over the devices. Slots of the optimizer follow.
MODEL_AXES = {
    r"embedding/embedding$|softmax/embedding$": 0,
    r"attention/(query|key|value)/kernel$": 1,
    r"attention/output/kernel$": 0,
    r"feed_forward/inner/(kernel)$": 1,
    r"feed_forward/inner/(bias)$": 0,
    r"feed_forward/outer/kernel$": 0,
}


def join(machines: cluster.Cluster) -> None:
    """Makes the machines of TF_CONFIG one; must come before JAX looks for devices.

    Raises:
      DeviceError: they didn't meet.
    """
    if machines.workers == 1:
        return
    import jax

    log.info(
        "machine %d of %d of TF_CONFIG: waiting for the others", machines.worker, machines.workers
    )
    # JAX waits outside Python, which couldn't see a Ctrl-C.
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        jax.distributed.initialize(
            machines.addresses[0],
            machines.workers,
            machines.worker,
            initialization_timeout=cluster.JOIN_SECONDS,
            heartbeat_timeout_seconds=cluster.SILENCE_SECONDS,
        )
    except (RuntimeError, ValueError) as error:
        raise DeviceError(
            f"the machines of TF_CONFIG didn't meet ({str(error).splitlines()[0]}); start the same "
            f"command on all of them, check that the first may listen on its port"
        ) from error
    finally:
        signal.signal(signal.SIGINT, before)
    log.info("all %d machines are there", machines.workers)


def devices() -> list[Any]:
    """Returns the devices that JAX prefers here, of all processes."""
    import jax

    if _chips() or not importlib.util.find_spec("libtpu"):
        return jax.devices()
    # JAX asks libtpu first, which asks the network for its TPU and prints that there is none.
    os.environ.setdefault("TPU_SKIP_MDS_QUERY", "1")
    with silence.standard_error():
        return jax.devices()


def _chips() -> list[str]:
    return glob.glob("/dev/accel*") + glob.glob("/dev/vfio/[0-9]*")


def tpus() -> list[Any]:
    """Returns the TPU cores of this machine, or of the pod that it belongs to.

    Raises:
      DeviceError: there is none; it says what was looked for.
    """
    import jax

    chips = _chips()
    try:
        if chips:
            # The TPU's own environment tells who the others are; alone, that is one process.
            jax.distributed.initialize(
                initialization_timeout=cluster.JOIN_SECONDS,
                heartbeat_timeout_seconds=cluster.SILENCE_SECONDS,
            )
        return jax.devices("tpu")
    except (RuntimeError, ValueError) as error:
        libtpu = "installed" if importlib.util.find_spec("libtpu") else "not installed"
        found = ", ".join(chips) or "none"
        raise DeviceError(
            f"--use_tpu found no TPU: looked for /dev/accel* and /dev/vfio/* (found {found}) and "
            f"the package libtpu ({libtpu}; {str(error).splitlines()[0]}); on a TPU VM run pip "
            f"install t2tlite[tpu], elsewhere drop --use_tpu"
        ) from error


def distribute(devices: list[Any], model_parallel: int) -> int:
    """Makes Keras use these devices for all that it makes from now on.

    Args:
      devices: JAX's, of all processes.
      model_parallel: devices that share each weight.

    Returns:
      How many groups of devices share the rows of a batch.

    Raises:
      DeviceError: model_parallel doesn't divide the devices of a machine.
    """
    import jax

    here = len(devices) // jax.process_count()
    if here % model_parallel:
        raise DeviceError(
            f"--model_parallel={model_parallel} doesn't divide the {here} devices of a machine; "
            f"choose {', '.join(str(n) for n in range(1, here + 1) if here % n == 0)}"
        )
    replicas = len(devices) // model_parallel
    if len(devices) == 1:
        return replicas
    from keras import distribution

    names = [f"{device.platform}:{device.id}" for device in devices]
    if model_parallel == 1:
        # Each process makes its own rows: Keras has nothing to divide.
        chosen = distribution.DataParallel(devices=names, auto_shard_dataset=False)
    else:
        chosen = distribution.ModelParallel(
            layout_map=_layouts(distribution.DeviceMesh((replicas, model_parallel), AXES, names)),
            batch_dim_name="batch",
            auto_shard_dataset=False,
        )
    distribution.set_distribution(chosen)
    return replicas


AXES = ("batch", "model")


def _layouts(mesh: Any) -> Any:
    from keras.distribution import LayoutMap

    layouts = LayoutMap(mesh)
    for path, axis in MODEL_AXES.items():
        # All biases have one axis, all others two.
        axes = ("model",) if "bias" in path else ("model", None) if axis == 0 else (None, "model")
        layouts[path] = axes
    return layouts


def feed(batch: dict[str, Any], worker: int, workers: int) -> dict[str, Any]:
    """Gives each device its rows of a batch that every process has whole.

    Args:
      batch: arrays [rows, ...]; rows are a multiple of the devices that share them.
      worker: number of this process.
      workers: processes.
    """
    import jax
    from keras import distribution

    shared = distribution.distribution()
    if shared is None:
        return batch
    fed = {}
    for name, value in batch.items():
        layout = shared.get_data_layout(value.shape).backend_layout
        rows = len(value) // workers
        own = value[worker * rows : (worker + 1) * rows]
        fed[name] = jax.make_array_from_process_local_data(layout, own)
    return fed


def gather(value: Any) -> Any:
    """Makes a result whole on every device; called inside a compiled function."""
    from keras import distribution

    shared = distribution.distribution()
    if shared is None:
        return value
    layout = distribution.TensorLayout([None] * len(value.shape), shared.device_mesh)
    return distribution.distribute_tensor(value, layout)


def whole(value: Any) -> Any:
    """Returns an array as NumPy's, put together from its parts on this process's devices."""
    import numpy as np

    if value.is_fully_addressable or value.is_fully_replicated:
        return np.asarray(value)
    made = np.empty(value.shape, value.dtype)
    for shard in value.addressable_shards:
        made[shard.index] = np.asarray(shard.data)
    return made


def any_process(flag: bool) -> bool:
    """Whether the flag is set on any process; all must call it at the same time."""
    import numpy as np
    from jax.experimental import multihost_utils

    return bool(multihost_utils.process_allgather(np.array(flag)).any())


def set_memory_fraction(share: float) -> None:
    """Limits the part of each GPU's memory that JAX takes; before JAX is imported."""
    os.environ.setdefault("XLA_PYTHON_CLIENT_MEM_FRACTION", str(share))
