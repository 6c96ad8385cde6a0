"""Maps the device flags to a Keras backend and its devices.

`choose` must be called before anything imports keras, because a process has one backend.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from t2tlite import cores, libraries
from t2tlite.devices import cluster, compile_cache, fused_adam, jax_devices
from t2tlite.devices.feeding import Feed
from t2tlite.errors import DeviceError


@dataclass(frozen=True)
class Devices:
    """The devices of a training, an evaluation or a decoder.

    Attributes:
      backend: of Keras, "tensorflow" or "jax".
      kind: "CPU", "GPU" or "TPU".
      count: number of devices, on all machines, that share the rows of each batch.
      strategy: a tf.distribute.Strategy; None for one device and on JAX.
      workers: number of machines.
      worker: index of this machine; 0 is the chief, the only one that writes.
      model_parallel: number of devices that share each weight, on JAX; they count as one.
      chip: the name of a GPU or TPU, "NVIDIA H100 80GB HBM3"; "" if unknown.
    """

    backend: str
    kind: str
    count: int
    strategy: Any = None
    workers: int = 1
    worker: int = 0
    model_parallel: int = 1
    chip: str = ""

    @property
    def static_shapes(self) -> bool:
        """Whether each new shape of a batch is compiled."""
        return self.backend == "jax"

    @property
    def is_chief(self) -> bool:
        """Whether this machine writes checkpoints and reports."""
        return self.worker == 0

    @property
    def evaluates(self) -> bool:
        """Whether this machine evaluates: on JAX all machines run a program together."""
        return self.is_chief or self.backend == "jax"

    @property
    def row_shares(self) -> int:
        """Evaluation and decoding batches must be a multiple of this many rows; see `feed`."""
        return self.count if self.backend == "jax" else 1

    @property
    def length_multiple(self) -> int:
        """Row lengths should be a multiple of it: a matrix unit pads others, or is slower."""
        return {"TPU": 128, "GPU": 8}.get(self.kind, 1)

    @property
    def multiplies_bfloat16(self) -> bool:
        """Whether training with bfloat16 products should be faster than with float32 products.

        TPUs multiply in bfloat16 only, NVIDIA's GPUs from compute capability 8.0 on twice as fast
        as in float32. CPUs need AMX or AVX512-BF16, and TensorFlow with oneDNN, which uses them:
        XLA computes in float32 there. docs/precision.md has figures.
        """
        if self.kind == "GPU":
            capabilities = _capabilities(self.backend)
            return bool(capabilities) and min(capabilities) >= 8.0
        if self.kind == "CPU":
            return self.backend == "tensorflow" and _onednn_multiplies_bfloat16()
        return True

    def on_all_machines(self, condition: bool) -> bool:
        """Whether a condition holds on every machine; all of them must call it."""
        if self.workers == 1:
            return condition
        if self.backend == "jax":
            return jax_devices.on_all_machines(condition)
        import tensorflow as tf

        number = tf.constant([float(condition)])
        sums = self.strategy.run(lambda: self.sum_over_replicas(number))
        total = self.strategy.experimental_local_results(sums)[0]
        return float(total[0]) == self.strategy.num_replicas_in_sync

    def scope(self) -> contextlib.AbstractContextManager[Any]:
        """Returns the context in which model and optimizer must be created."""
        return self.strategy.scope() if self.strategy else contextlib.nullcontext()

    def distribute(self, feed: Feed) -> Any:
        """Returns the batches for Keras's `fit`; each machine makes the rows of its devices."""
        if self.backend == "jax":
            return feed.iterate(self.worker, self.workers, jax_devices.copy_ahead)
        if self.strategy is None:
            return feed.dataset()
        local = self.count // self.workers

        def local_parts(context: Any) -> Any:
            return feed.dataset(self.count, context.input_pipeline_id * local, local)

        return self.strategy.distribute_datasets_from_function(local_parts)

    def feed(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Shards a batch for evaluation or decoding, which every machine has completely."""
        return jax_devices.feed(batch, self.worker, self.workers)

    def gather(self, value: Any) -> Any:
        """Replicates a result of such a batch on every machine; called in the compiled function."""
        return jax_devices.gather(value)

    def sum_over_replicas(self, value: Any) -> Any:
        """Sums a vector over the devices that share a batch; called inside a training step."""
        if self.strategy is None:
            # One device has the whole batch, and a JAX program over several devices sees it all.
            return value
        import tensorflow as tf

        return tf.distribute.get_replica_context().all_reduce("sum", value)

    def run_if(self, condition: Any, function: Callable[[Any], Any], values: Any) -> None:
        """Calls function(values) on each replica of a strategy, inside a training step.

        It is called only if `condition` holds, which must be equal on all replicas. They can't
        synchronize within a condition, so the condition surrounds them.
        """
        import tensorflow as tf

        function = tf.autograph.experimental.do_not_convert(function)

        def run(strategy: Any, condition: Any, values: Any) -> None:
            condition = strategy.experimental_local_results(condition)[0]
            tf.cond(condition, lambda: strategy.run(function, args=(values,)), lambda: None)

        tf.distribute.get_replica_context().merge_call(run, args=(condition, values))

    @property
    def fused_adam(self) -> Callable[..., None] | None:
        """`fused_adam.update`; None on JAX, which compiles Keras's operations into one."""
        return fused_adam.update if self.backend == "tensorflow" else None

    def __str__(self) -> str:
        devices = self.count * self.model_parallel
        count = f"{devices} x " if devices > 1 else ""
        parallel = f", {self.model_parallel} a model" if self.model_parallel > 1 else ""
        threads = f", {_cores_text()}" if self.kind == "CPU" else ""
        machines = f", machine {self.worker} of {self.workers}" if self.workers > 1 else ""
        chip = f" {self.chip}" if self.chip else ""
        return f"{count}{self.kind}{chip} (Keras on {self.backend}{threads}{parallel}{machines})"


def _onednn_multiplies_bfloat16() -> bool:
    # The variables of TensorFlow and of oneDNN that limit it.
    largest = os.environ.get("ONEDNN_MAX_CPU_ISA", "") or "ALL"
    allowed = re.search("ALL|DEFAULT|BF16|FP16|AMX|AVX10", largest.upper())
    if os.environ.get("TF_ENABLE_ONEDNN_OPTS", "1") != "1" or not allowed:
        return False
    try:
        flags = Path("/proc/cpuinfo").read_text().split()
    except OSError:
        return False
    return not {"amx_bf16", "avx512_bf16"}.isdisjoint(flags)


def _capabilities(backend: str) -> list[float]:
    """Returns the CUDA compute capabilities of this machine's GPUs; of others' GPUs 0."""
    if backend == "jax":
        import jax

        found = [getattr(gpu, "compute_capability", "") for gpu in jax.local_devices()]
        return [float(text) if re.fullmatch(r"\d+\.\d+", str(text)) else 0.0 for text in found]
    import tensorflow as tf

    details = map(tf.config.experimental.get_device_details, tf.config.get_visible_devices("GPU"))
    return [float("{}.{}".format(*one.get("compute_capability", (0, 0)))) for one in details]


def choose(
    *,
    use_tpu: bool = False,
    backend: str = "",
    worker_gpu: int = 1,
    memory_fraction: float = 0.95,
    model_parallel: int = 1,
) -> Devices:
    """Sets Keras's backend and devices according to the flags.

    Args:
      use_tpu: run on all cores of the TPU of this machine or its pod.
      backend: "tensorflow", "jax", or "" for that of `backend_name`.
      worker_gpu: number of GPUs to use if there are any.
      memory_fraction: share of each GPU's memory that JAX may take.
      model_parallel: number of devices that share each large weight, on JAX.

    Raises:
      DeviceError: the device isn't available, or the backend isn't installed, or this process
        already runs the other one.
    """
    backend = backend_name(use_tpu=use_tpu, backend=backend)
    if backend == "tensorflow" and model_parallel > 1:
        raise DeviceError(
            f"--model_parallel={model_parallel} needs JAX; add --backend=jax or --use_tpu"
        )
    os.environ.setdefault("XLA_PYTHON_CLIENT_MEM_FRACTION", str(memory_fraction))
    _set_backend(backend, "--use_tpu" if use_tpu else f"--backend={backend}")
    if backend == "tensorflow":
        return _tensorflow(worker_gpu)
    return _jax(use_tpu, worker_gpu, model_parallel)


def backend_name(*, use_tpu: bool = False, backend: str = "") -> str:
    """Returns the backend that the flags mean; nothing is imported.

    Without flags it is that of the variable KERAS_BACKEND; without that TensorFlow, or JAX where
    TensorFlow isn't installed.

    Raises:
      DeviceError: there is no such backend, or it isn't installed.
    """
    if use_tpu and backend == "tensorflow":
        raise DeviceError("--use_tpu runs on JAX; drop --backend=tensorflow")
    if use_tpu:
        name, origin = "jax", "--use_tpu"
    elif backend:
        name, origin = backend, f"--backend={backend}"
    elif name := os.environ.get("KERAS_BACKEND", ""):
        origin = f"KERAS_BACKEND={name}"
    else:
        if installed := list(filter(libraries.is_installed, _PACKAGES)):
            return installed[0]
        raise DeviceError(
            "neither TensorFlow nor JAX is installed: pip install tensorflow tensorflow-text, or "
            "pip install jax"
        )
    if name not in _PACKAGES:
        raise DeviceError(f"{origin} is not one of: {', '.join(_PACKAGES)}")
    if not libraries.is_installed(name):
        raise DeviceError(
            f"{origin} needs {name}, which isn't installed: pip install "
            f"{'jax[tpu]' if use_tpu else _PACKAGES[name]}"
        )
    return name


# What to install for each backend; the default comes first.
_PACKAGES = {"tensorflow": "tensorflow tensorflow-text", "jax": "jax"}


def set_backend_variable(*, use_tpu: bool, backend: str) -> None:
    """Sets the backend before plugins are imported, which may import Keras; see `choose`."""
    os.environ["KERAS_BACKEND"] = backend_name(use_tpu=use_tpu, backend=backend)
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")


def _set_backend(backend: str, flag: str) -> None:
    running = sys.modules.get("keras")
    if running is not None and running.backend.backend() != backend:
        raise DeviceError(
            f"{flag} needs Keras on {backend}, but this process runs it on "
            f"{running.backend.backend()}; set KERAS_BACKEND={backend} before importing keras"
        )
    os.environ["KERAS_BACKEND"] = backend
    if backend == "tensorflow" or "tensorflow" in sys.modules:
        # Only now, because TensorFlow imports Keras, which reads the variable.
        libraries.import_tensorflow()


def _tensorflow(worker_gpu: int) -> Devices:
    import tensorflow as tf

    _limit_threads(tf)
    gpus = tf.config.list_physical_devices("GPU")
    if worker_gpu > 1 and not gpus:
        raise DeviceError(
            f"--worker_gpu={worker_gpu}: TensorFlow sees no GPU; drop the flag to train on the "
            f"CPU, or install tensorflow[and-cuda]"
        )
    if worker_gpu > len(gpus) > 0:
        raise DeviceError(f"--worker_gpu={worker_gpu}: TensorFlow sees {len(gpus)} GPUs")
    used = gpus[: max(1, worker_gpu)]
    if used:
        tf.config.set_visible_devices(used, "GPU")
    chip = ""
    for gpu in used:
        tf.config.experimental.set_memory_growth(gpu, True)
        chip = tf.config.experimental.get_device_details(gpu).get("device_name", "")
    machines = cluster.current()
    if machines.workers > 1:
        # TensorFlow knows fewer jobs than T2T had.
        os.environ["TF_CONFIG"] = machines.tf_config(machines.worker)
        with cluster.joining(machines):
            strategy = tf.distribute.MultiWorkerMirroredStrategy()
    else:
        strategy = tf.distribute.MirroredStrategy() if len(used) > 1 else None
    return Devices(
        "tensorflow",
        "GPU" if used else "CPU",
        strategy.num_replicas_in_sync if strategy else 1,
        strategy,
        machines.workers,
        machines.worker,
        chip=chip,
    )


def _limit_threads(tf: Any) -> None:
    """Keeps TensorFlow within the quota of cores; by itself it only counts those it may run on."""
    if (usable := cores.available()) < cores.schedulable():
        # A program that has used TensorFlow keeps its threads.
        with contextlib.suppress(RuntimeError):
            tf.config.threading.set_intra_op_parallelism_threads(usable)
            tf.config.threading.set_inter_op_parallelism_threads(usable)


def _cores_text() -> str:
    usable, all_cores = cores.available(), os.cpu_count() or 1
    one = "1 core" if usable == 1 else f"{usable} cores"
    return one if usable == all_cores else f"{one} of {all_cores}"


def _jax(use_tpu: bool, worker_gpu: int, model_parallel: int) -> Devices:
    if (usable := cores.available()) < cores.schedulable():
        # JAX, too, counts only the cores that it may run on, unless this variable says otherwise.
        os.environ.setdefault("PJRT_NPROC", str(usable))
    import jax

    devices = jax_devices.tpus() if use_tpu else jax_devices.devices(cluster.current(), worker_gpu)
    compile_cache.enable(devices[0])
    kind = devices[0].platform.upper()
    if kind == "CPU" and worker_gpu > 1:
        raise DeviceError(
            f"--worker_gpu={worker_gpu}: JAX sees no GPU; drop the flag, or pip install jax[cuda12]"
        )
    if kind == "GPU":
        local = len(jax.local_devices())
        if worker_gpu > local:
            raise DeviceError(f"--worker_gpu={worker_gpu}: JAX sees {local} GPUs")
        if jax.process_count() == 1:
            devices = devices[: max(1, worker_gpu)]
    replicas = jax_devices.distribute(devices, model_parallel)
    workers, worker = jax.process_count(), jax.process_index()
    chip = "" if kind == "CPU" else devices[0].device_kind
    return Devices("jax", kind, replicas, None, workers, worker, model_parallel, chip)
