"""The keywords of the functions are the flags of the commands, with their defaults."""

import inspect
import json
import subprocess
import sys

import pytest

import t2tlite
from t2tlite.api import training
from t2tlite.assignments import field_hints
from t2tlite.config import HParams
from t2tlite.t2t_names.hparams import HINTS
from t2tlite.training.train_args import TrainArgs

# A command's flags are global, so each command gets a process.
SCRIPT = """
import importlib, json, sys
from absl import flags
command = importlib.import_module("t2tlite.cli." + sys.argv[1])
FLAGS, own = flags.FLAGS, {}
for name in FLAGS:
    module = FLAGS.find_module_defining_flag(name)
    # What T2T's flags are accepted for is said by the command alone.
    if module.startswith("t2tlite.") and module != "t2tlite.cli.t2t_flags":
        own[name] = FLAGS[name].default
print(json.dumps(own))
"""
# In Python, environment variables say where copies of URLs are.
COMMON = {"registry_help", "problems", "cache_dir", "cache_gb"}
# run.json has them.
RECORDED = {"problem", "model", "hparams_set", "hparams", "data_dir", "tmp_dir"}
# A search, and decoding with each new checkpoint, are done by processes.
PROCESSES = {
    *("hparams_range", "autotune_objective", "autotune_maximize", "autotune_max_trials"),
    *("autotune_parallel_trials", "eval_timeout_mins"),
    *("decode_from_file", "decode_to_file", "decode_reference"),
    # A function of its own.
    "find_learning_rate",
}
TRAINING_ONLY = {
    *("hparams_set", "hparams_json_path", "schedule", "profile", "tmp_dir"),
    "precision",
    *("generate_data", "overwrite", "task_id"),
    *(set(training.TRAIN_ARGS) - {"eval_steps", "eval_decode"}),
}
TABLE = set(inspect.signature(t2tlite.table_problem).parameters) - {"problem", "vocab_size"}
# A loaded Decoder may be an ensemble, and have a tag.
LOADED = {"ensemble_dir", "ensemble_checkpoints", "decode_tag"}
# By function: the command, the flags that the function doesn't take, the arguments without a flag.
FUNCTIONS = {
    "generate_data": (
        "datagen",
        # A list of problems, and a range of tasks, are loops in Python; tables are objects.
        {"only_list", "exclude_problems", "task_id_start", "task_id_end", *TABLE},
        set(),
    ),
    "table_problem": (
        "datagen",
        set(inspect.signature(t2tlite.generate_data).parameters) - {"problem", "vocab_size"}
        | {"only_list", "exclude_problems", "task_id_start", "task_id_end"},
        set(),
    ),
    "train": ("trainer", {"checkpoint_path", *PROCESSES}, {"train_args", "device"}),
    "evaluate": ("trainer", {*PROCESSES, *TRAINING_ONLY}, {"train_args", "device"}),
    # decode_hparams has the tag.
    "export": ("exporter", {*RECORDED, "decode_tag"}, set()),
    "serve": ("server", {*RECORDED, *LOADED}, {"background"}),
}
# Arguments that must be given, or whose default isn't that of the flag.
OTHER_DEFAULTS = {
    ("evaluate", "problem"): None,
    ("serve", "allowed_hosts"): (),
    ("table_problem", "vocab_size"): 8000,
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_flags_and_arguments_are_the_same(name):
    command, left_out, own = FUNCTIONS[name]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, command], capture_output=True, text=True, check=True
    )
    flags = json.loads(done.stdout)
    arguments = inspect.signature(getattr(t2tlite, name)).parameters
    assert own <= set(arguments)
    assert left_out - RECORDED <= set(flags)
    assert set(arguments) - own == set(flags) - COMMON - left_out
    for argument, parameter in arguments.items():
        if argument in own or parameter.default is parameter.empty:
            continue
        default = OTHER_DEFAULTS.get((name, argument), flags.get(argument))
        assert parameter.default == default, argument
        assert type(parameter.default) is type(default), argument


def test_every_field_of_train_args_is_a_keyword():
    fields = set(field_hints(TrainArgs)) - {"evaluate", "eval_split"}
    assert set(training.TRAIN_ARGS.values()) == fields
    defaults = TrainArgs()
    for name, parameter in inspect.signature(t2tlite.train).parameters.items():
        if name in training.TRAIN_ARGS:
            field = getattr(defaults, training.TRAIN_ARGS[name])
            assert (parameter.default or None) == (field or None), name


def test_hparams_that_are_flags_instead():
    flags = {name for name, hint in HINTS.items() if hint.startswith("it is a flag")}
    assert flags - inspect.signature(t2tlite.train).parameters.keys() == set()
    assert flags & HParams().values().keys() == set()


def test_the_keywords_of_fit_are_those_of_train():
    fit = inspect.signature(t2tlite.fit).parameters
    train = inspect.signature(t2tlite.train).parameters
    own = {"pairs", "inputs", "targets", "label", "eval_pairs", "eval_share", "vocab_size"}
    assert set(fit) - set(train) == own | {"num_workers", "training"}
    other_defaults = {"problem", "output_dir", "data_dir", "hparams_set", "train_steps"}
    for name in set(fit) & set(train) - other_defaults:
        assert fit[name].default == train[name].default, name
