"""Flags that several commands share, under T2T's names, and the objects that they describe."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from absl import flags

from t2tlite.checkpoint import run_record
from t2tlite.decode.decode_hparams import DecodeHParams
from t2tlite.devices import devices
from t2tlite.files import split_paths

if TYPE_CHECKING:
    from t2tlite.decode.decoder import Decoder

FLAGS = flags.FLAGS
log = logging.getLogger("t2tlite.cli")

MAX = 2**31 - 1  # of numbers that have no smaller bound

flags.DEFINE_string("t2t_usr_dir", "", "Plugin folder with your problems; several with commas.")
flags.DEFINE_string("problem", "", "Registered problem; also NAME_rev and NAME_copy.")
flags.DEFINE_alias("problems", "problem")
flags.DEFINE_string("data_dir", "", "Folder of the data that t2t-datagen writes.")
flags.DEFINE_string("tmp_dir", "", "Folder of downloads and of your own raw files.")
flags.DEFINE_bool("registry_help", False, "List problems, models and hparams sets, and exit.")


def define_device_flags() -> None:
    """Defines the flags that choose where to run."""
    flags.DEFINE_bool("use_tpu", False, "Run on all TPU cores of this machine or pod, with JAX.")
    flags.DEFINE_string(
        "backend", "", "Backend of Keras: tensorflow, the default if installed, or jax."
    )
    flags.DEFINE_integer("worker_gpu", 1, "Number of GPUs to use, if there are any.", 0, 1024)
    flags.DEFINE_float("worker_gpu_memory_fraction", 0.95, "Share of GPU memory (JAX).", 0.0, 1.0)
    flags.DEFINE_integer(
        "model_parallel", 1, "Devices that share each large weight (JAX).", 1, 2**20
    )


def define_model_flags() -> None:
    """Defines the flags that name a model and its hparams."""
    flags.DEFINE_string("output_dir", "", "Model folder: checkpoints, run.json, events.")
    flags.DEFINE_string("model", "", "Registered model.")
    flags.DEFINE_string("hparams_set", "", "Registered hparams set.")
    flags.DEFINE_string("hparams", "", 'Changes to the set: "name=value,name=value".')


def define_decoding_flags() -> None:
    """Defines the flags that choose a checkpoint and how to decode."""
    flags.DEFINE_string("checkpoint_path", "", "Weights file, step or best; default: the newest.")
    flags.DEFINE_string("decode_hparams", "", 'How to decode: "beam_size=4,extra_length=50".')
    flags.DEFINE_string("decode_tag", "", "Of a mixture: the tag or the problem to decode with.")


def define_ensemble_flags() -> None:
    """Defines the flags that name the other members of an ensemble."""
    flags.DEFINE_multi_string(
        "ensemble_dir", [], "A model folder that decodes together with --output_dir; repeatable."
    )
    flags.DEFINE_list(
        "ensemble_checkpoints",
        [],
        "Checkpoints of --output_dir that decode together: steps, paths, best, last.",
    )


def ensemble() -> dict[str, Any]:
    """The arguments of a `Decoder` that the ensemble flags give."""
    if "ensemble_dir" not in FLAGS:
        return {}
    return {"ensemble": FLAGS.ensemble_dir, "ensemble_checkpoints": FLAGS.ensemble_checkpoints}


def log_unneeded(*names: str) -> None:
    """Logs which of these flags were given although the run record has their values."""
    for name in names:
        if FLAGS[name].value:
            log.info("--%s isn't needed: %s has it", name, FLAGS.output_dir)


def usr_dirs() -> list[str]:
    """The plugin folders of --t2t_usr_dir."""
    return split_paths(FLAGS.t2t_usr_dir)


def device() -> devices.Devices:
    """The devices that the device flags choose."""
    return devices.choose(
        use_tpu=FLAGS.use_tpu,
        backend=FLAGS.backend,
        worker_gpu=FLAGS.worker_gpu,
        memory_fraction=FLAGS.worker_gpu_memory_fraction,
        model_parallel=FLAGS.model_parallel,
    )


def decode_hparams() -> DecodeHParams:
    """The checked hparams of --decode_hparams, over the defaults of the model in --output_dir."""
    # A training that writes it may just be starting.
    is_there = (Path(FLAGS.output_dir) / run_record.NAME).exists()
    defaults = run_record.read(FLAGS.output_dir).decode_hparams if is_there else {}
    decode_hparams = DecodeHParams.of(FLAGS.decode_hparams, defaults)
    if "decode_tag" in FLAGS and FLAGS.decode_tag:
        decode_hparams.decode_tag = FLAGS.decode_tag
    return decode_hparams.check()


def define_engine_flag(*others: str) -> None:
    """Defines --engine, with other engines than "auto" and "keras"."""
    flags.DEFINE_enum(
        "engine",
        "auto",
        ["auto", "keras", *others],
        "What decodes; auto: Keras, but CTranslate2, if installed, for greedy search on a CPU.",
    )


def load_decoder(hparams: DecodeHParams, device: devices.Devices) -> Decoder:
    """Loads the model of --output_dir and --checkpoint_path with its engine; imports Keras."""
    from t2tlite.decode.decoder import Decoder
    from t2tlite.exporting.automatic_engine import engine_maker

    engine = FLAGS.engine if "engine" in FLAGS else "keras"
    make_engine = engine_maker(engine, FLAGS.checkpoint_path, device)
    loaded = FLAGS.output_dir, FLAGS.checkpoint_path, hparams, usr_dirs(), device
    return Decoder(*loaded, make_engine=make_engine, **ensemble())
