"""T2T's flags without effect: accepted, with a warning when they are given."""

import subprocess
import sys

import pytest

from t2tlite.cli import t2t_flags


def test_no_warning_without_such_a_flag(command):
    assert command(lambda: None) == (0, "", "")


@pytest.mark.parametrize(
    ("argument", "name"),
    [("--log_device_placement", "log_device_placement"), ("--ps_gpu=2", "ps_gpu"),
     ("--master=local", "master"), ("--nosync", "sync")],
)  # fmt: skip
def test_a_warning_for_each_flag_given(command, argument, name):
    status, out, err = command(lambda: None, argument)
    assert (status, out) == (0, "")
    assert err == f"warning: --{name} is ignored: it {t2t_flags.IGNORED[name][1]}\n"


def test_all_are_accepted(command):
    arguments = [
        f"--{name}" if value_type is bool else f"--{name}=1"
        for name, (value_type, _) in t2t_flags.IGNORED.items()
    ]
    status, _, err = command(lambda: None, *arguments)
    assert status == 0
    assert err.count(" is ignored: it ") == len(arguments)


def test_a_flag_that_may_only_have_its_default(command):
    status, _, err = command(lambda: None, "--decode_shards=1", "--noeval_run_autoregressive")
    assert (status, err) == (0, "")
    status, _, err = command(lambda: None, "--decode_shards=2")
    assert status == 2
    assert err.startswith("t2t-test: --decode_shards=2 isn't supported: split the file, and decode")


def test_the_summary_names_all(own_flags):
    assert all(name in t2t_flags.summary() for name in t2t_flags.IGNORED)


# All flags that the commands of T2T 1.15.7 define, in bin/, serving/ and utils/flags.py.
SHARED = """
registry_help tfdbg export_saved_model dbgprofile model hparams_set hparams_range hparams problem
data_dir train_steps eval_early_stopping_metric eval_early_stopping_metric_delta
eval_early_stopping_steps eval_early_stopping_metric_minimize eval_timeout_mins
eval_run_autoregressive eval_use_test_set keep_checkpoint_max enable_graph_rewriter
keep_checkpoint_every_n_hours save_checkpoints_secs log_device_placement warm_start_from
local_eval_frequency eval_throttle_seconds sync worker_job worker_gpu worker_replicas worker_id
worker_gpu_memory_fraction ps_gpu gpu_order ps_job ps_replicas decode_hparams decode_from_file
decode_to_file decode_reference t2t_usr_dir random_seed tpu_num_shards tpu_job_name
iterations_per_loop use_tpu use_tpu_estimator export_saved_model_api_version
use_guarantee_const_getter xla_compile xla_jit_level tpu_infeed_sleep_secs generate_data tmp_dir
profile inter_op_parallelism_threads intra_op_parallelism_threads optionally_use_dist_strat master
output_dir schedule eval_steps std_server_protocol cloud_tpu_name cloud_mlengine
cloud_mlengine_master_type autotune_objective autotune_maximize autotune_max_trials
autotune_parallel_trials job-dir log_step_count_steps gpu_automatic_mixed_precision
"""
COMMANDS = {
    "trainer": SHARED,
    "decoder": SHARED
    + "checkpoint_path keep_timestamp decode_interactive decode_shards score_file decode_in_memory "
    "disable_grappler_optimizations",
    "datagen": "data_dir tmp_dir problem exclude_problems num_shards max_cases only_list "
    "env_problem_max_env_steps env_problem_batch_size random_seed task_id task_id_start "
    "task_id_end num_concurrent_processes t2t_usr_dir",
    "eval": SHARED,
    "exporter": SHARED + "export_as_tfhub export_dir checkpoint_path as_text",
    "query_server": "server servable_name problem data_dir t2t_usr_dir inputs_once timeout_secs "
    "cloud_mlengine_model_name cloud_mlengine_model_version",
    "avg_all": "model_dir output_dir n min_steps wait_minutes",
    "bleu": "source reference translation translations_dir event_dir bleu_variant tag_suffix "
    "min_steps wait_minutes report_zero",
    "translate_all": "decoder_command model_dir source translations_dir min_steps wait_minutes "
    "beam_size alpha model t2t_usr_dir data_dir problem hparams_set",
    "make_tf_configs": "masters ps",
}


@pytest.mark.parametrize("command", COMMANDS)
def test_all_of_t2ts_flags_are_accepted(command):
    # In a process of its own, as the commands define flags of the same names.
    code = f"from t2tlite.cli import {command}; print(*{command}.FLAGS)"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert set(COMMANDS[command].split()) <= set(result.stdout.split())
