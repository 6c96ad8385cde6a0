"""run.json, and the vocabularies and labels that a model folder must keep."""

import dataclasses
import json
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from t2tlite import registry
from t2tlite.checkpoint import run_record, trained_problem
from t2tlite.config import HParams
from t2tlite.errors import CheckpointError, DataError, Error, HParamsError, VocabularyError
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


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "Expecting value"),
        ("{}", "the file has no key 'problem'"),
        ("[]", "the file is list"),
        ('{"problem": "p", "other": 1}', "unknown key 'other'"),
    ],
)
def test_a_damaged_record(tmp_path, text, reason):
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(CheckpointError, match=f"run.json is damaged .*{reason}"):
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


def test_folders_are_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = run_record.RunRecord.describe("recorded", "transformer", HParams(), ["mine"])
    assert run.usr_dirs == [str(tmp_path / "mine")]


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


@pytest.fixture(scope="module")
def labelled(tmp_path_factory):
    """A model folder whose run.json has a description with all kinds of values."""
    folder = tmp_path_factory.mktemp("labelled")
    (folder / VOCABULARY).write_text("<pad>\n<EOS>\na\nb\n")

    class Labelled(Text2ClassProblem):
        vocab_type = VocabType.TOKEN
        vocab_filename = VOCABULARY
        num_classes = 2
        decode_hooks = [print]

    hparams = HParams(hidden_size=8, num_heads=2, filter_size=8, num_hidden_layers=1)
    problem = Labelled()
    problem.name = "fuzz"
    run = run_record.RunRecord.describe(problem, "transformer_encoder", hparams, [])
    run.take_vocabularies(folder / "none", folder)
    run.data = {"train": run_record.DataSize(3, {"inputs": 9}, {"inputs": 4})}
    run.write(folder, folder)
    return folder


def places(value, path=()):
    """The paths of all values in a value of JSON."""
    yield path
    items = value.items() if isinstance(value, dict) else ()
    items = enumerate(value) if isinstance(value, list) else items
    for key, inner in items:
        yield from places(inner, (*path, key))


def changed(value, path, new):
    """A copy of a value of JSON with another value at a path."""
    if not path:
        return new
    copy = value.copy()
    copy[path[0]] = changed(value[path[0]], path[1:], new)
    return copy


@settings(max_examples=400)
@given(st.data())
def test_any_bytes_are_a_record_or_an_error_of_one_line(tmp_path_factory, labelled, data):
    folder = tmp_path_factory.mktemp("fuzz")
    (folder / VOCABULARY).write_bytes((labelled / VOCABULARY).read_bytes())
    valid = (labelled / "run.json").read_bytes()
    kind = data.draw(st.sampled_from(["bytes", "json", "value", "value", "value", "cut", "flip"]))
    if kind == "bytes":
        content = data.draw(st.binary(max_size=64))
    elif kind == "json":
        content = json.dumps(data.draw(JSON)).encode()
    elif kind == "value":
        values = json.loads(valid)
        for _ in range(data.draw(st.integers(1, 2))):
            path = data.draw(st.sampled_from(list(places(values))[1:]))
            values = changed(values, path, data.draw(JSON))
        content = json.dumps(values).encode()
    else:
        at = data.draw(st.integers(0, len(valid) - 1))
        byte = bytes([data.draw(st.integers(0, 255))])
        content = valid[:at] + (byte + valid[at + 1 :] if kind == "flip" else b"")
    (folder / "run.json").write_bytes(content)
    try:
        run = run_record.read(folder)
        HParams.from_values(run.hparams).check()
        run.check_vocabularies(folder)
        run.explain_needs()
        problem = trained_problem.load(run, folder)
        problem.get_hparams()
        assert isinstance(problem.text_prefixes["inputs"], str)
    except Error as error:
        assert len(str(error).splitlines()) == 1
    assert sorted(path.name for path in folder.iterdir()) == ["run.json", VOCABULARY]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("format",), True),
        (("format",), 0),
        (("format",), "2"),
        (("needs_plugin",), {}),
        (("needs_plugin", 0, "use"), None),
        (("elsewhere",), []),
        (("data", "train", "examples"), "3"),
        (("description",), []),
        (("description", "kind"), "pickle"),
        (("description", "kind"), ["text2text"]),
        (("description", "other"), 1),
        (("description", "features"), {}),
        (("description", "features", "targets"), None),
        (("description", "features", "targets", "encoder"), {}),
        (("description", "features", "targets", "encoder"), {"kind": "bytes", "x": 1}),
        (("description", "features", "inputs", "encoder", "file"), "../up"),
        (("description", "features", "inputs", "encoder", "file"), "unknown"),
        (("description", "features", "inputs", "vocab_size"), -1),
        (("description", "features", "inputs", "vocab_size"), 10**15),
        (("description", "features", "inputs", "vocab_size"), 1.5),
        (("description", "features", "inputs", "modality"), "sound"),
        (("description", "features", "targets", "modality"), ""),
        (("description", "splits"), {"training": 1}),
        (("description", "max_length"), -1),
        (("description", "target_space_id"), -1),
        (("description", "loss_multiplier"), float("nan")),
        (("description", "loss_multiplier"), "1"),
    ],
)
def test_impossible_values_of_the_description(labelled, tmp_path, path, value):
    values = json.loads((labelled / "run.json").read_text())
    if path[-1] == "other":
        values["description"]["other"] = None
    (tmp_path / "run.json").write_text(json.dumps(changed(values, path, value)))
    with pytest.raises(CheckpointError, match=r"run.json is damaged \(.*\); train again") as caught:
        run_record.read(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("field", ["name", "dataset"])
def test_names_in_the_description_that_lead_out_of_the_folder(labelled, tmp_path, field):
    values = json.loads((labelled / "run.json").read_text())
    for name in NAMES:
        values["description"][field] = name
        (tmp_path / "run.json").write_text(json.dumps(values))
        with pytest.raises(CheckpointError, match="run.json: .* isn't a plain file name"):
            run_record.read(tmp_path)


def test_a_later_format(labelled, tmp_path):
    values = json.loads((labelled / "run.json").read_text()) | {"format": 3, "new": {"a": 1}}
    (tmp_path / "run.json").write_text(json.dumps(values))
    with pytest.raises(CheckpointError) as caught:
        run_record.read(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}/run.json has format 3, and this t2tlite reads formats up to 2; upgrade t2tlite"
    )


def test_format_1_has_no_description(folders):
    data, output = folders
    run = written(folders)
    old = ["problem", "model", "hparams", "usr_dirs", "vocabularies", "versions", "command"]
    values = {name: vars(run)[name] for name in old} | {"labels": {}, "hparams_set": ""}
    (output / "run.json").write_text(json.dumps(values))
    read = run_record.read(output)
    assert (read.format, read.description) == (1, None)
    # The registered problem is used, as when the folder was written.
    assert isinstance(trained_problem.load(read, output), Recorded)
    # Training goes on, and the record becomes one of the present format.
    run = written(folders)
    assert run_record.read(output).format == run_record.FORMAT


def test_a_foreign_record_copies_no_file(folders, tmp_path):
    """What a run.json says is elsewhere is only what its training found there."""
    data, output = folders
    secret = tmp_path / "secret"
    secret.write_text("mine")
    run = describe()
    run.elsewhere = {"secret": str(secret)}
    (data / VOCABULARY).unlink()
    run.take_vocabularies(output, data)
    run.write(output, data)
    assert not (output / "secret").exists()
    assert run_record.read(output).elsewhere == {}


def test_what_training_used(folders):
    registry.register_hparams("recorded_set")(lambda: HParams(hidden_size=16, num_heads=2))
    run = written(folders)
    assert run_record.read(folders[1]).changed_hparams == {}
    run.hparams_set = "recorded_set"
    run.write(folders[1], folders[0])
    changes = run_record.read(folders[1]).changed_hparams
    assert changes == {"hidden_size": 8, "filter_size": 8, "num_hidden_layers": 1}


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


def test_a_model_without_prepend_mode_is_named(folders):
    problem = registry.problem("recorded")
    run = describe(prepend_mode="prepend_inputs_full_attention")
    problem_hparams = problem.get_hparams(data_dir=str(folders[0]))
    assert run.make_model(problem_hparams).joins
    run.model = "lstm_seq2seq"
    with pytest.raises(HParamsError, match="^model lstm_seq2seq has no prepend_mode=.*transformer"):
        run.make_model(problem_hparams)


def test_the_record_is_plain_json(folders):
    output = folders[1]
    written(folders)
    text = (output / "run.json").read_text()
    assert text.endswith("}\n")
    assert json.loads(text)["problem"] == "recorded"
