"""run.json, and the vocabularies and labels that a model folder must keep."""

import json
import sys
from pathlib import Path

import pytest

from t2tlite import plugins, registry
from t2tlite.checkpoint import run_record
from t2tlite.config import HParams
from t2tlite.errors import CheckpointError, DataError, PluginError, VocabularyError
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
    @pytest.fixture(autouse=True)
    def loaded(self, monkeypatch):
        loaded = []
        monkeypatch.setattr(plugins, "load_usr_dir", loaded.append)
        return loaded

    def run(self, *usr_dirs):
        return run_record.RunRecord.describe("recorded", "transformer", HParams(), list(usr_dirs))

    def test_folders_are_absolute(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        assert self.run("mine").usr_dirs == [str(tmp_path / "mine")]

    def test_those_of_the_record(self, tmp_path, loaded):
        run_record.load_plugins(self.run(str(tmp_path)), [])
        assert loaded == [str(tmp_path)]

    def test_those_given_instead(self, tmp_path, loaded):
        run_record.load_plugins(self.run(str(tmp_path / "gone")), [str(tmp_path)])
        assert loaded == [str(tmp_path)]

    def test_a_folder_that_is_gone(self, tmp_path):
        with pytest.raises(PluginError, match="gone doesn't exist any more; give the new path as"):
            run_record.load_plugins(self.run(str(tmp_path / "gone")), [])


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
