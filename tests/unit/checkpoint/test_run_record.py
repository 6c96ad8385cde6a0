"""run.json, and the vocabularies and labels that a model folder must keep."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from t2tlite import plugins, registry
from t2tlite.checkpoint import run_record, trained_problem
from t2tlite.config import HParams
from t2tlite.errors import CheckpointError, DataError, Error, PluginError, VocabularyError
from t2tlite.text import TokenTextEncoder
from t2tlite.text_problems import Text2ClassProblem, Text2TextProblem, VocabType

pytestmark = pytest.mark.usefixtures("own_names")
VOCABULARY = "vocab.recorded.tokens"


class Recorded(Text2TextProblem):
    vocab_type = VocabType.TOKEN


@pytest.fixture
def folders(tmp_path):
    registry.register_problem("recorded")(Recorded)
    data, output = tmp_path / "data", tmp_path / "model"
    for folder in (data, output):
        folder.mkdir()
    (data / VOCABULARY).write_text("a\nb\n")
    return data, output


def describe(**values):
    hparams = HParams(hidden_size=8, num_heads=2, filter_size=8, num_hidden_layers=1, **values)
    return run_record.RunRecord.describe("recorded", "transformer", hparams, [])


def written(folders, **values):
    """The record of a run, with its files as training writes them."""
    data, output = folders
    run = describe(**values)
    run.take_vocabularies(output, data)
    run.write(output, data)
    return run


def test_round_trip(folders):
    output = folders[1]
    run = written(folders, relu_dropout=0.25)
    assert run_record.read(output) == run
    assert (output / VOCABULARY).read_text() == "a\nb\n"
    assert set(run.vocabularies) == {VOCABULARY}
    assert run.command == sys.argv
    assert {"t2tlite", "tensorflow", "keras"} <= set(run.versions)
    assert HParams.from_values(run_record.read(output).hparams).relu_dropout == 0.25
    run.check_vocabularies(output)
    # Written again with the same vocabulary, it is fine.
    written(folders)


@pytest.mark.parametrize("change", ["other", "gone"])
def test_another_vocabulary_in_the_data_folder(folders, change):
    data, output = folders
    written(folders)
    path = data / VOCABULARY
    path.write_text("a\nc\n") if change == "other" else path.unlink()
    with pytest.raises(VocabularyError, match=f"trained with another {VOCABULARY} than .* has; ch"):
        written(folders)
    assert (output / VOCABULARY).read_text() == "a\nb\n"


def test_no_data_folder(folders):
    data, output = folders
    run = written(folders)
    with pytest.raises(DataError, match="nowhere doesn't exist; check --data_dir"):
        run.take_vocabularies(output, data / "nowhere")


def test_a_vocabulary_that_changed_or_is_gone(folders):
    output = folders[1]
    run = written(folders)
    (output / VOCABULARY).write_text("a\nc\n")
    with pytest.raises(
        VocabularyError, match="isn't the vocabulary that the model was trained with"
    ):
        run.check_vocabularies(output)
    (output / VOCABULARY).unlink()
    with pytest.raises(VocabularyError, match="is missing and the model needs it"):
        run.check_vocabularies(output)


def test_no_model(tmp_path):
    with pytest.raises(CheckpointError, match="holds no model .run.json is missing."):
        run_record.read(tmp_path)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"problem": "p", "other": 1}'])
def test_a_damaged_record(tmp_path, text):
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(CheckpointError, match="run.json is damaged"):
        run_record.read(tmp_path)


def test_files_of_a_problems_own_encoders_are_recorded_and_copied(folders):
    data, output = folders
    (data / "own").mkdir()
    (data / "own" / "words").write_text("x\ny\n")

    class OwnEncoders(Recorded):
        def feature_encoders(self, data_dir):
            words = (Path(data_dir) / "own" / "words").read_text().split()
            encoder = TokenTextEncoder(None, vocab_list=words)
            return {"inputs": encoder, "targets": encoder}

    registry.register_problem("recorded_own")(OwnEncoders)
    run = run_record.RunRecord.describe("recorded_own", "transformer", HParams(), [])
    run.take_vocabularies(output, data)
    run.write(output, data)
    assert "own/words" in run.vocabularies
    assert (output / "own" / "words").read_text() == "x\ny\n"


class TestPlugins:
    """Which plugin folders a record may load."""

    @pytest.fixture(autouse=True)
    def imports(self, tmp_path, monkeypatch):
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
        monkeypatch.setattr(sys, "path", list(sys.path))
        before = set(sys.modules)
        yield
        for name in set(sys.modules) - before:
            if name.startswith("record_"):
                del sys.modules[name]

    @pytest.fixture
    def plugin(self, tmp_path):
        """A plugin folder that registers the problem record_strange and leaves a trace."""
        folder = tmp_path / "record_plugin"
        folder.mkdir()
        (folder / "__init__.py").write_text(
            "from pathlib import Path\nfrom t2tlite import registry, text_problems\n"
            f"Path({str(tmp_path / 'ran')!r}).touch()\n"
            "@registry.register_problem\n"
            "class RecordStrange(text_problems.Text2TextProblem): pass\n"
        )
        return folder

    def run(self, *usr_dirs, problem="record_strange"):
        run = run_record.RunRecord(problem, "transformer", HParams().values())
        run.usr_dirs = list(map(str, usr_dirs))
        return run

    def test_folders_are_absolute(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        run = run_record.RunRecord.describe("recorded", "transformer", HParams(), ["mine"])
        assert run.usr_dirs == [str(tmp_path / "mine")]

    def test_a_stranger_s_folder_is_not_imported(self, plugin, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        for path in (plugin, "record_plugin", "./record_plugin", f"~/{plugin}", f"{plugin},x"):
            with pytest.raises(PluginError) as caught:
                trained_problem.load_plugins(self.run(path), [])
            assert f"needs the plugin folder {path}, and you have loaded no" in str(caught.value)
            assert "give its path as --t2t_usr_dir, or as usr_dirs in Python" in str(caught.value)
        assert not (tmp_path / "ran").exists()

    def test_odd_paths_are_shown_in_one_line(self):
        for path in ("a\nb", "\ud800", "nul\0"):
            with pytest.raises(PluginError) as caught:
                trained_problem.load_plugins(self.run(path), [])
            assert ascii(path) in str(caught.value)

    def test_a_stranger_s_folder_that_is_not_needed(self, plugin, tmp_path, warned):
        trained_problem.load_plugins(self.run(plugin, problem="translate_ende_wmt32k"), [])
        assert not (tmp_path / "ran").exists()
        assert [f"the plugin folder {plugin} isn't loaded" in line for line in warned] == [True]

    def test_one_that_the_user_described(self, plugin, tmp_path):
        run = run_record.RunRecord.describe("recorded", "transformer", HParams(), [str(plugin)])
        trained_problem.load_plugins(run, [])
        assert (tmp_path / "ran").exists()

    def test_one_that_the_user_loaded_in_another_process(self, plugin, tmp_path):
        with pytest.raises(PluginError, match="loaded no plugin"):
            trained_problem.load_plugins(self.run(plugin), [])
        code = "import sys; from t2tlite import plugins; plugins.load_usr_dir(sys.argv[1])"
        subprocess.run([sys.executable, "-c", code, plugin], check=True)
        (tmp_path / "ran").unlink()
        trained_problem.load_plugins(self.run(plugin), [])
        assert (tmp_path / "ran").exists()
        assert "record_strange" in registry.problems

    def test_those_given_instead(self, plugin, tmp_path):
        trained_problem.load_plugins(self.run(tmp_path / "gone"), [str(plugin)])
        assert (tmp_path / "ran").exists()

    def test_a_trusted_folder_that_is_gone(self, tmp_path):
        folder = tmp_path / "record_gone"
        folder.mkdir()
        plugins.remember(folder)
        folder.rmdir()
        with pytest.raises(PluginError, match="gone doesn't exist any more; give the new path as"):
            trained_problem.load_plugins(self.run(folder), [])


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("problem", 3),
        ("problem", None),
        ("model", ["transformer"]),
        ("hparams", []),
        ("usr_dirs", "/plugins"),
        ("usr_dirs", [1]),
        ("vocabularies", ["vocab"]),
        ("vocabularies", {"vocab": 1}),
        ("versions", {"t2tlite": None}),
        ("command", {}),
        ("hparams_set", None),
        ("labels", {"targets": "abc"}),
        ("labels", {"targets": [1]}),
        ("problem", "\ud800"),
        ("labels", {"targets": ["\udfff"]}),
    ],
)
def test_wrong_types_in_the_record(folders, field, value):
    output = folders[1]
    content = dataclasses.asdict(describe()) | {field: value}
    (output / "run.json").write_text(json.dumps(content))
    with pytest.raises(CheckpointError, match=r"run.json is damaged \(.*\); train again") as caught:
        run_record.read(output)
    assert "\n" not in str(caught.value)


NAMES = ["../up", "/etc/passwd", "..", ".", "", "a/../../b", "a//b", "a\\b", "nul\0", "x" * 300]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("field", ["problem", "model", "hparams_set", "vocabularies"])
def test_names_that_lead_out_of_the_folder(folders, field, name):
    if field == "hparams_set" and not name:
        return
    output = folders[1]
    values = {field: {name: "0"} if field == "vocabularies" else name}
    (output / "run.json").write_text(json.dumps(dataclasses.asdict(describe()) | values))
    with pytest.raises(CheckpointError, match="run.json: .* isn't a plain file name"):
        run_record.read(output)


def test_a_vocabulary_that_is_a_device(folders):
    output = folders[1]
    run = written(folders)
    (output / VOCABULARY).unlink()
    (output / VOCABULARY).symlink_to("/dev/zero")
    with pytest.raises(VocabularyError, match="is missing and the model needs it"):
        run.check_vocabularies(output)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
FIELDS = [field.name for field in dataclasses.fields(run_record.RunRecord)]


@settings(max_examples=300)
@given(st.data())
def test_any_bytes_are_a_record_or_an_error_of_one_line(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("fuzz")
    valid = json.dumps(dataclasses.asdict(describe()), indent=1).encode()
    kind = data.draw(st.sampled_from(["bytes", "json", "field", "cut", "flip"]))
    if kind == "bytes":
        content = data.draw(st.binary(max_size=64))
    elif kind == "json":
        content = json.dumps(data.draw(JSON)).encode()
    elif kind == "field":
        values = data.draw(st.dictionaries(st.sampled_from(FIELDS), JSON, min_size=1, max_size=2))
        content = json.dumps(json.loads(valid) | values).encode()
    else:
        at = data.draw(st.integers(0, len(valid) - 1))
        byte = bytes([data.draw(st.integers(0, 255))])
        content = valid[:at] + (byte + valid[at + 1 :] if kind == "flip" else b"")
    (folder / "run.json").write_bytes(content)
    try:
        run = run_record.read(folder)
        HParams.from_values(run.hparams).check()
        trained_problem.load_plugins(run, [])
        run.check_vocabularies(folder)
    except Error as error:
        assert len(str(error).splitlines()) == 1
    assert sorted(path.name for path in folder.iterdir()) == ["run.json"]


def test_models_are_built(folders):
    data, _ = folders
    problem = registry.problem("recorded")
    network = describe().make_model(problem.get_hparams(data_dir=str(data)))
    assert network.built
    assert network.weights

    class Labelled(Text2ClassProblem):
        vocab_type = VocabType.CHARACTER
        num_classes = 3

    run = describe()
    run.model = "transformer_encoder"
    assert run.make_model(Labelled().get_hparams()).built


def test_the_record_is_plain_json(folders):
    output = folders[1]
    written(folders)
    text = (output / "run.json").read_text()
    assert text.endswith("}\n")
    assert json.loads(text)["problem"] == "recorded"
