"""A hyperparameter search with t2t-trainer, and training with the best hparams."""

import json

import pytest

pytest.importorskip("optuna", reason="tuning needs t2tlite[tune]")

RANGE = """
from t2tlite import registry

@registry.register_ranged_hparams
def test_range(rhp):
    rhp.set_float("learning_rate_constant", 0.1, 2.0, scale=rhp.LOG_SCALE)
    rhp.set_discrete("hidden_size", [16, 32])
"""


@pytest.fixture(scope="module")
def arguments(digits, tmp_path_factory):
    """The command line of a search without the objective."""
    plugin = tmp_path_factory.mktemp("plugin") / "ranges_of_test_tuning.py"
    plugin.write_text(RANGE)
    values = {
        "t2t_usr_dir": plugin,
        "problem": "reverse_digits",
        "data_dir": digits,
        "model": "transformer",
        "hparams_set": "transformer_tiny",
        "hparams": "filter_size=32,num_hidden_layers=1,batch_size=512",
        "train_steps": 2,
        "local_eval_frequency": 1,
        "eval_steps": 1,
        "hparams_range": "test_range",
        "autotune_max_trials": 1,
    }
    return ["t2t-trainer", *(f"--{name}={value}" for name, value in values.items())]


@pytest.mark.long
def test_the_best_hparams_can_be_trained_with(command, arguments, tmp_path):
    folder = tmp_path / "search"
    objective = "--autotune_objective=metrics-reverse_digits/accuracy"
    done = command(*arguments, objective, f"--output_dir={folder}")
    best = json.loads((folder / "best.json").read_text())
    assert done.stdout == "".join(f"{name}\t{value}\n" for name, value in best.items())
    assert "trials, the best first" in done.stderr
    rows = [json.loads(row) for row in (folder / "0" / "eval.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [1, 2]
    assert json.loads((folder / "0" / "hparams.json").read_text()) == best
    record = json.loads((folder / "0" / "run.json").read_text())
    assert record["hparams"].items() >= best.items()
    # All trials are complete, so the best hparams are printed again.
    again = command(*arguments, objective, f"--output_dir={folder}")
    assert again.stdout == done.stdout

    taken = f"--hparams_json_path={folder / 'best.json'}"
    words = [*arguments, "--hparams_range=", taken, "--hparams=filter_size=48"]
    command(*words, f"--output_dir={tmp_path / 'model'}")
    trained = json.loads((tmp_path / "model" / "run.json").read_text())["hparams"]
    assert trained.items() >= {**best, "filter_size": 48}.items()


ACCURACY = "--autotune_objective=accuracy"


@pytest.mark.parametrize(
    ("flags", "status", "message"),
    [
        (["--autotune_objective=bleu"], 1, "--autotune_objective='bleu' is not one of: loss, metr"),
        (
            ["--autotune_objective=loss", "--autotune_maximize"],
            1,
            "better when lower; leave --autotune_maximize out",
        ),
        ([], 2, "--autotune_objective must be given"),
        ([ACCURACY, "--hparams_range=test_rang"], 1, "the closest name is test_range"),
        ([ACCURACY, "--schedule=train"], 2, "--schedule=train and --hparams_range don't go"),
        ([ACCURACY, "--hparams_json_path=none.json"], 1, "can't read hparams from none.json"),
        ([ACCURACY, "--use_tpu", "--autotune_parallel_trials=2"], 2, "a TPU runs one trial at a"),
        ([ACCURACY, "--data_dir=none"], 1, "none"),
    ],
)
def test_errors_are_one_line(command, arguments, tmp_path, flags, status, message):
    folder = tmp_path / "search"
    done = command(*arguments, *flags, f"--output_dir={folder}", status=status)
    assert message in done.stderr.strip().splitlines()[-1]
    assert not folder.exists()


def test_without_optuna_the_error_says_how_to_install_it(command, arguments, tmp_path):
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.modules['optuna'] = None")
    words = [*arguments, ACCURACY, f"--output_dir={tmp_path / 'search'}"]
    done = command(*words, status=1, PYTHONPATH=str(tmp_path))
    assert done.stderr.splitlines()[-1].endswith("with: pip install 't2tlite[tune]'")
