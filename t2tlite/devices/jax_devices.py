"""JAX's devices for Keras: connects processes, shards batches and weights over their devices.

The mesh has the axes "batch", over which rows are sharded, and "model", over which large weights
are sharded (--model_parallel devices). The model axis lies within a process, so each process can
read every weight.
"""

from __future__ import annotations

import glob
import os
from typing import Any

import numpy as np

from t2tlite import libraries
from t2tlite.devices import cluster
from t2tlite.errors import DeviceError

# Layouts of the sharded weights by Keras path, as in Megatron-LM (Shoeybi et al. 2019): a sublayer
# needs one sum over the devices. The optimizer's slots are sharded like their weights.
LAYOUTS = {
    r"embedding/embedding$|softmax/embedding$": ("model", None),
    r"attention/(query|key|value)/kernel$": (None, "model"),
    r"attention/output/kernel$": ("model", None),
    r"feed_forward/(gate|inner)/kernel$": (None, "model"),
    r"feed_forward/inner/bias$": ("model",),
    r"feed_forward/outer/kernel$": ("model", None),
}


def devices(machines: cluster.Cluster, gpus: int = 1) -> list[Any]:
    """Connects the machines of TF_CONFIG and returns JAX's default devices, of all processes.

    If a single GPU is wanted, JAX gets no other: it takes most of the memory of all that it sees.

    Raises:
      DeviceError: the machines didn't connect.
    """
    import jax

    if machines.workers > 1:
        with cluster.joining(machines):
            _connect(machines.addresses[0], machines.workers, machines.worker)
    elif gpus <= 1 and jax.config.values["jax_cuda_visible_devices"] == "all":
        # The first of those that CUDA_VISIBLE_DEVICES leaves.
        jax.config.update("jax_cuda_visible_devices", "0")
    if _chips() or not libraries.is_installed("libtpu"):
        return jax.devices()
    # JAX tries libtpu first, which looks for a TPU in the network and prints that there is none.
    os.environ.setdefault("TPU_SKIP_MDS_QUERY", "1")
    with libraries.hidden_standard_error():
        return jax.devices()


def on_all_machines(condition: bool) -> bool:
    """Whether a condition holds in every process; all of them must call it."""
    from jax.experimental import multihost_utils

    return bool(np.all(multihost_utils.process_allgather(np.array(condition))))


def _connect(*processes: Any) -> None:
    """Connects the processes; must be called before JAX looks for devices."""
    import jax

    jax.distributed.initialize(
        *processes,
        initialization_timeout=cluster.JOIN_SECONDS,
        heartbeat_timeout_seconds=cluster.HEARTBEAT_SECONDS,
    )


def _chips() -> list[str]:
    return glob.glob("/dev/accel*") + glob.glob("/dev/vfio/[0-9]*")


def tpus() -> list[Any]:
    """Returns the TPU cores of this machine, or of the pod that it belongs to.

    Raises:
      DeviceError: there is no TPU.
    """
    import jax

    try:
        if chips := _chips():
            # The TPU's environment names the other processes of a pod.
            _connect()
        return jax.devices("tpu")
    except (RuntimeError, ValueError) as error:
        libtpu = "installed" if libraries.is_installed("libtpu") else "not installed"
        files = ", ".join(chips) or "none"
        raise DeviceError(
            f"--use_tpu found no TPU: looked for /dev/accel* and /dev/vfio/* (found {files}) and "
            f"the package libtpu ({libtpu}; {str(error).splitlines()[0]}); on a TPU VM run pip "
            f"install t2tlite[tpu], elsewhere drop --use_tpu"
        ) from error


def distribute(devices: list[Any], model_parallel: int) -> int:
    """Makes Keras use these devices, of all processes, for all variables and batches from now on.

    Returns:
      Number of groups of `model_parallel` devices that share the rows of a batch.

    Raises:
      DeviceError: the number of devices of a machine isn't a multiple of model_parallel.
    """
    import jax

    local = len(devices) // jax.process_count()
    if local % model_parallel:
        raise DeviceError(
            f"--model_parallel={model_parallel} doesn't divide the {local} devices of a machine; "
            f"choose {', '.join(str(n) for n in range(1, local + 1) if local % n == 0)}"
        )
    replicas = len(devices) // model_parallel
    if len(devices) == 1:
        return 1
    from keras import distribution

    names = [f"{device.platform}:{device.id}" for device in devices]
    if model_parallel == 1:
        # Each process reads its own rows, so Keras must not shard the data set.
        chosen = distribution.DataParallel(devices=names, auto_shard_dataset=False)
    else:
        mesh = distribution.DeviceMesh((replicas, model_parallel), ("batch", "model"), names)
        layout_map = distribution.LayoutMap(mesh)
        for path, layout in LAYOUTS.items():
            layout_map[path] = layout
        chosen = distribution.ModelParallel(layout_map=layout_map, auto_shard_dataset=False)
    distribution.set_distribution(chosen)
    return replicas


def copy_ahead(batch: dict[str, Any]) -> dict[str, Any]:
    """Starts to copy a batch to the only device, from any thread.

    Where several devices share a batch, Keras divides it at its step, without waiting either.
    """
    import jax
    from keras import distribution

    if distribution.distribution() is not None or jax.default_backend() == "cpu":
        return batch
    return {name: jax.device_put(value) for name, value in batch.items()}


def feed(batch: dict[str, Any], worker: int, workers: int) -> dict[str, Any]:
    """Shards a batch that each process has completely, if Keras shards batches.

    The batch's arrays are [rows, ...]; rows are a multiple of the devices that share them.
    """
    from keras import distribution

    sharding = distribution.distribution()
    if sharding is None:
        return batch
    import jax

    sharded = {}
    for name, value in batch.items():
        layout = sharding.get_data_layout(value.shape).backend_layout
        rows = len(value) // workers
        local_rows = value[worker * rows : (worker + 1) * rows]
        sharded[name] = jax.make_array_from_process_local_data(layout, local_rows)
    return sharded


def gather(value: Any) -> Any:
    """Replicates a result on every device if it is sharded; called in a compiled function."""
    from keras import distribution

    sharding = distribution.distribution()
    if sharding is None:
        return value
    layout = distribution.TensorLayout([None] * len(value.shape), sharding.device_mesh)
    return distribution.distribute_tensor(value, layout)


def to_numpy(value: Any) -> Any:
    """Returns a variable's value as a NumPy array, assembled from its shards if JAX sharded it."""
    if not hasattr(value, "addressable_shards"):
        return value.numpy()
    if value.is_fully_addressable or value.is_fully_replicated:
        return np.asarray(value)
    array = np.empty(value.shape, value.dtype)
    for shard in value.addressable_shards:
        array[shard.index] = np.asarray(shard.data)
    return array


def any_process(flag: bool) -> bool:
    """Whether the flag is set in any process; all must call it at the same time."""
    from jax.experimental import multihost_utils

    return bool(multihost_utils.process_allgather(np.array(flag)).any())
