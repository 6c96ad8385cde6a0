"""A SavedModel answers as the Decoder does, and loading it doesn't need t2tlite."""

import copy
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from t2tlite import Decoder, registry, text_problems
from t2tlite.decode.batches import encode_lines
from t2tlite.errors import OutputError
from t2tlite.exporting import saved_model
from t2tlite.text import train_sentencepiece

GOLDEN = Path(__file__).parents[2] / "golden" / "model"
LINES = ["3 1 4", "2 7 1 8 2 8", "", "9", " \t\u3000", "1 2 3 4 5 6 7 8 9", "5 6 " * 60]
TINY = {"hidden_size": 8, "num_heads": 2, "filter_size": 16, "num_hidden_layers": 1}
WORDS = ["the quick brown fox", "a  lazy dög \u2581 \x1a.", "Pack my \U0001f4e6\u3000box", "42\t"]

# Loads the SavedModel without t2tlite and the libraries that only t2tlite needs.
LOADER = """
import json, sys
sys.modules.update(dict.fromkeys(["t2tlite", "sentencepiece", "safetensors"]))
import tensorflow as tf, tensorflow_text
found = tf.saved_model.load(sys.argv[1]).signatures["text"](
    inputs=tf.constant(json.loads(sys.stdin.read()))
)
print(json.dumps({
    "outputs": [one.decode() for one in found["outputs"].numpy()],
    "scores": found["scores"].numpy().tolist(),
}))
"""


class Echo(text_problems.Text2TextProblem):
    inputs_prefix = "say: "

    def generate_samples(self, data_dir, tmp_dir, dataset_split):
        yield from ({"inputs": line, "targets": line} for line in WORDS)


class EchoBytes(Echo):
    vocab_type = text_problems.VocabType.CHARACTER


class Talk(text_problems.Text2SelfProblem):
    """A language model with a .subwords vocabulary, which escapes other characters by number."""

    def generate_samples(self, data_dir, tmp_dir, dataset_split):
        yield from ({"targets": line} for line in WORDS)


class Mood(text_problems.Text2ClassProblem):
    vocab_type = text_problems.VocabType.CHARACTER
    num_classes = 3

    def class_labels(self, data_dir):
        return ["glad", "sad", "none"]

    def generate_samples(self, data_dir, tmp_dir, dataset_split):
        yield from ({"inputs": line, "label": 0} for line in WORDS)


MODERN = {
    "extra": registry.hparams("transformer_modern_tiny").extra,
    "pos": "none",
    "use_target_space_embedding": False,
}


@pytest.fixture
def model(new_decoder):
    """A function that writes a model folder with random weights and returns its Decoder."""

    def write(problem, name="transformer", how="", **values):
        def make_vocabulary(folder):
            if problem is Echo:
                train_sentencepiece(WORDS * 9, 300, folder / Echo().sentencepiece_filename)
            if problem is Talk:
                subtokens = ["<pad>", "<EOS>", "the_", "qu", "_", *"\\_u;0123456789abcdehijkmnoprt"]
                lines = "".join(f"'{one}'\n" for one in subtokens)
                (folder / Talk().vocab_filename).write_text(lines)

        return new_decoder(problem, name, how, make_vocabulary, **values)

    return write


def load(folder):
    import tensorflow as tf

    return tf.saved_model.load(str(folder)).signatures


def check_same(decoder, found, lines):
    """Compares the outputs of a signature with the Decoder's answers."""
    outputs, all_scores = found["outputs"].numpy(), found["scores"].numpy()
    assert outputs.ndim == all_scores.ndim == (2 if decoder.decode_hparams.return_beams else 1)
    count = outputs.shape[1] if outputs.ndim == 2 else 1
    for line, row, scores, answers in zip(
        lines,
        outputs.reshape(len(lines), count),
        all_scores.reshape(len(lines), count),
        decoder.n_best(lines),
        strict=True,
    ):
        expected = answers[:count]
        # What the search couldn't fill is blank.
        assert not any(row[len(expected) :])
        texts, scores = [one.decode() for one in row[: len(expected)]], scores[: len(expected)]
        if not line.strip():
            assert set(texts) == {""}
            assert not scores.any()
            continue
        assert texts == [one.text for one in expected]
        assert scores == pytest.approx([one.score for one in expected], abs=1e-4)


@pytest.mark.parametrize(
    "how",
    [
        pytest.param("beam_size=1", marks=pytest.mark.long),
        "beam_size=4,max_input_size=4,return_beams=True",
    ],
)
def test_a_token_vocabulary(tmp_path, how):
    import tensorflow as tf

    decoder = Decoder(GOLDEN, decode_hparams=f"{how},extra_length=3")
    folder = saved_model.export(decoder, tmp_path / "export")
    signatures = load(folder)
    answer = signatures["text"]
    check_same(decoder, answer(inputs=tf.constant(LINES)), LINES)
    # Any number of texts, including none.
    check_same(decoder, answer(inputs=tf.constant(LINES[:1])), LINES[:1])
    assert answer(inputs=tf.constant([], tf.string))["outputs"].shape[0] == 0
    assert "return_beams" in how or decoder.decode(["3 1 4"]) == ["4 1 3"]
    check_same(decoder, answer(inputs=tf.constant(["\ufeff3 1 4"])), ["3 1 4"])
    assert (folder / "assets" / "vocab.reverse_digits.tokens").is_file()
    for name in ("serving_default", "serialized_examples"):
        check_t2ts_protocol(decoder, signatures[name])


def check_t2ts_protocol(decoder, answer):
    """Sends what T2T's clients send."""
    import tensorflow as tf

    how = decoder.decode_hparams
    asked = [line for line in LINES if line.strip()]
    examples = []
    rows = encode_lines(decoder.folder, dict(enumerate(asked)), how)
    for row in rows.values():
        example = tf.train.Example()
        example.features.feature["inputs"].int64_list.value.extend(row.ids)
        # T2T's clients also send targets.
        example.features.feature["targets"].int64_list.value.append(0)
        examples.append(example.SerializeToString())
    found = answer(input=tf.constant(examples))
    assert (found["outputs"].dtype, found["scores"].dtype) == (tf.int32, tf.float32)
    ids, scores = found["outputs"].numpy(), found["scores"].numpy()
    assert ids.ndim == (3 if how.return_beams else 2)
    assert ids[..., -1].any()
    assert answer(input=tf.constant([], tf.string))["outputs"].shape[0] == 0
    for row, score, best in zip(ids, scores, decoder.n_best(asked), strict=True):
        row, score = (row[0], score[0]) if how.return_beams else (row, score)
        # Also where the answer was cut off.
        assert row.tolist().count(1) == 1
        assert decoder.encoders["targets"].decode(row, strip_extraneous=True) == best[0].text
        assert score == pytest.approx(best[0].score, abs=1e-4)


@pytest.mark.parametrize(
    ("problem", "name", "values"),
    [
        (EchoBytes, "transformer", MODERN),
        pytest.param(Talk, "transformer", {}, marks=pytest.mark.long),
        (Mood, "transformer_encoder", {}),
    ],
)
def test_problems(problem, name, values, model, tmp_path):
    import tensorflow as tf

    decoder = model(problem, name, "beam_size=2,extra_length=6,return_beams=True", **values)
    found = load(saved_model.export(decoder, tmp_path / "export"))["text"]
    check_same(decoder, found(inputs=tf.constant([*WORDS, "", " "])), [*WORDS, "", " "])
    ill_formed = found(inputs=tf.constant([b"a\xe2\x82b\xff"]))
    check_same(decoder, ill_formed, ["a\ufffdb\ufffd"])


@pytest.mark.slow
def test_loading_needs_only_tensorflow_and_tensorflow_text(model, tmp_path):
    decoder = model(Echo, how="beam_size=2,extra_length=4")
    folder = saved_model.export(decoder, tmp_path / "export")
    lines = [*WORDS, "", "quick " * 90]
    done = subprocess.run(
        [sys.executable, "-c", LOADER, folder],
        input=json.dumps(lines),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    expected = [answers[0] for answers in decoder.n_best(lines)]
    assert found["outputs"] == [one.text for one in expected]
    assert found["scores"] == pytest.approx([one.score for one in expected], abs=1e-4)


def test_another_folder_is_left_alone(tmp_path):
    decoder = Decoder(GOLDEN)
    (tmp_path / "novel.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"novel\.txt.*choose another"):
        saved_model.export(decoder, tmp_path)
    with pytest.raises(OutputError, match="is a file"):
        saved_model.export(decoder, tmp_path / "novel.txt")
    decoder.decode_hparams.mbr = "chrf"
    with pytest.raises(OutputError, match="can't choose answers by mbr=chrf; leave it out"):
        saved_model.export(decoder, tmp_path / "new")
    assert [one.name for one in tmp_path.iterdir()] == ["novel.txt"]


def test_versions_are_kept_and_a_failure_leaves_nothing(tmp_path, monkeypatch):
    def save(module, folder, signatures):
        Path(folder, "saved_model.pb").touch()

    monkeypatch.setattr(saved_model.tf.saved_model, "save", save)
    decoder = Decoder(GOLDEN)
    monkeypatch.setattr(saved_model.time, "time", lambda: 7.0)
    first, second = (saved_model.export(decoder, tmp_path) for _ in range(2))
    assert (first.name, second.name) == ("7", "8")

    def fail(folder, target):
        assert (folder / "saved_model.pb").exists()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(saved_model, "replace", fail)
    with pytest.raises(OutputError, match="free some space"):
        saved_model.export(decoder, tmp_path)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["7", "8"]


def test_with_a_vocabulary_in_python_only_ids_are_answered(tmp_path, warned):
    decoder = Decoder(GOLDEN, decode_hparams="extra_length=3")
    own = copy.copy(decoder.encoders["inputs"])
    own.__class__ = type("Own", (type(own),), {})
    decoder.encoders = {"inputs": own, "targets": own}
    signatures = load(saved_model.export(decoder, tmp_path / "export"))
    (warning,) = warned
    assert "takes ids, not text: the vocabulary Own is Python code" in warning
    assert set(signatures) == {"serving_default", "serialized_examples"}
    check_t2ts_protocol(decoder, signatures["serving_default"])


def test_scores_that_are_not_finite_are_an_error_that_names_the_checkpoint():
    decoder = Decoder(GOLDEN, decode_hparams="beam_size=2,extra_length=3")
    [weight] = [
        weight
        for weight in decoder.network.weights
        if "decoder/layer_0/self_attention/query/kernel" in weight.path
    ]
    # Finite itself; products of it aren't.
    weight.assign(np.full(weight.shape, 3e38, "float32"))
    module = saved_model.TextModel(decoder)
    with pytest.raises(tf.errors.InvalidArgumentError, match="model.ckpt-250.safetensors gives"):
        module.answer_texts(tf.constant(["1 2"]))


def test_an_n_best_list_is_filled_with_blank_answers():
    settings = "beam_size=40,extra_length=0,return_beams=true"
    decoder = Decoder(GOLDEN, decode_hparams=settings)
    [expected] = decoder.n_best(["1"])
    module = saved_model.TextModel(decoder)
    found = module.answer_texts(tf.constant(["1"]))
    assert found["outputs"].shape == (1, 40)
    texts = [text.decode() for text in found["outputs"][0].numpy()]
    assert texts == [one.text for one in expected] + [""] * (40 - len(expected))
    assert (found["scores"][0].numpy()[len(expected) :] == -1e7).all()
