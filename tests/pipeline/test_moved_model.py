"""A model of a plugin's problem is used elsewhere: without the plugin, whose import would fail."""

import json
import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from tests.pipeline.conftest import BIN

PLUGIN = '''
"""A problem as its users write one."""
from t2tlite import registry, text_problems

@registry.register_problem
class MovedLines(text_problems.Text2TextProblem):
    approx_vocab_size = 300
    is_generate_per_split = False
    inputs_prefix = "say: "

    @property
    def dataset_splits(self):
        return [{"split": "train", "shards": 1}, {"split": "eval", "shards": 1}]

    def eval_metrics(self):
        return ["accuracy"]

    def generate_samples(self, data_dir, tmp_dir, dataset_split):
        words = "one two three four five six seven eight nine ten".split()
        for i in range(100):
            line = " ".join(words[(i * k) % 10] for k in range(1, 4 + i % 4))
            yield {"inputs": line, "targets": line.upper()}
'''
RAISES = 'raise RuntimeError("the plugin was imported")\n'
TINY = (
    "hidden_size=32,filter_size=64,num_heads=2,num_hidden_layers=1,batch_size=256,max_length=64,"
    "batching=pad"
)
LINES = "one two three\n\nfour five\n"


class Moved:
    """The model folder in its new place, and what its machine printed and decoded before."""

    def __init__(self, folder, command):
        self.folder, self.model = folder, folder / "elsewhere" / "model"
        plugin, data, model = folder / "moved_plugin", folder / "data", folder / "model"
        plugin.mkdir()
        (plugin / "__init__.py").write_text(PLUGIN)
        self.lines = folder / "lines.txt"
        self.lines.write_text(LINES)
        self.trained = command(
            *("t2t-trainer", "--generate_data", f"--t2t_usr_dir={plugin}"),
            *("--problem=moved_lines", f"--data_dir={data}", f"--output_dir={model}"),
            *("--model=transformer", "--hparams_set=transformer_tiny", f"--hparams={TINY}"),
            *("--train_steps=10", "--local_eval_frequency=5"),
            "--decode_hparams=extra_length=5,beam_size=2",
        ).stderr
        self.answers = self.decoded(command, model, "before")
        (plugin / "__init__.py").write_text(RAISES)
        self.model.parent.mkdir()
        model.rename(self.model)
        # Only the test of an evaluation has the data.
        data.rename(folder / "elsewhere" / "data")

    def decoded(self, command, model, name, *words):
        target = self.folder / f"{name}.answers"
        source, to = f"--decode_from_file={self.lines}", f"--decode_to_file={target}"
        command("t2t-decoder", f"--output_dir={model}", source, to, *words)
        return target.read_text()


@pytest.fixture(scope="module")
def moved(command, tmp_path_factory):
    return Moved(tmp_path_factory.mktemp("moved"), command)


pytestmark = pytest.mark.slow


def test_decodes(command, moved):
    assert "decoding will need" not in moved.trained
    assert len(moved.answers.splitlines()) == 3
    assert moved.decoded(command, moved.model, "after") == moved.answers
    # By the defaults that training wrote down.
    assert json.loads((moved.model / "run.json").read_text())["decode_hparams"] == {
        "beam_size": 2,
        "extra_length": 5,
    }
    longer = moved.decoded(command, moved.model, "longer", "--decode_hparams=extra_length=9")
    assert len(longer) > len(moved.answers)
    words = ["t2t-decoder", f"--output_dir={moved.model}", "--decode_interactive"]
    assert command(*words, stdin="six\n").stdout.count("\n") == 1


def test_scores(command, moved):
    pairs = moved.folder / "pairs"
    pairs.write_text("one two\tONE TWO\n")
    done = command("t2t-decoder", f"--output_dir={moved.model}", f"--score_file={pairs}")
    assert float(done.stdout) > 0


def test_averages(command, moved):
    mean = moved.folder / "mean"
    command("t2t-avg-all", f"--model_dir={moved.model}", f"--output_dir={mean}", "--n=2")
    assert len(moved.decoded(command, mean, "mean").splitlines()) == 3


def test_translates_with_each_checkpoint(command, moved):
    folder = moved.folder / "translations"
    command(
        *("t2t-translate-all", f"--model_dir={moved.model}", f"--source={moved.lines}"),
        *(f"--translations_dir={folder}", "--beam_size=2"),
    )
    found = sorted(path.name for path in folder.iterdir())
    assert found == ["moved_lines-10", "moved_lines-5"]
    assert (folder / "moved_lines-10").read_text() == moved.answers


def test_exports(command, moved):
    export = moved.folder / "export"
    model = f"--output_dir={moved.model}"
    command("t2t-exporter", model, f"--export_dir={export}")
    assert list(export.glob("*/saved_model.pb"))
    pytest.importorskip("ctranslate2", reason="needs t2tlite[ct2]")
    command("t2t-exporter", model, "--format=ctranslate2")
    answers = moved.decoded(command, moved.model, "ctranslate2", "--engine=ctranslate2")
    assert len(answers.splitlines()) == 3


def test_serves(command, moved):
    pytest.importorskip("starlette", reason="needs t2tlite[serve]")
    words = [BIN / "t2t-server", f"--output_dir={moved.model}", "--port=0"]
    process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    try:
        ready = next(line for line in process.stderr if "serving" in line)
        address = re.search(r"serving moved_lines, version 10, at http://([\d.]+:\d+)", ready)[1]
        answer = command("t2t-query-server", f"--server={address}", "--inputs_once=one").stdout
        assert answer.startswith("\nInput:\none\n\nOutput (Score -")
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    finally:
        process.kill()


def test_another_model_starts_from_it(command, moved):
    done = command(
        *("t2t-trainer", "--generate_data", "--problem=reverse_digits", "--model=transformer"),
        *(f"--data_dir={moved.folder / 'digits'}", f"--output_dir={moved.folder / 'fine'}"),
        *("--hparams_set=transformer_tiny", f"--hparams={TINY}", "--train_steps=2"),
        *("--schedule=train", f"--warm_start_from={moved.model}"),
    )
    assert re.search(r"starts from \d+ of \d+ weights from", done.stderr)
    assert "tokens of the targets are known there" in " ".join(done.stderr.split())
    assert "isn't known" not in done.stderr


def test_evaluates_and_decodes_its_data(command, moved):
    data = moved.folder / "elsewhere" / "data"
    words = [f"--output_dir={moved.model}", f"--data_dir={data}"]
    done = command("t2t-trainer", "--schedule=evaluate", *words)
    last = json.loads((moved.model / "eval.jsonl").read_text().splitlines()[-1])
    found = dict(line.split("\t") for line in done.stdout.splitlines())
    assert {*found} == {"loss", "accuracy"}
    assert float(found["loss"]) == pytest.approx(last["loss"], abs=1e-4)
    target = moved.folder / "data.answers"
    command("t2t-decoder", *words, f"--decode_to_file={target}")
    inputs = Path(f"{target}.inputs").read_text().splitlines()
    assert target.read_text().count("\n") == len(inputs)
    assert not inputs[0].startswith("say: ")


def test_training_goes_on_only_with_the_plugin(command, moved):
    words = ["t2t-trainer", "--problem=moved_lines", f"--output_dir={moved.model}"]
    words += [f"--data_dir={moved.folder / 'elsewhere' / 'data'}", "--train_steps=12"]
    words += ["--model=transformer", "--hparams_set=transformer_tiny", f"--hparams={TINY}"]
    done = command(*words, status=1)
    assert "problem 'moved_lines' was never registered" in done.stderr.splitlines()[-1]


def test_a_planted_plugin_is_not_imported(command, moved):
    model = shutil.copytree(moved.model, moved.folder / "planted")
    for name in ("__init__.py", "moved_plugin.py", "moved_lines.py"):
        (model / name).write_text(RAISES)
    path = model / "run.json"
    run = json.loads(path.read_text())
    # The second one is a folder that this user trusts.
    path.write_text(json.dumps({**run, "usr_dirs": [str(model), *run["usr_dirs"]]}))
    assert moved.decoded(command, model, "planted") == moved.answers


OWN_ENCODER = """
from t2tlite import registry, text_problems
from t2tlite.text import ByteTextEncoder

class Shout(ByteTextEncoder):
    def encode(self, text):
        return super().encode(text.upper())

@registry.register_problem
class ShoutLines(text_problems.Text2SelfProblem):
    vocab_type = text_problems.VocabType.CHARACTER
    dataset_splits = [{"split": "train", "shards": 1}, {"split": "eval", "shards": 1}]

    def get_or_create_vocab(self, data_dir, tmp_dir, force_get=False):
        return Shout()

    def generate_samples(self, data_dir, tmp_dir, dataset_split):
        for i in range(40):
            yield {"targets": f"line {i}"}
"""


def test_an_encoder_of_ones_own_needs_the_plugin(command, tmp_path):
    plugin, model, lines = (tmp_path / name for name in ("shout_plugin", "model", "lines"))
    plugin.mkdir()
    (plugin / "__init__.py").write_text(OWN_ENCODER)
    lines.write_text("line\n")
    trained = command(
        *("t2t-trainer", "--generate_data", f"--t2t_usr_dir={plugin}", "--problem=shout_lines"),
        *(f"--data_dir={tmp_path / 'data'}", f"--output_dir={model}", "--model=transformer"),
        *("--hparams_set=transformer_tiny", f"--hparams={TINY}", "--train_steps=2"),
        "--schedule=train",
    ).stderr
    need = f"the encoder of the targets, class Shout ({plugin / '__init__.py'})"
    said = f"decoding will need the plugin, because only its code has {need}"
    assert said in trained.replace("\n", " ")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    plugin, model = (one.rename(elsewhere / one.name) for one in (plugin, model))
    words = ["t2t-decoder", f"--output_dir={model}", f"--decode_from_file={lines}"]
    words += [f"--decode_to_file={tmp_path / 'answers'}", "--decode_hparams=extra_length=5"]
    done = command(*words, status=1)
    assert done.stderr.splitlines()[-1] == (
        f"t2t-decoder: the model's plugin folder {tmp_path / 'shout_plugin'} doesn't exist any "
        f"more; give the new path as --t2t_usr_dir: the model needs it for {need}"
    )
    command(*words, f"--t2t_usr_dir={plugin}")
    assert (tmp_path / "answers").read_text().startswith("LINE")
