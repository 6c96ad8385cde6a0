"""The problem of a trained model: from its description, or from its plugin where code is needed."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from t2tlite import compat, plugins, registry
from t2tlite.checkpoint import run_record, trained_problem
from t2tlite.checkpoint.description import DECODING, EVALUATION, HOOKS
from t2tlite.config import HParams
from t2tlite.errors import PluginError, VocabularyError
from t2tlite.text import ByteTextEncoder, ClassLabelEncoder, SentencePieceEncoder, TokenTextEncoder
from t2tlite.text_problems import Text2ClassProblem, Text2SelfProblem, Text2TextProblem, VocabType

pytestmark = pytest.mark.usefixtures("own_names")


@pytest.fixture(autouse=True)
def imports(tmp_path, monkeypatch):
    """A user who has loaded no plugin yet, and no module that a test imported."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.startswith("record_"):
            del sys.modules[name]


def trained(problem, tmp_path, name="described_lines", model="transformer", hparams=None):
    """The record of a model of a problem, read from its folder, after the problem is forgotten."""
    data, output = tmp_path / "data", tmp_path / "model"
    for folder in (data, output):
        folder.mkdir(exist_ok=True)
    base = registry.problems
    base.register(name.removesuffix("_copy").removesuffix("_rev"))(problem)
    run = run_record.RunRecord.describe(name, model, hparams or HParams(), [])
    run.take_vocabularies(output, data)
    run.write(output, data)
    return run_record.read(output)


class Tokens(Text2TextProblem):
    vocab_type = VocabType.TOKEN
    oov_token = "b"
    inputs_prefix = "a "
    vocab_filename = "words"

    def eval_metrics(self):
        return ["accuracy"]

    def dataset_filename(self):
        return "others_data"


@pytest.fixture
def words(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "words").write_text("<pad>\n<EOS>\na\nb\n")


def test_what_decoding_reads_is_the_same(words, tmp_path):
    run = trained(Tokens, tmp_path)
    assert (run.needs_plugin, run.explain_needs()) == ([], [])
    own = registry.problem("described_lines")
    made = trained_problem.load(run, tmp_path / "model")
    assert not isinstance(made, Tokens)
    for name in ("name", "full_name", "has_inputs", "decode_hooks", "text_prefixes"):
        assert getattr(made, name) == getattr(own, name)
    assert (made.inputs_prefix, made.targets_prefix) == ("a ", "")
    assert made.eval_metrics() == ["accuracy"]
    assert made.dataset_filename() == "others_data"
    assert made.dataset_splits == own.dataset_splits
    found, expected = made.get_hparams(HParams()), own.get_hparams(HParams(), tmp_path / "data")
    assert {**vars(found), "vocabulary": 0} == {**vars(expected), "vocabulary": 0}
    encoder = found.vocabulary["inputs"]
    assert type(encoder) is TokenTextEncoder
    assert encoder is found.vocabulary["targets"]
    assert encoder.encode("a x") == [2, 3]
    assert made.max_length(HParams(max_length=7)) == own.max_length(HParams())


class Two(Text2TextProblem):
    """Inputs and targets with vocabularies and prefixes of their own."""

    inputs_prefix = "in: "

    def feature_encoders(self, data_dir):
        reserved = ByteTextEncoder(num_reserved_ids=5)
        return {"inputs": ByteTextEncoder(), "targets": reserved}


@pytest.mark.parametrize("suffix", ["", "_rev", "_copy", "_rev_copy"])
def test_suffixes(tmp_path, suffix):
    run = trained(Two, tmp_path, f"described_two{suffix}")
    own = registry.problem(f"described_two{suffix}")
    made = trained_problem.load(run, tmp_path / "model")
    assert made.full_name == own.full_name == f"described_two{suffix}"
    assert made.text_prefixes == own.text_prefixes
    for found, expected in [
        (made.get_hparams(), own.get_hparams(data_dir="")),
        (made.get_hparams(), own.get_hparams(HParams(), "")),
    ]:
        assert found.vocab_size == expected.vocab_size
        reserved = {name: one.num_reserved_ids for name, one in found.vocabulary.items()}
        own_ones = {name: one.num_reserved_ids for name, one in expected.vocabulary.items()}
        assert reserved == own_ones
    if "copy" not in suffix:
        # As in the data.
        sizes = {name: one.vocab_size for name, one in made.feature_encoders("").items()}
        assert sizes == {"inputs": 258, "targets": 261}
        assert (made.inputs_prefix, made.targets_prefix) == ("in: ", "")


class Mood(Text2ClassProblem):
    vocab_type = VocabType.CHARACTER
    num_classes = 2

    def class_labels(self, data_dir):
        return ["glad", "sad"]


def test_labels(tmp_path):
    run = trained(Mood, tmp_path, "described_mood", "transformer_encoder")
    assert run.class_labels() == {"targets": ["glad", "sad"]}
    made = trained_problem.load(run, tmp_path / "model")
    assert isinstance(made, Text2ClassProblem)
    assert (made.num_classes, made.get_hparams().modality["targets"]) == (2, "class_label")
    labels = made.get_feature_encoders()["targets"]
    assert (type(labels), labels.decode([1])) == (ClassLabelEncoder, "sad")
    spec, _ = made.example_reading_spec()
    assert spec["targets"].shape == [1]


class Letters(Text2SelfProblem):
    vocab_type = VocabType.CHARACTER


def test_language_model(tmp_path):
    run = trained(Letters, tmp_path, "described_letters")
    made = trained_problem.load(run, tmp_path / "model")
    assert not made.has_inputs
    assert [*made.get_hparams().vocabulary] == [*made.example_reading_spec()[0]] == ["targets"]


def test_vocabularies_outside_of_the_data_folder(tmp_path):
    from t2tlite.text import train_sentencepiece

    away = tmp_path / "away"
    train_sentencepiece(["the cat sat"], 280, away / "v.model")
    (away / "words").write_text("<pad>\n<EOS>\na\n")

    class Away(Text2TextProblem):
        def feature_encoders(self, data_dir):
            inputs = SentencePieceEncoder(away / "v.model")
            return {"inputs": inputs, "targets": TokenTextEncoder(away / "words")}

    run = trained(Away, tmp_path, "described_away")
    assert run.elsewhere == {name: str(away / name) for name in ("v.model", "words")}
    assert set(run.vocabularies) == {"v.model", "words"}
    run.check_vocabularies(tmp_path / "model")
    # The data folder has none of them.
    run.check_vocabularies(tmp_path / "data", is_data=True)
    with pytest.raises(VocabularyError, match="v.model is missing"):
        run.check_vocabularies(tmp_path / "data")
    (away / "words").unlink()
    (away / "v.model").unlink()
    made = trained_problem.load(run, tmp_path / "model")
    assert made.get_feature_encoders()["targets"].encode("a") == [2]
    assert made.get_feature_encoders()["inputs"].decode_list([1]) == ["<EOS>"]


class Shout(ByteTextEncoder):
    def encode(self, text):
        return super().encode(text.upper())


class OwnEncoder(Letters):
    def feature_encoders(self, data_dir):
        return {"targets": Shout()}


class OwnHooks(Letters):
    decode_hooks = [print]


class OwnReading(Letters):
    def preprocess_example(self, example, mode, hparams):
        return example


def needs_of(run):
    return {use: bool(run.needs(use)) for use in (DECODING, HOOKS, EVALUATION)}


@pytest.mark.parametrize(
    ("problem", "needed", "said"),
    [
        (
            OwnEncoder,
            [True, True, True],
            "decoding will need .* encoder of the targets, class Shou",
        ),
        (OwnHooks, [False, True, False], "decoding a file will need .* has the decode hooks"),
        (OwnReading, [False, False, True], "evaluating or .* preprocess_example of class OwnRe"),
    ],
)
def test_what_needs_the_plugin(tmp_path, problem, needed, said):
    run = trained(problem, tmp_path, "described_own")
    assert [*needs_of(run).values()] == needed
    [sentence] = run.explain_needs()
    assert re.match(f"{said}.* [(]{__file__}[)]$", sentence), sentence
    for use, is_needed in needs_of(run).items():
        made = trained_problem.load(run, tmp_path / "model", use=use)
        assert isinstance(made, problem) == is_needed


def test_t2ts_base_classes_need_no_plugin(tmp_path):
    from t2tlite.compat.tensor2tensor.data_generators import text_problems

    class Lines(text_problems.Text2SelfProblem):
        vocab_type = VocabType.CHARACTER

    run = trained(Lines, tmp_path)
    assert (run.needs_plugin, run.explain_needs()) == ([], [])


def test_hooks_that_training_never_reads_may_be_odd(tmp_path):
    class Odd(Letters):
        dataset_splits = [{"split": "train"}, {"split": "other", "shards": 3}, {"shards": 2}]
        targets_prefix = None

        def eval_metrics(self):
            return [self.absent]

        def hparams(self, defaults, model_hparams):
            super().hparams(defaults, model_hparams)
            defaults.input_space_id = None

    run = trained(Odd, tmp_path, "described_odd")
    made = trained_problem.load(run, tmp_path / "model")
    assert made.eval_metrics() == []
    assert made.dataset_splits == []
    assert made.text_prefixes["targets"] == ""


def test_a_built_in_problem_needs_no_plugin(tmp_path):
    """Its hooks are t2tlite's, wherever the folder is."""
    built_in = type("BuiltIn", (OwnReading,), {"__module__": "t2tlite.problems.any"})
    run = trained(built_in, tmp_path, "described_built_in")
    assert run.explain_needs() == []
    made = trained_problem.load(run, tmp_path / "model", use=EVALUATION)
    assert isinstance(made, built_in)


def test_a_plugin_of_t2ts_reads_as_others_do(tmp_path):
    class Plugin(compat.problems.Text2TextProblem):
        vocab_type = VocabType.CHARACTER

    assert trained(Plugin, tmp_path, "described_t2t").needs_plugin == []


def test_a_model_of_ones_own(tmp_path):
    from t2tlite.model.transformer import Transformer

    @registry.register_model("described_model")
    class OwnModel(Transformer):
        pass

    run = trained(Letters, tmp_path, "described_letters", "described_model")
    [sentence] = run.explain_needs()
    assert "only its code has the model described_model, class " in sentence
    assert sentence.endswith(f"OwnModel ({__file__})")


def test_a_built_in_model_that_a_plugin_replaces(tmp_path):
    from t2tlite.model.transformer import Transformer

    tiny = HParams(hidden_size=8, num_heads=2, filter_size=8, num_hidden_layers=1)
    run = trained(Letters, tmp_path, "described_letters", hparams=tiny)

    @registry.register_model("transformer")
    class Replaced(Transformer):
        pass

    made = trained_problem.load(run, tmp_path / "model")
    # The trained one is the built-in one.
    assert type(run.make_model(made.get_hparams())) is Transformer
    again = trained(Letters, tmp_path, "described_letters", hparams=tiny)
    assert "the model transformer, class" in again.explain_needs()[0]
    assert type(again.make_model(made.get_hparams())) is Replaced


class TestPluginFolders:
    """Which plugin folders a record may load."""

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

    def test_a_stranger_s_folder_that_is_not_needed(self, plugin, tmp_path, warned, monkeypatch):
        # Whoever has loaded a plugin folder isn't warned; other tests may have.
        monkeypatch.setattr(trained_problem.plugins, "loaded_folders", list)
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

    def test_a_described_model_imports_nothing(self, plugin, tmp_path):
        run = trained(Letters, tmp_path, "described_letters")
        # Even a folder that the user trusts, and one given for this call.
        plugins.remember(plugin)
        run.usr_dirs = [str(plugin)]
        trained_problem.load(run, tmp_path / "model", [str(plugin)])
        assert not (tmp_path / "ran").exists()

    def test_what_is_missing_is_named(self, plugin, tmp_path):
        run = trained(OwnEncoder, tmp_path, "described_own")
        run.problem = "record_gone"
        with pytest.raises(PluginError) as caught:
            trained_problem.load(run, tmp_path / "model")
        shown = f"the encoder of the targets, class Shout ({__file__})"
        assert str(caught.value) == (
            f"decoding needs code of a plugin: {shown}; give its folder as --t2t_usr_dir, or as "
            f"usr_dirs in Python"
        )
        run.usr_dirs = [str(plugin)]
        with pytest.raises(PluginError, match="needs the plugin folder .* for the encoder of the"):
            trained_problem.load(run, tmp_path / "model")
        assert not (tmp_path / "ran").exists()


def test_the_data_must_have_the_vocabularies(words, tmp_path):
    run = trained(Tokens, tmp_path)
    made = trained_problem.load_for_data(run, tmp_path / "model", tmp_path / "data")
    assert made.name == "described_lines"
    Path(tmp_path / "data" / "words").write_text("<pad>\n<EOS>\nx\ny\n")
    with pytest.raises(VocabularyError, match="isn't the vocabulary that the model was trained"):
        trained_problem.load_for_data(run, tmp_path / "model", tmp_path / "data")
