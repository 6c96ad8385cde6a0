"""Somebody else's model folder: it runs no code of its own and writes nothing outside."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from t2tlite import Decoder
from t2tlite.errors import CheckpointError, PluginError

GOLDEN = Path(__file__).parents[1] / "golden" / "model"

PLUGIN = """
from pathlib import Path
from t2tlite import registry, text_problems
Path({trace!r}).touch()
@registry.register_problem
class {name}(text_problems.Text2TextProblem):
    vocab_type = text_problems.VocabType.TOKEN
    vocab_filename = {vocabulary!r}
"""


@pytest.fixture
def stranger(tmp_path, monkeypatch):
    """A model folder with changed values in its run.json, and what it must not touch beside it."""
    # Each test has a user who has loaded no plugin yet.
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    model = Path(shutil.copytree(GOLDEN, tmp_path / "in" / "model"))
    (tmp_path / "lines").write_text("1 2 3\n")

    def change(**values):
        path = model / "run.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | values))
        return model

    return change


@pytest.fixture
def plugin(tmp_path):
    """Returns a plugin folder with a problem of this name, which leaves a trace when it runs."""

    def write(name):
        folder = tmp_path / f"plugin_{name.lower()}"
        folder.mkdir()
        [vocabulary] = json.loads((GOLDEN / "run.json").read_text())["vocabularies"]
        values = {"trace": str(tmp_path / "trace"), "name": name, "vocabulary": vocabulary}
        (folder / "__init__.py").write_text(PLUGIN.format(**values))
        return folder

    return write


def commands(model, folder):
    lines = folder / "lines"
    yield ["t2t-decoder", f"--output_dir={model}", f"--decode_from_file={lines}"]
    yield ["t2t-translate-all", f"--model_dir={model}", f"--source={lines}"]
    yield ["t2t-exporter", f"--output_dir={model}", f"--export_dir={folder / 'export'}"]
    yield ["t2t-server", f"--output_dir={model}", "--port=0"]
    yield ["t2t-trainer", "--schedule=evaluate", f"--output_dir={model}", f"--data_dir={folder}"]


def test_no_command_runs_the_code_that_a_model_names(command, stranger, plugin, tmp_path):
    folder = plugin("Strange")
    model = stranger(usr_dirs=[str(folder)], problem="strange")
    for words in commands(model, tmp_path):
        done = command(*words, status=1)
        error = done.stderr.splitlines()[-1]
        assert f"the model needs the plugin folder {folder}, and you have loaded no" in error
    with pytest.raises(PluginError, match="give its path as --t2t_usr_dir, or as usr_dirs in Pyt"):
        Decoder(model)
    assert not (tmp_path / "trace").exists()
    # Relative paths aren't resolved, wherever the command runs.
    stranger(usr_dirs=[folder.name, "."])
    script = "import sys; from t2tlite import Decoder; Decoder(sys.argv[1])"
    done = subprocess.run(
        [sys.executable, "-c", script, model], cwd=tmp_path, capture_output=True, text=True
    )
    assert f"needs the plugin folder {folder.name} and ., and you have" in done.stderr
    assert not (tmp_path / "trace").exists()


def test_a_folder_that_was_given_once_is_remembered(command, stranger, plugin, tmp_path):
    folder = plugin("Known")
    model = stranger(usr_dirs=[str(folder)], problem="known")
    words = next(commands(model, tmp_path))
    target = tmp_path / "answers"
    command(*words, f"--t2t_usr_dir={folder}", f"--decode_to_file={target}")
    assert target.read_text() == "3 2 1\n"
    target.unlink()
    # --output_dir is all it needs on this machine.
    command(*words, f"--decode_to_file={target}")
    assert target.read_text() == "3 2 1\n"


NAMES = ["../up", "../../up", "/tmp/t2tlite_up", "..", "a/../../up"]


@pytest.mark.parametrize("name", NAMES)
def test_names_in_a_run_record_lead_nowhere(command, stranger, tmp_path, name):
    model = stranger(vocabularies={name: "0"})
    target = tmp_path / "in" / "up"
    target.write_text("mine")
    done = command(
        "t2t-avg-all", f"--model_dir={model}", f"--output_dir={tmp_path / 'in/mean'}", status=1
    )
    assert f"run.json: in vocabulary {name!r}: " in done.stderr
    assert "isn't a plain file name" in done.stderr
    stranger(vocabularies={})
    before = sorted(tmp_path.rglob("*"))
    for field in ("hparams_set", "problem", "model"):
        stranger(**{"hparams_set": "", "problem": "p", "model": "m", field: name})
        with pytest.raises(CheckpointError, match="isn't a plain file name"):
            Decoder(model)
    done = command(*next(commands(model, tmp_path)), status=1)
    assert f"run.json: {name!r} isn't a plain file name" in done.stderr
    assert sorted(tmp_path.rglob("*")) == before
    assert target.read_text() == "mine"


def test_a_link_in_the_way_of_an_average(command, stranger, tmp_path):
    model, outside = stranger(), tmp_path / "outside"
    outside.mkdir()
    (model / "averaged").symlink_to(outside)
    done = command("t2t-avg-all", f"--model_dir={model}", "--n=1", status=1)
    assert f"averaged is a link to {outside}; give --output_dir" in done.stderr
    assert not list(outside.iterdir())
    output = tmp_path / "mean"
    command("t2t-avg-all", f"--model_dir={model}", f"--output_dir={output}", "--n=1")
    assert (output / "run.json").exists()


@pytest.mark.parametrize("steps", ['["../../up"]', "[-1]", "[1e400]", '"5"', "[true]", "[[1]]"])
def test_steps_of_a_checkpoint_list(command, stranger, tmp_path, steps):
    model = stranger()
    (model / "checkpoint.json").write_text(f'{{"steps": {steps}}}')
    done = command(*next(commands(model, tmp_path)), status=1)
    assert "checkpoint.json is damaged" in done.stderr.splitlines()[-1]
