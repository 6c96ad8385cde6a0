"""Where to run: maps the device flags to a backend of Keras and its devices. Nobody else knows.

`choose` must be called before anything imports keras: a process has one backend.
"""

from __future__ import annotations

import contextlib
import glob
import importlib
import importlib.util
import json
import logging
import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from t2tlite.data import inputs
from t2tlite.errors import DeviceError, WorkerError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Devices:
    """A chosen place to run.

    Attributes:
      backend: of Keras, "tensorflow" or "jax".
      kind: "CPU", "GPU" or "TPU".
      count: devices that share each batch, on all machines.
      strategy: a tf.distribute.Strategy, or None where there is one device or JAX.
      workers: machines.
      worker: number of this machine; 0 is the chief, which alone writes and evaluates.
    """

    backend: str
    kind: str
    count: int
    strategy: Any = None
    workers: int = 1
    worker: int = 0

    @property
    def static_shapes(self) -> bool:
        """Whether each new shape of a batch costs a compilation."""
        return self.backend == "jax"

    @property
    def is_chief(self) -> bool:
        """Whether this machine writes checkpoints and evaluates."""
        return self.worker == 0

    @property
    def multiplies_bfloat16(self) -> bool:
        """Whether products in bfloat16 have instructions of their own here."""
        if self.kind != "CPU":
            return True
        try:
            flags = Path("/proc/cpuinfo").read_text().split()
        except OSError:
            return False
        return bool({"avx512_bf16", "amx_bf16"}.intersection(flags))

    def scope(self) -> contextlib.AbstractContextManager[Any]:
        """The context in which model and optimizer must be made."""
        return self.strategy.scope() if self.strategy else contextlib.nullcontext()

    def share(self, batches: Any) -> Any:
        """Returns what `fit` takes: a dataset, or each device's part of its batches."""
        if self.strategy is None:
            return inputs.timed(batches)
        here = self.count // self.workers

        def parts(context: Any) -> Any:
            first = context.input_pipeline_id * here
            return inputs.split(batches, self.count, first, here)

        return self.strategy.distribute_datasets_from_function(parts)

    def sum_over_replicas(self, value: Any) -> Any:
        """Adds a vector up over the devices that share a batch; called inside a training step."""
        if self.strategy is None:
            # One device sees the whole batch, and so does a JAX program over many.
            return value
        import tensorflow as tf

        return tf.distribute.get_replica_context().all_reduce("sum", value)

    def __str__(self) -> str:
        count = f"{self.count} x " if self.count > 1 else ""
        threads = f", {os.cpu_count()} cores" if self.kind == "CPU" else ""
        machines = f", machine {self.worker} of {self.workers}" if self.workers > 1 else ""
        return f"{count}{self.kind} (Keras on {self.backend}{threads}{machines})"


def choose(
    *, use_tpu: bool = False, backend: str = "", worker_gpu: int = 1, memory_fraction: float = 0.95
) -> Devices:
    """Chooses the devices and makes them Keras's.

    Args:
      use_tpu: run on all cores of the TPU that this machine, or its pod, has.
      backend: "tensorflow", "jax", or "" for TensorFlow (on a TPU, JAX).
      worker_gpu: GPUs to use where there are any.
      memory_fraction: share of each GPU's memory to take.

    Raises:
      DeviceError: a device that isn't there, or a backend that isn't installed or not the one that
        this process runs already.
    """
    if use_tpu:
        if backend == "tensorflow":
            raise DeviceError("--use_tpu runs on JAX; drop --backend=tensorflow")
        _set_backend("jax", why="--use_tpu")
        return _tpu()
    backend = backend or "tensorflow"
    if backend not in ("tensorflow", "jax"):
        raise DeviceError(f"--backend={backend} is not one of: tensorflow, jax")
    os.environ.setdefault("XLA_PYTHON_CLIENT_MEM_FRACTION", str(memory_fraction))
    _set_backend(backend, why=f"--backend={backend}")
    return _tensorflow(worker_gpu) if backend == "tensorflow" else _jax(worker_gpu)


def set_backend_variable(*, use_tpu: bool, backend: str) -> None:
    """Tells Keras and TensorFlow what a plugin's import would fix; `choose` checks the rest."""
    os.environ["KERAS_BACKEND"] = "jax" if use_tpu else backend or "tensorflow"
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")


def current() -> Devices:
    """The devices for a caller without flags: one device of the backend that Keras has or gets."""
    return choose(backend=os.environ.get("KERAS_BACKEND", ""))


def _set_backend(backend: str, why: str) -> None:
    running = sys.modules.get("keras")
    if running is not None and running.backend.backend() != backend:
        raise DeviceError(
            f"{why} needs Keras on {backend}, but this process runs it on "
            f"{running.backend.backend()}; set KERAS_BACKEND={backend} before importing keras"
        )
    if backend == "jax" and importlib.util.find_spec("jax") is None:
        extra = "tpu] on a TPU VM" if why == "--use_tpu" else "jax]"
        looked = "; looked for the package jax, and TPU devices" if why == "--use_tpu" else ""
        raise DeviceError(f"{why} needs JAX, not installed: pip install t2tlite[{extra}{looked}")
    os.environ["KERAS_BACKEND"] = backend
    # Only now: TensorFlow imports Keras, which reads the variable then.
    import_tensorflow()


def import_tensorflow() -> None:
    """Imports TensorFlow, with oneDNN, without what its C++ code prints about GPUs not there.

    TensorFlow itself chooses oneDNN's products only on CPUs with AVX512-VNNI, but they were faster
    with AVX2, too: benchmarks/train.py with TF_ENABLE_ONEDNN_OPTS=0 and =1 measures it.

    The lines come before any log level is read, so the file descriptor itself is turned away.
    """
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        tensorflow = importlib.import_module("tensorflow")
        # Looking for GPUs prints as well, once.
        tensorflow.config.list_physical_devices()
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _tensorflow(worker_gpu: int) -> Devices:
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    workers, worker = cluster(os.environ.get("TF_CONFIG", ""))
    if not gpus:
        if worker_gpu > 1:
            raise DeviceError(
                f"--worker_gpu={worker_gpu}: TensorFlow sees no GPU here; drop the flag to train "
                f"on the CPU, or install tensorflow[and-cuda]"
            )
        if workers > 1:
            return _several_machines("CPU", workers, worker)
        return Devices("tensorflow", "CPU", 1)
    if worker_gpu > len(gpus):
        raise DeviceError(f"--worker_gpu={worker_gpu}: TensorFlow sees {len(gpus)} GPUs here")
    used = gpus[: max(1, worker_gpu)]
    tf.config.set_visible_devices(used, "GPU")
    for gpu in used:
        tf.config.experimental.set_memory_growth(gpu, True)
    if workers > 1:
        return _several_machines("GPU", workers, worker)
    strategy = tf.distribute.MirroredStrategy() if len(used) > 1 else None
    return Devices("tensorflow", "GPU", len(used), strategy)


def cluster(tf_config: str) -> tuple[int, int]:
    """Reads TF_CONFIG: returns the number of machines and which of them this one is, the chief 0.

    Raises:
      DeviceError: it isn't what t2t-make-tf-configs prints.
    """
    if not tf_config:
        return 1, 0
    try:
        found = json.loads(tf_config)
        machines = found.get("cluster", {})
        if not machines:
            return 1, 0
        kind, index = found["task"]["type"], int(found["task"]["index"])
        chiefs, workers = (list(machines.get(one, [])) for one in ("chief", "worker"))
        mine = {"chief": chiefs, "worker": workers}[kind]
        if set(machines) - {"chief", "worker"} or not 0 <= index < len(mine):
            raise ValueError("a job other than chief and worker, or a task that isn't in it")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DeviceError(
            f"TF_CONFIG can't be used ({error!r}): expected "
            f'{{"cluster": {{"worker": ["host:port", ...]}}, "task": {{"type": "worker", "index": '
            f"0}}}}; make it with t2t-make-tf-configs"
        ) from None
    return len(chiefs) + len(workers), index + (len(chiefs) if kind == "worker" else 0)


def _several_machines(kind: str, workers: int, worker: int) -> Devices:
    import tensorflow as tf

    log.info("machine %d of %d of TF_CONFIG: waiting for the others", worker, workers)
    # TensorFlow waits outside Python, which couldn't see a Ctrl-C.
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
    except (tf.errors.OpError, RuntimeError) as error:
        raise DeviceError(
            f"the machines of TF_CONFIG didn't meet ({str(error).splitlines()[0]}); start the same "
            f"command on all of them, check that this one may listen on its port"
        ) from error
    finally:
        signal.signal(signal.SIGINT, before)
    log.info("all %d machines are there", workers)
    return Devices("tensorflow", kind, strategy.num_replicas_in_sync, strategy, workers, worker)


@contextlib.contextmanager
def told_lost_workers(device: Devices) -> Iterator[None]:
    """Turns what TensorFlow raises when another machine goes away into an error for the user.

    Raises:
      WorkerError: another machine went away.
    """
    if device.workers == 1:
        yield
        return
    import tensorflow as tf

    kinds = ["Unavailable", "Aborted", "Cancelled", "DeadlineExceeded", "Internal"]
    try:
        yield
    except tuple(getattr(tf.errors, f"{kind}Error") for kind in kinds) as error:
        raise WorkerError(
            f"another machine of TF_CONFIG went away ({type(error).__name__}); start the same "
            f"command on all of them: training goes on from the newest checkpoint"
        ) from error


def start_again() -> NoReturn:
    """Replaces this process by a new one with the same command line."""
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def _jax(worker_gpu: int) -> Devices:
    # tf.data feeds JAX; TensorFlow itself must leave the accelerators alone.
    import jax

    _hide_from_tensorflow()
    devices = jax.devices()
    kind = devices[0].platform.upper()
    if kind == "CPU":
        if worker_gpu > 1:
            raise DeviceError(f"--worker_gpu={worker_gpu}: JAX sees no GPU here; drop the flag")
        return _distribute(devices, "CPU")
    if kind == "GPU" and worker_gpu > len(devices):
        raise DeviceError(f"--worker_gpu={worker_gpu}: JAX sees {len(devices)} GPUs here")
    return _distribute(devices[: max(1, worker_gpu)] if kind == "GPU" else devices, kind)


def _tpu() -> Devices:
    import jax

    _hide_from_tensorflow()
    chips = glob.glob("/dev/accel*") + glob.glob("/dev/vfio/[0-9]*")
    try:
        devices = jax.devices("tpu")
    except RuntimeError as error:
        libtpu = "installed" if importlib.util.find_spec("libtpu") else "not installed"
        found = ", ".join(chips) or "none"
        raise DeviceError(
            f"--use_tpu found no TPU: looked for /dev/accel* and /dev/vfio/* (found {found}) and "
            f"the package libtpu ({libtpu}); on a TPU VM run pip install t2tlite[tpu], elsewhere "
            f"drop --use_tpu"
        ) from error
    if jax.process_count() == 1 and os.environ.get("TPU_WORKER_HOSTNAMES", "").count(","):
        jax.distributed.initialize()
        devices = jax.devices("tpu")
    return _distribute(devices, "TPU")


def _distribute(devices: list[Any], kind: str) -> Devices:
    if len(devices) > 1:
        import keras

        names = [f"{kind.lower()}:{i}" for i in range(len(devices))]
        keras.distribution.set_distribution(keras.distribution.DataParallel(devices=names))
    return Devices("jax", kind, len(devices))


def _hide_from_tensorflow() -> None:
    import tensorflow as tf

    tf.config.set_visible_devices([], "GPU")
