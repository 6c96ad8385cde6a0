"""T2T's flags without a meaning here: accepted, and told in one line when they are given."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from absl import flags

FLAGS = flags.FLAGS

log = logging.getLogger("t2tlite.cli")

_TF1 = "steered TF1's graph or session"
_CLOUD = "ran jobs in a Google Cloud service that no longer exists"
_WORKERS = "set up TF1's parameter servers; use TF_CONFIG"
_SPEECH = "belongs to problems that are not text"

# Name -> (default, what it did).
IGNORED: dict[str, tuple[Any, str]] = {
    "tfdbg": (False, _TF1),
    "dbgprofile": (False, _TF1),
    "log_device_placement": (False, _TF1),
    "enable_graph_rewriter": (False, _TF1),
    "intra_op_parallelism_threads": (0, "set TF1's threads; set OMP_NUM_THREADS"),
    "inter_op_parallelism_threads": (0, "set TF1's threads; set OMP_NUM_THREADS"),
    "disable_grappler_optimizations": (False, _TF1),
    "optionally_use_dist_strat": (False, "is how several GPUs are used anyway"),
    "locally_shard_to_cpu": (False, _TF1),
    "daisy_chain_variables": (True, _TF1),
    "xla_compile": (False, "is chosen by --backend"),
    "xla_jit_level": (-1, "is chosen by --backend"),
    "tpu_num_shards": (8, "counted TPU cores; all that are there are used"),
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
    "export_saved_model_api_version": (1, "chose a form of TF1's exports"),
    "gpu_automatic_mixed_precision": (False, "is the hparam activation_dtype=bfloat16"),
    "log_step_count_steps": (100, "counted steps between lines; here they come by time"),
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
    "num_concurrent_processes": (0, "set worker processes of some problems"),
    "keep_timestamp": (False, "copied the time of a checkpoint onto its decodes"),
    "decode_shards": (1, "split a file over machines; split it before"),
}


_TRAINS = "steers training"
_UNREGISTERED = "was for problems without a class"
_ENVIRONMENT = "belongs to reinforcement learning"
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

# Flags of T2T's t2t-trainer that have a meaning elsewhere, or none any more.
DECODING: dict[str, tuple[Any, str]] = {
    "decode_hparams": ("", _DECODES),
    "decode_from_file": ("", _DECODES),
    "decode_to_file": ("", _DECODES),
    "decode_reference": ("", _DECODES),
}

# The trainer's flags, which T2T's decoder had too.
TRAINING: dict[str, tuple[Any, str]] = {
    "train_steps": (0, _TRAINS),
    "schedule": ("", _TRAINS),
    "random_seed": (0, "seeds training; set random_seed in --decode_hparams"),
    "generate_data": (False, _TRAINS),
    "warm_start_from": ("", _TRAINS),
    "hparams_range": ("", _TRAINS),
    "local_eval_frequency": (0, _TRAINS),
    "eval_steps": (0, _TRAINS),
    "eval_early_stopping_steps": (0, _TRAINS),
    "eval_early_stopping_metric": ("", _TRAINS),
    "eval_early_stopping_metric_delta": ("", _TRAINS),
    "eval_early_stopping_metric_minimize": (False, _TRAINS),
    "save_checkpoints_secs": (0, _TRAINS),
    "keep_checkpoint_max": (0, _TRAINS),
    "iterations_per_loop": (0, _TRAINS),
    "profile": (False, _TRAINS),
    "autotune_objective": ("", _TRAINS),
    "autotune_maximize": (False, _TRAINS),
    "autotune_max_trials": (0, _TRAINS),
    "autotune_parallel_trials": (0, _TRAINS),
}


def define(of_the_command: Mapping[str, tuple[Any, str]]) -> None:
    """Defines the flags that all commands ignore, and those that this one ignores besides."""
    _ignored.update({**IGNORED, **of_the_command})
    kinds: dict[type, Callable[..., Any]] = {
        bool: flags.DEFINE_bool,
        int: flags.DEFINE_integer,
        str: flags.DEFINE_string,
    }
    for name, (default, what) in _ignored.items():
        kinds[type(default)](name, default, f"Ignored: it {what}.")


_ignored: dict[str, tuple[Any, str]] = {}


def tell_ignored() -> None:
    """Logs a line for each of them that the command line gives."""
    for name, (_, what) in _ignored.items():
        if FLAGS[name].present:
            log.warning("--%s is ignored: it %s", name, what)


def summary() -> str:
    """A line for --help; empty for a command that ignores none."""
    if not _ignored:
        return ""
    return f"Accepted for Tensor2Tensor's sake, without effect: {', '.join(sorted(_ignored))}."
