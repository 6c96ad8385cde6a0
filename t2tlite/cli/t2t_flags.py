"""T2T's flags that have no effect here: accepted, with a warning when they are given."""

from __future__ import annotations

import logging

from absl import flags

FLAGS = flags.FLAGS

log = logging.getLogger("t2tlite.cli")

# Flag name -> (type of its value, what the flag did in T2T).
Ignored = dict[str, tuple[type, str]]


def _ignored_flags(effect: str, names: str, booleans: str = "") -> Ignored:
    # As a string a flag accepts any value; --NAME and --noNAME need a boolean flag.
    types = dict.fromkeys(names.split(), str) | dict.fromkeys(booleans.split(), bool)
    return {name: (value_type, effect) for name, value_type in types.items()}


# Flags that no command here has; T2T's trainer, decoder and exporter had them all.
IGNORED: Ignored = {
    **_ignored_flags(
        "controlled TF1's graph or session",
        "tpu_infeed_sleep_secs tpu_config_extra tpu_job_name",
        "tfdbg dbgprofile log_device_placement enable_graph_rewriter use_guarantee_const_getter "
        "disable_grappler_optimizations locally_shard_to_cpu daisy_chain_variables "
        "use_tpu_estimator",
    ),
    **_ignored_flags(
        "ran jobs in a Google Cloud service that no longer exists",
        "cloud_mlengine_master_type cloud_vm_name",
        "cloud_mlengine cloud_delete_on_done cloud_tpu",
    ),
    **_ignored_flags("named a cloud job's output folder; use --output_dir", "job-dir job_dir"),
    **_ignored_flags(
        "set up TF1's parameter servers; use TF_CONFIG",
        "std_server_protocol master ps_job ps_replicas ps_gpu worker_job worker_replicas worker_id",
        "sync",
    ),
    **_ignored_flags(
        "set TF1's threads; set OMP_NUM_THREADS",
        "intra_op_parallelism_threads inter_op_parallelism_threads",
    ),
    **_ignored_flags("is for problems without text", "timit_paths parsing_path"),
    **_ignored_flags("is chosen by --backend", "xla_jit_level", "xla_compile"),
    "optionally_use_dist_strat": (bool, "is how several GPUs are always used"),
    "tpu_num_shards": (str, "set the number of TPU cores; all cores are used"),
    "cloud_tpu_name": (str, "named a TPU for TF1; run this command on the TPU VM itself"),
    "export_saved_model_api_version": (str, "chose the version of TF1's export"),
    "export_saved_model": (bool, "was no longer used in T2T either"),
    "gpu_automatic_mixed_precision": (bool, "is --precision=bfloat16"),
    "log_step_count_steps": (str, "set the steps between log lines; they are written by time"),
    "gpu_order": (str, "ordered GPUs; set CUDA_VISIBLE_DEVICES"),
    "eval_throttle_seconds": (str, "delayed evaluation; set --local_eval_frequency"),
    "keep_checkpoint_every_n_hours": (str, "kept more checkpoints; set --keep_checkpoint_max"),
    "save_checkpoints_steps": (str, "is --local_eval_frequency"),
    "num_concurrent_processes": (str, "set the worker processes of some problems"),
    "keep_timestamp": (bool, "copied the time of a checkpoint onto its decodes"),
}

# Flags of T2T's t2t-datagen.
GENERATING: Ignored = {
    **IGNORED,
    "max_cases": (str, "was for problems without a class; end its generate_samples sooner"),
    **_ignored_flags(
        "is for reinforcement learning", "env_problem_max_env_steps env_problem_batch_size"
    ),
}

# Flags of T2T's trainer that its decoder had too.
DECODING: Ignored = {
    **IGNORED,
    "random_seed": (str, "seeds training; set random_seed in --decode_hparams"),
    **_ignored_flags(
        "controls training",
        "train_steps schedule warm_start_from hparams_range eval_steps local_eval_frequency "
        "eval_timeout_mins save_checkpoints_secs keep_checkpoint_max eval_early_stopping_steps "
        "iterations_per_loop "
        "eval_early_stopping_metric eval_early_stopping_metric_delta autotune_objective "
        "autotune_max_trials autotune_parallel_trials",
        "generate_data eval_early_stopping_metric_minimize profile autotune_maximize",
    ),
}

# Flags of T2T's exporter.
EXPORTING: Ignored = {
    **DECODING,
    **_ignored_flags(
        "is for training and decoding",
        "worker_gpu worker_gpu_memory_fraction decode_from_file decode_to_file decode_reference",
        "use_tpu eval_use_test_set",
    ),
    "as_text": (bool, "wrote the graph as text; it is saved_model.pb"),
}

# Flags of T2T's t2t-bleu.
COMPARING: Ignored = {
    "source": (str, "was not used in T2T either"),
    "report_zero": (bool, "added a point of BLEU 0 at the beginning of training"),
}

# Flags whose effect isn't supported: name -> (T2T's default, what to do).
Refused = dict[str, tuple[str, str]]
REFUSED: Refused = {
    "eval_run_autoregressive": ("false", "t2t-decoder and t2t-bleu evaluate decoded text"),
    "decode_shards": ("1", "split the file, and decode each part"),
}

_ignored: Ignored = {}
_refused: Refused = {}


def define(ignored: Ignored, refused: Refused | None = None) -> None:
    """Defines the flags that a command ignores, and those that may only have T2T's default."""
    _ignored.update(ignored)
    for name, (value_type, effect) in ignored.items():
        _define(name, value_type, f"Ignored: it {effect}.")
    _refused.update(refused or {})
    for name, (default, advice) in _refused.items():
        value_type = bool if default == "false" else str
        _define(name, value_type, f"Only {default} is supported: {advice}.")


def _define(name: str, value_type: type, help_text: str) -> None:
    if value_type is bool:
        flags.DEFINE_bool(name, False, help_text, flag_values=FLAGS)
    else:
        flags.DEFINE_string(name, "", help_text, flag_values=FLAGS)


def warn_ignored() -> None:
    """Logs a warning for each ignored flag on the command line.

    Raises:
      flags.Error: another flag there has a value that isn't supported.
    """
    for name, (default, advice) in _refused.items():
        value = str(FLAGS[name].value or default)
        if value.lower() != default:
            raise flags.IllegalFlagValueError(f"--{name}={value} isn't supported: {advice}")
    for name, (_, effect) in _ignored.items():
        if FLAGS[name].present:
            log.warning("--%s is ignored: it %s", name, effect)


def summary() -> str:
    """A line for --help; empty for a command that ignores no flag."""
    names = sorted({*_ignored, *_refused})
    if not names:
        return ""
    return f"Accepted for Tensor2Tensor's sake, without effect: {', '.join(names)}."
