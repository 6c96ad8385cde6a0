"""Plugins written for Tensor2Tensor generate data and train ten steps unchanged.

Each has one feature that public plugins use; its docstring describes it. Where the feature ends in
the data folder or the vocabulary, only `make long` trains: otherwise the run generates and reads
the data, builds the network and writes the model folder, in a fifth of the time.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from t2tlite.checkpoint import run_record, trained_problem
from t2tlite.checkpoint.described_problem import DescribedProblem
from t2tlite.checkpoint.description import DECODING, EVALUATION
from t2tlite.data.records import read_shard

HERE = Path(__file__).parent
PLUGINS = HERE / "t2t"
# One batch shape, so that each training compiles once.
TINY = (
    "hidden_size=32,filter_size=64,num_heads=2,num_hidden_layers=1,batch_size=256,max_length=64,"
    "batching=pad"
)
# Of the sets that aren't a plugin's own: without dropout there is less to compile.
NO_DROPOUT = ",layer_prepostprocess_dropout=0,attention_dropout=0,relu_dropout=0"
# Problems that are evaluated, too: one for its test split, one for its metrics.
EVALUATED = {"trap_split_literals", "trap_before14", "trap_lengths"}

# By problem: its plugin, and further flags.
RUNS = {
    "trap_method_per_split": ("method_per_split", []),
    "trap_split_literals": ("split_literals", ["--eval_use_test_set"]),
    "trap_own_flags": ("own_flags", ["--trap_upper", "--trap_samples=24"]),
    "trap_reads_argv": ("reads_argv", ["--trap_letter=q"]),
    "trap_folder_name": ("09", []),
    "trap_plain_folder": ("t2t-x", []),
    "trap_duck_encoders": ("duck_encoders", []),
    "trap_tokens": ("token_vocabularies", []),
    "trap_two_vocabularies": ("token_vocabularies", []),
    "trap_reserved_ids": ("own_vocabularies", []),
    "trap_built_subwords": ("own_vocabularies", []),
    "trap_word_list": ("own_vocabularies", []),
    "trap_shared_vocab": ("own_vocabularies", []),
    "trap_splits_at_spaces": ("own_vocabularies", []),
    "trap_loose_labels": (
        "loose_problems",
        ["--hparams_set=trap_from_nothing", "--hparams=", "--model=transformer_encoder"],
    ),
    "trap_symbols": ("symbols", []),
    "trap_old_modalities": ("old_modalities", []),
    "trap_later_modalities": ("old_modalities", []),
    "trap_writes_shards": ("writes_shards", []),
    "trap_writes_shuffled": ("writes_shards", []),
    "trap_copied_names": ("copied_names", []),
    "trap_before14": ("before_1_4", []),
    "trap_before14_characters": ("before_1_4", []),
    "trap_unused_imports": ("unused_imports", ["--hparams_set=trap_star"]),
    "trap_reaches_through": ("reaches_through", []),
    "trap_decodes_others_data_rev": ("reaches_through", []),
    "trap_contrib_hparams": ("contrib_hparams", []),
    "trap_clears_writers": ("clears_writers", ["--hparams_set=trap_poetry"]),
    "trap_babi_concat": ("babi_and_squad", ["--model=transformer_encoder"]),
    "trap_babi_parsed": ("babi_and_squad", []),
    "trap_squad": ("babi_and_squad", []),
    "trap_lm1b": ("babi_and_squad", []),
    "trap_distributed": ("sharded_files", []),
    "trap_chopped": ("sharded_files", []),
    "trap_own_tasks": ("sharded_files", []),
    "trap_reads_back": ("reads_back", []),
    "trap_lengths": ("regression", ["--model=transformer_encoder"]),
    "translate_envi_iwslt32k": ("same_names", ["--hparams_set=transformer_big"]),
    "trap_tf1_styles": ("tf1_styles", []),
    "trap_prepends": ("prepends", ["--hparams_set=trap_prepends"]),
    "trap_hparams_sets": (
        "hparams_sets",
        ["--hparams_set=trap_many_hparams", "--model=transformer_encoder"],
    ),
}

# Those whose features a training step doesn't see.
LONG = {
    *("trap_own_flags", "trap_reads_argv", "trap_folder_name", "trap_plain_folder"),
    *("trap_two_vocabularies", "trap_reserved_ids", "trap_built_subwords", "trap_word_list"),
    *("trap_shared_vocab", "trap_writes_shards", "trap_writes_shuffled", "trap_copied_names"),
    *("trap_before14_characters", "trap_decodes_others_data_rev", "trap_babi_parsed"),
    *("trap_distributed", "trap_own_tasks", "trap_lm1b"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with tmp/, and after `errors` with data/ and a model folder for each problem."""
    made = tmp_path_factory.mktemp("t2t_plugins")
    (made / "tmp").mkdir()
    for language, words in (("en", "one two three four"), ("de", "eins zwei drei vier")):
        lines = [f"{words} {number}\n" for number in range(60)]
        (made / "tmp" / f"pairs.{language}").write_text("".join(lines))
    return made


@pytest.fixture(scope="module")
def errors(folder, request):
    """The error of each run, or None, by problem."""
    trained = {
        item.callspec.params["problem"]
        for item in request.session.items
        if getattr(item, "originalname", "") == test_trains_ten_steps.__name__
    }
    runs = []
    for problem, (plugin, words) in RUNS.items():
        flags = {
            "t2t_usr_dir": PLUGINS / plugin,
            "problem": problem,
            "data_dir": folder / "data",
            "tmp_dir": folder / "tmp",
            "output_dir": folder / problem,
            "model": "transformer",
            "hparams_set": "transformer_tiny",
            "hparams": TINY,
            "train_steps": 10 if problem in trained else 0,
            "local_eval_frequency": 10,
            "eval_steps": 1,
            "schedule": "train_and_evaluate" if problem in EVALUATED else "train",
        }
        if not any(word.startswith("--hparams_set=") for word in words):
            flags["hparams"] += NO_DROPOUT
        runs.append(
            [problem, ["--generate_data", *(f"--{k}={v}" for k, v in flags.items()), *words]]
        )
    done = subprocess.run(
        [sys.executable, str(HERE / "train_all.py")],
        input=json.dumps(runs),
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"},
        timeout=900,
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith('{"name"')]
    found = {one["name"]: one["error"] for one in map(json.loads, lines)}
    assert len(found) == len(RUNS), done.stdout[-2000:] + done.stderr[-4000:]
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    "problem",
    [pytest.param(name, marks=pytest.mark.long if name in LONG else ()) for name in RUNS],
)
def test_trains_ten_steps(problem, errors, folder):
    assert errors[problem] is None, errors[problem]
    assert (folder / problem / "model.ckpt-10.safetensors").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    "problem, split, shards, examples",
    [
        ("trap_method_per_split", "dev", 1, 30),
        ("trap_split_literals", "test", 1, 3),
        ("trap_own_flags", "train", 3, 18),
        ("trap_writes_shards", "train", 3, 40),
        ("trap_copied_names", "train", 2, 60),
        ("trap_before14", "train", 3, 60),
        ("trap_before14_characters", "dev", 1, 15),
        ("trap_clears_writers", "train", 9, 54),
        ("translate_envi_iwslt32k", "train", 3, 60),
        ("trap_babi", "train", 1, 80),
        # Of five files the last is for evaluation.
        ("trap_distributed", "train", 3, 48),
        ("trap_distributed", "dev", 1, 12),
        ("trap_own_tasks", "train", 3, 30),
        ("trap_reads_back", "dev", 1, 11),
    ],
)
def test_shards_are_those_of_t2t(errors, folder, problem, split, shards, examples):
    paths = sorted((folder / "data").glob(f"{problem}-{split}-*"))
    assert [path.name[-5:] for path in paths] == [f"{shards:05d}"] * shards
    assert sum(len(list(read_shard(path))) for path in paths) == examples


@pytest.mark.slow
@pytest.mark.parametrize(
    "problem, file",
    [
        ("trap_duck_encoders", "letters.pickle"),
        ("trap_tokens", "trap_words.txt"),
        ("trap_two_vocabularies", "trap.source.vocab.300"),
        ("trap_two_vocabularies", "trap.target.subwords"),
        ("trap_before14", "vocab.trap14.320"),
    ],
)
def test_model_folder_holds_the_vocabulary(errors, folder, problem, file):
    data = (folder / "data" / file).read_bytes()
    assert (folder / problem / file).read_bytes() == data


@pytest.mark.slow
def test_a_set_of_the_plugin_s_own_in_place_of_t2ts(errors, folder):
    run = json.loads((folder / "translate_envi_iwslt32k" / "run.json").read_text())
    assert run["hparams"]["learning_rate_constant"] == 1.5
    assert run["hparams"]["layer_prepostprocess_dropout"] == 0.3  # that of T2T's transformer_big


# What the model folder needs code of the plugin for; those of all other traps are data.
NEEDS = {
    "trap_duck_encoders": {DECODING},
    "trap_splits_at_spaces": {DECODING},
    **dict.fromkeys(
        ["trap_old_modalities", "trap_later_modalities", "trap_babi_concat", "trap_babi_parsed"]
        + ["trap_squad", "trap_tf1_styles"],
        {EVALUATION},
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("problem", RUNS)
def test_the_model_folder_is_data(problem, errors, folder):
    run = run_record.read(folder / problem)
    assert {need.use for need in run.needs_plugin} == NEEDS.get(problem, set())
    if not run.needs(DECODING):
        made = trained_problem.load(run, folder / problem)
        assert isinstance(made, DescribedProblem)
        assert "targets" in made.get_hparams().vocabulary
