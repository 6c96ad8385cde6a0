"""Flags that several commands have, with T2T's names."""

from __future__ import annotations

from absl import flags

from t2tlite.devices import devices

FLAGS = flags.FLAGS

flags.DEFINE_string("t2t_usr_dir", "", "Folder of your problems; several joined by commas.")
flags.DEFINE_string("problem", "", "Registered problem; also NAME_rev and NAME_copy.")
flags.DEFINE_alias("problems", "problem")
flags.DEFINE_string("data_dir", "", "Folder of the data that t2t-datagen writes.")
flags.DEFINE_string("tmp_dir", "", "Folder of downloads and of your own files.")
flags.DEFINE_bool("registry_help", False, "List problems, models and hparams sets, and exit.")


def define_device_flags() -> None:
    """Defines the flags that choose where to run."""
    flags.DEFINE_bool("use_tpu", False, "Run on all TPU cores of this machine or pod, by JAX.")
    flags.DEFINE_string("backend", "", "Backend of Keras: tensorflow (the default) or jax.")
    flags.DEFINE_integer("worker_gpu", 1, "GPUs to use, where there are any.", lower_bound=0)
    flags.DEFINE_float(
        "worker_gpu_memory_fraction", 0.95, "Share of each GPU's memory to take (JAX).", 0.0, 1.0
    )
    flags.DEFINE_integer("model_parallel", 1, "Devices that share each large weight (JAX).", 1)


def device() -> devices.Devices:
    """The devices that the flags choose."""
    return devices.choose(
        use_tpu=FLAGS.use_tpu,
        backend=FLAGS.backend,
        worker_gpu=FLAGS.worker_gpu,
        memory_fraction=FLAGS.worker_gpu_memory_fraction,
        model_parallel=FLAGS.model_parallel,
    )


def define_model_flags() -> None:
    """Defines the flags that name a model and its hparams."""
    flags.DEFINE_string("output_dir", "", "Folder of the model: checkpoints, run.json, events.")
    flags.DEFINE_string("model", "", "Registered model.")
    flags.DEFINE_string("hparams_set", "", "Registered set of hparams.")
    flags.DEFINE_string("hparams", "", 'Changes to the set: "name=value,name=value".')


def usr_dirs() -> list[str]:
    """The plugin folders."""
    return [one for one in FLAGS.t2t_usr_dir.split(",") if one]
