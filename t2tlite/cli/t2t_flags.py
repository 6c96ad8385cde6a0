"""T2T's flags that have no effect here: accepted, with a warning when they are given."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from absl import flags

FLAGS = flags.FLAGS

log = logging.getLogger("t2tlite.cli")

_TF1 = "controlled TF1's graph or session"
_CLOUD = "ran jobs in a Google Cloud service that no longer exists"
_WORKERS = "set up TF1's parameter servers; use TF_CONFIG"
_SPEECH = "is for problems without text"

# Name -> (default, what the flag did in T2T).
IGNORED: dict[str, tuple[Any, str]] = {
    "tfdbg": (False, _TF1),
    "dbgprofile": (False, _TF1),
    "log_device_placement": (False, _TF1),
    "enable_graph_rewriter": (False, _TF1),
    "intra_op_parallelism_threads": (0, "set TF1's threads; set OMP_NUM_THREADS"),
    "inter_op_parallelism_threads": (0, "set TF1's threads; set OMP_NUM_THREADS"),
    "disable_grappler_optimizations": (False, _TF1),
    "optionally_use_dist_strat": (False, "is how several GPUs are always used"),
    "locally_shard_to_cpu": (False, _TF1),
    "daisy_chain_variables": (True, _TF1),
    "xla_compile": (False, "is chosen by --backend"),
    "xla_jit_level": (-1, "is chosen by --backend"),
    "tpu_num_shards": (8, "set the number of TPU cores; all cores are used"),
    "use_tpu_estimator": (False, _TF1),
    "tpu_infeed_sleep_secs": (0, _TF1),
    "tpu_config_extra": ("", _TF1),
    "cloud_tpu_name": ("", "named a TPU for TF1; run this command on the TPU VM itself"),
    "cloud_mlengine": (False, _CLOUD),
    "cloud_mlengine_master_type": ("", _CLOUD),
    "cloud_delete_on_done": (False, _CLOUD),
    "cloud_vm_name": ("", _CLOUD),
    "cloud_tpu": (False, _CLOUD),
    "tpu_job_name": ("", _TF1),
    "std_server_protocol": ("grpc", _WORKERS),
    "use_guarantee_const_getter": (False, _TF1),
    "export_saved_model_api_version": (1, "chose the version of TF1's export"),
    "gpu_automatic_mixed_precision": (False, "is the hparam activation_dtype=bfloat16"),
    "log_step_count_steps": (100, "set the steps between log lines; they are written by time"),
    "job-dir": ("", "named the output folder of a cloud job; use --output_dir"),
    "job_dir": ("", "named the output folder of a cloud job; use --output_dir"),
    "master": ("", _WORKERS),
    "ps_job": ("/job:ps", _WORKERS),
    "ps_replicas": (0, _WORKERS),
    "ps_gpu": (0, _WORKERS),
    "sync": (False, _WORKERS),
    "worker_job": ("/job:localhost", _WORKERS),
    "worker_replicas": (1, _WORKERS),
    "worker_id": (0, _WORKERS),
    "gpu_order": ("", "ordered GPUs; set CUDA_VISIBLE_DEVICES"),
    "eval_timeout_mins": (240, "waited for checkpoints of another process"),
    "eval_throttle_seconds": (600, "delayed evaluation; set --local_eval_frequency"),
    "eval_run_autoregressive": (False, "evaluated decoded text; use t2t-decoder and t2t-bleu"),
    "keep_checkpoint_every_n_hours": (10000, "kept more checkpoints; set --keep_checkpoint_max"),
    "save_checkpoints_steps": (0, "is --local_eval_frequency"),
    "export_saved_model": (False, "was no longer used in T2T either"),
    "timit_paths": ("", _SPEECH),
    "parsing_path": ("", _SPEECH),
    "num_concurrent_processes": (0, "set the worker processes of some problems"),
    "keep_timestamp": (False, "copied the time of a checkpoint onto its decodes"),
    "decode_shards": (1, "shared a file among machines; split the file instead"),
}

_TRAINS = "controls training"
_UNREGISTERED = "was for problems without a class"
_ENVIRONMENT = "is for reinforcement learning"
_DECODES = "made the trainer decode; use t2t-decoder"

# Flags that only T2T's t2t-datagen had.
GENERATING: dict[str, tuple[Any, str]] = {
    "num_shards": (0, f"{_UNREGISTERED}; set shards in its dataset_splits"),
    "max_cases": (0, f"{_UNREGISTERED}; end its generate_samples sooner"),
    "task_id_start": (-1, "chose parts of a problem's work; use --task_id"),
    "task_id_end": (-1, "chose parts of a problem's work; use --task_id"),
    "env_problem_max_env_steps": (0, _ENVIRONMENT),
    "env_problem_batch_size": (0, _ENVIRONMENT),
}

# Flags of T2T's t2t-trainer that another command has here.
DECODING: dict[str, tuple[Any, str]] = {
    "decode_hparams": ("", _DECODES),
    "decode_from_file": ("", _DECODES),
    "decode_to_file": ("", _DECODES),
    "decode_reference": ("", _DECODES),
}

# Flags of the trainer that T2T's decoder had too. As a string a flag accepts any value.
TRAINING: dict[str, tuple[Any, str]] = {
    "random_seed": ("", "seeds training; set random_seed in --decode_hparams"),
    **dict.fromkeys(
        ["generate_data", "eval_early_stopping_metric_minimize", "profile", "autotune_maximize"],
        (False, _TRAINS),
    ),
    **dict.fromkeys(
        [
            *("train_steps", "schedule", "warm_start_from", "hparams_range", "eval_steps"),
            *("local_eval_frequency", "save_checkpoints_secs", "keep_checkpoint_max"),
            *("eval_early_stopping_steps", "eval_early_stopping_metric"),
            *("eval_early_stopping_metric_delta", "iterations_per_loop", "autotune_objective"),
            *("autotune_max_trials", "autotune_parallel_trials"),
        ],
        ("", _TRAINS),
    ),
}

_ignored: dict[str, tuple[Any, str]] = {}


def define(command_flags: Mapping[str, tuple[Any, str]]) -> None:
    """Defines the flags that every command ignores and those that only this one ignores.

    Args:
      command_flags: the latter: name -> (default, what the flag did in T2T).
    """
    _ignored.update({**IGNORED, **command_flags})
    define_by_type: dict[type, Callable[..., Any]] = {
        bool: flags.DEFINE_bool,
        int: flags.DEFINE_integer,
        str: flags.DEFINE_string,
    }
    for name, (default, effect) in _ignored.items():
        help_text = f"Ignored: it {effect}."
        define_by_type[type(default)](name, default, help_text, flag_values=FLAGS)


def warn_ignored() -> None:
    """Logs a warning for each ignored flag on the command line."""
    for name, (_, effect) in _ignored.items():
        if FLAGS[name].present:
            log.warning("--%s is ignored: it %s", name, effect)


def summary() -> str:
    """A line for --help; empty for a command that ignores no flag."""
    if not _ignored:
        return ""
    return f"Accepted for Tensor2Tensor's sake, without effect: {', '.join(sorted(_ignored))}."
