"""Where to run: maps the device flags to a backend of Keras and its devices.

With `cluster` and `jax_devices`, which it alone uses, the only place that knows devices.

`choose` must be called before anything imports keras: a process has one backend.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import logging
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from t2tlite.data import inputs
from t2tlite.devices import cluster, jax_devices, silence
from t2tlite.errors import DeviceError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Devices:
    """A chosen place to run.

    Attributes:
      backend: of Keras, "tensorflow" or "jax".
      kind: "CPU", "GPU" or "TPU".
      count: devices, on all machines, that share the rows of each batch.
      strategy: a tf.distribute.Strategy, or None where there is one device or JAX.
      workers: machines.
      worker: number of this machine; 0 is the chief, which alone writes.
      model_parallel: devices that share each weight, on JAX; together they count as one.
    """

    backend: str
    kind: str
    count: int
    strategy: Any = None
    workers: int = 1
    worker: int = 0
    model_parallel: int = 1

    @property
    def static_shapes(self) -> bool:
        """Whether each new shape of a batch costs a compilation."""
        return self.backend == "jax"

    @property
    def is_chief(self) -> bool:
        """Whether this machine writes checkpoints and reports."""
        return self.worker == 0

    @property
    def evaluates(self) -> bool:
        """Whether this machine evaluates: on JAX a program runs on all machines or none."""
        return self.is_chief or self.backend == "jax"

    @property
    def row_shares(self) -> int:
        """Rows that aren't for training are a multiple of it; see `feed`."""
        return self.count if self.backend == "jax" else 1

    @property
    def length_multiple(self) -> int:
        """Row lengths that the device computes without waste are multiples of it."""
        return 128 if self.kind == "TPU" else 1

    @property
    def reader(self) -> tuple[int, int]:
        """Which of how many readers of the training data this machine is."""
        # TensorFlow's machines each make the whole batch and take their rows of it.
        return (self.worker, self.workers) if self.backend == "jax" else (0, 1)

    @property
    def multiplies_bfloat16(self) -> bool:
        """Whether training in bfloat16 should be faster here than in float32.

        AVX512-BF16 alone isn't enough: 0.65 to 0.74 times float32's tokens/s at the sizes of the
        recipes, where conversions cost more than products gain.
        """
        if self.kind != "CPU":
            return True
        try:
            flags = Path("/proc/cpuinfo").read_text().split()
        except OSError:
            return False
        return "amx_bf16" in flags

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

    def feed(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Gives the devices a batch that every machine has whole, to evaluate or decode it."""
        return jax_devices.feed(batch, self.worker, self.workers) if self._is_mesh else batch

    def gather(self, value: Any) -> Any:
        """Makes a result of such a batch whole on every machine; called while it is computed."""
        return jax_devices.gather(value) if self._is_mesh else value

    @property
    def _is_mesh(self) -> bool:
        return self.backend == "jax" and self.count * self.model_parallel > 1

    def any_worker(self, flag: bool) -> bool:
        """Whether the flag is set on any machine, on JAX; all must ask after the same step."""
        return jax_devices.any_process(flag) if self.workers > 1 else flag

    def sum_over_replicas(self, value: Any) -> Any:
        """Adds a vector up over the devices that share a batch; called inside a training step."""
        if self.strategy is None:
            # One device sees the whole batch, and so does a JAX program over many.
            return value
        import tensorflow as tf

        return tf.distribute.get_replica_context().all_reduce("sum", value)

    def __str__(self) -> str:
        devices = self.count * self.model_parallel
        count = f"{devices} x " if devices > 1 else ""
        parallel = f", {self.model_parallel} a model" if self.model_parallel > 1 else ""
        threads = f", {os.cpu_count()} cores" if self.kind == "CPU" else ""
        machines = f", machine {self.worker} of {self.workers}" if self.workers > 1 else ""
        return f"{count}{self.kind} (Keras on {self.backend}{threads}{parallel}{machines})"


def choose(
    *,
    use_tpu: bool = False,
    backend: str = "",
    worker_gpu: int = 1,
    memory_fraction: float = 0.95,
    model_parallel: int = 1,
) -> Devices:
    """Chooses the devices and makes them Keras's.

    Args:
      use_tpu: run on all cores of the TPU that this machine, or its pod, has.
      backend: "tensorflow", "jax", or "" for TensorFlow (on a TPU, JAX).
      worker_gpu: GPUs to use where there are any.
      memory_fraction: share of each GPU's memory to take.
      model_parallel: devices over which each large weight is divided, on JAX.

    Raises:
      DeviceError: a device that isn't there, or a backend that isn't installed or not the one that
        this process runs already.
    """
    if use_tpu:
        if backend == "tensorflow":
            raise DeviceError("--use_tpu runs on JAX; drop --backend=tensorflow")
        _set_backend("jax", why="--use_tpu")
        return _tpu(model_parallel)
    backend = backend or "tensorflow"
    if backend not in ("tensorflow", "jax"):
        raise DeviceError(f"--backend={backend} is not one of: tensorflow, jax")
    if backend == "tensorflow" and model_parallel > 1:
        raise DeviceError(
            f"--model_parallel={model_parallel} needs JAX; add --backend=jax or --use_tpu"
        )
    jax_devices.set_memory_fraction(memory_fraction)
    _set_backend(backend, why=f"--backend={backend}")
    return _tensorflow(worker_gpu) if backend == "tensorflow" else _jax(worker_gpu, model_parallel)


def whole(value: Any) -> Any:
    """Returns a variable's value as NumPy's array, also where devices hold parts of it."""
    return jax_devices.whole(value) if hasattr(value, "addressable_shards") else value.numpy()


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
    """
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    with silence.standard_error():
        tensorflow = importlib.import_module("tensorflow")
        # Looking for GPUs prints as well, once.
        tensorflow.config.list_physical_devices()


def _tensorflow(worker_gpu: int) -> Devices:
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    machines = cluster.current()
    if not gpus:
        if worker_gpu > 1:
            raise DeviceError(
                f"--worker_gpu={worker_gpu}: TensorFlow sees no GPU here; drop the flag to train "
                f"on the CPU, or install tensorflow[and-cuda]"
            )
        if machines.workers > 1:
            return _several_machines("CPU", machines)
        return Devices("tensorflow", "CPU", 1)
    if worker_gpu > len(gpus):
        raise DeviceError(f"--worker_gpu={worker_gpu}: TensorFlow sees {len(gpus)} GPUs here")
    used = gpus[: max(1, worker_gpu)]
    tf.config.set_visible_devices(used, "GPU")
    for gpu in used:
        tf.config.experimental.set_memory_growth(gpu, True)
    if machines.workers > 1:
        return _several_machines("GPU", machines)
    strategy = tf.distribute.MirroredStrategy() if len(used) > 1 else None
    return Devices("tensorflow", "GPU", len(used), strategy)


def _several_machines(kind: str, machines: cluster.Cluster) -> Devices:
    worker, workers = machines.worker, machines.workers
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


def _jax(worker_gpu: int, model_parallel: int) -> Devices:
    machines = cluster.current()
    jax_devices.join(machines)
    import jax

    _hide_from_tensorflow()
    devices = jax_devices.devices()
    kind = devices[0].platform.upper()
    if kind == "CPU" and worker_gpu > 1:
        raise DeviceError(f"--worker_gpu={worker_gpu}: JAX sees no GPU here; drop the flag")
    if kind == "GPU":
        here = len(jax.local_devices())
        if worker_gpu > here:
            raise DeviceError(f"--worker_gpu={worker_gpu}: JAX sees {here} GPUs here")
        if machines.workers == 1:
            devices = devices[: max(1, worker_gpu)]
    return _shared(devices, kind, model_parallel)


def _tpu(model_parallel: int) -> Devices:
    # Before TensorFlow or anything else asks JAX: a pod's processes must have met by then.
    devices = jax_devices.tpus()
    _hide_from_tensorflow()
    return _shared(devices, "TPU", model_parallel)


def _shared(devices: list[Any], kind: str, model_parallel: int) -> Devices:
    import jax

    replicas = jax_devices.distribute(devices, model_parallel)
    return Devices(
        "jax",
        kind,
        replicas,
        workers=jax.process_count(),
        worker=jax.process_index(),
        model_parallel=model_parallel,
    )


def _hide_from_tensorflow() -> None:
    # tf.data feeds JAX; TensorFlow itself must leave the accelerators alone.
    import tensorflow as tf

    tf.config.set_visible_devices([], "GPU")
