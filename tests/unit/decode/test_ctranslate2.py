"""An export to CTranslate2 answers as the Decoder does."""

import dataclasses
import json
import shutil
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from t2tlite import Decoder, registry, text_problems
from t2tlite.bulk.files import decode_file
from t2tlite.checkpoint import checkpoints
from t2tlite.checkpoint.run_record import RunRecord
from t2tlite.config import HParams, ProblemHParams
from t2tlite.decode.ctranslate2 import CTranslate2Decoder, tokens
from t2tlite.decode.decode_hparams import DecodeHParams
from t2tlite.errors import (
    CheckpointError,
    DataError,
    DeviceError,
    HParamsError,
    OutputError,
    VocabularyError,
)
from t2tlite.exporting import ctranslate2, ctranslate2_specs
from t2tlite.text import ByteTextEncoder, TokenTextEncoder

GOLDEN = Path(__file__).parents[2] / "golden" / "model"
LINES = ["3 1 4", "2 7 1 8 2 8", "", "9", " \t\u3000", "1 2 3 4 5 6 7 8 9", "5 6 " * 40]
TINY = {"hidden_size": 16, "num_heads": 2, "filter_size": 32, "num_hidden_layers": 2}
MODERN = {
    "extra": registry.hparams("transformer_modern_tiny").extra,
    "pos": "none",
    "use_target_space_embedding": False,
}
PARTS = {"ffn_activation": "gelu", "post_norm": True}
FEWER = {"num_kv_heads": 1, "residual_factors": False}


class Bytes(text_problems.Text2TextProblem):
    vocab_type = text_problems.VocabType.CHARACTER
    inputs_prefix = "say: "


class WordsToBytes(Bytes):
    def feature_encoders(self, data_dir):
        words = ["<pad>", "<EOS>", "a", "the", "?"]
        inputs = TokenTextEncoder(None, vocab_list=words, replace_oov="?")
        return {"inputs": inputs, "targets": ByteTextEncoder()}


@pytest.fixture(scope="module")
def golden(tmp_path_factory):
    """A trained model, and what decodes it by CTranslate2."""
    decoder = Decoder(GOLDEN, decode_hparams="extra_length=3")
    folder = ctranslate2.export(decoder, tmp_path_factory.mktemp("exports") / "ct2")
    return decoder, CTranslate2Decoder(GOLDEN, folder, "extra_length=3")


@pytest.fixture
def model(tmp_path, monkeypatch):
    """A function that makes a model with new weights; returns its Decoder."""

    def make(problem, **values):
        keras.utils.set_random_seed(7)
        monkeypatch.setattr(registry, "problem", lambda _: problem())
        hparams = HParams(**{**TINY, **values})
        run = RunRecord.describe(problem().name, "transformer", hparams, [])
        run.write(tmp_path, tmp_path)
        network = run.make_model(problem().get_hparams(hparams, str(tmp_path)))
        draw = np.random.default_rng(7)
        weights = {one.path: np.asarray(one) for one in network.weights}
        for path, value in weights.items():
            if value.dtype == np.float32:
                noise = draw.normal(0, 0.2, value.shape)
                weights[path] = (value + noise).astype(np.float32)
            if path.endswith("layer_0/feed_forward_postprocess/kept"):
                weights[path] = -weights[path]  # as training might end
        checkpoints.write_weights(tmp_path, 1, weights)
        return Decoder(tmp_path)

    return make


def check_same(pair, how):
    """Both give the same answers, all of them, with the same scores."""
    ours, theirs = (
        one.n_best(LINES, dataclasses.replace(one.decode_hparams).override(how)) for one in pair
    )
    for found, expected in zip(theirs, ours, strict=True):
        assert [one.text for one in found] == [one.text for one in expected]
        assert [one.ids for one in found] == [one.ids for one in expected]
        scores = [one.score for one in expected]
        assert [one.score for one in found] == pytest.approx(scores, abs=1e-4)


# ---- the model


@pytest.mark.parametrize(
    ("problem", "values"),
    [
        (Bytes, {"use_target_space_embedding": True}),
        (Bytes, {"layer_preprocess_sequence": "none", "layer_postprocess_sequence": "dan"}),
        (Bytes, {"shared_embedding_and_softmax_weights": False, "vocab_divisor": 100}),
        (Bytes, {"pos": "none", "multiply_embedding_mode": "", "num_decoder_layers": 1}),
        (WordsToBytes, {}),
        (Bytes, MODERN),
        (Bytes, {**MODERN, "multiply_embedding_mode": "", "extra": {**MODERN["extra"], **PARTS}}),
        (WordsToBytes, {**MODERN, "extra": {**MODERN["extra"], **FEWER}}),
    ],
)
def test_probabilities_are_ours(model, tmp_path, problem, values):
    import ctranslate2 as library
    from keras import ops

    decoder = model(problem, **values)
    folder = ctranslate2.export(decoder, tmp_path / "ct2")
    source, target = decoder.encoders["inputs"], decoder.encoders["targets"]
    translator = library.Translator(str(folder))
    names = tokens(source), tokens(target)
    for text in ("the quick a", "\u2581 \x1ad\U0001f600.", "\0a \0\n"):
        # PAD within a text as well: its vector is zero.
        inputs, targets = source.encode(text), [*target.encode(text[::-1]), 0, 7]
        [scored] = translator.score_batch(
            [[names[0][id_] for id_ in inputs]], [[names[1][id_] for id_ in targets]]
        )
        logits = decoder.network(
            {"inputs": np.array([[*inputs, 1]]), "targets": np.array([[*targets, 1]])}
        )
        expected = np.asarray(ops.log_softmax(logits))[0][range(len(targets) + 1), [*targets, 1]]
        np.testing.assert_allclose(scored.log_probs, expected, atol=2e-4)
        assert np.ptp(expected) > 1


def test_tokens_are_all_different():
    class Twice(ByteTextEncoder):
        def decode_list(self, ids):
            return ["" if id_ == 9 else f"t{id_ // 2}" for id_ in ids]

    names = tokens(Twice())
    assert len(set(names)) == len(names) == 258
    assert (names[5], names[4], names[9]) == ("t2", "t2<4>", "<9>")


@pytest.mark.parametrize(
    ("features", "values", "message"),
    [
        (["targets"], {}, "express a language model"),
        (["inputs", "targets"], {"unidirectional_encoder": True}, "unidirectional_encoder=True"),
        (
            ["inputs", "targets"],
            {"self_attention_type": "dot_product_relative", "max_relative_position": 3},
            "self_attention_type=dot_product_relative",
        ),
        (["inputs", "targets"], {"attention_key_channels": 8}, "attention_key_channels=8"),
        (
            ["inputs", "targets"],
            {**MODERN, "use_target_space_embedding": True},
            "express use_target_space_embedding=True",
        ),
        (
            ["inputs", "targets"],
            {"prepend_mode": "prepend_inputs_full_attention"},
            "express prepend_mode=prepend_inputs_full_attention; expected an encoder-decoder",
        ),
        (
            ["inputs", "targets"],
            {"layer_postprocess_sequence": "dan"},
            "layer_preprocess_sequence=n and layer_postprocess_sequence=dan",
        ),
    ],
)
def test_what_ctranslate2_cannot_express_is_named(features, values, message):
    from t2tlite.model.transformer import Transformer

    hparams = HParams(**{**TINY, **values})
    network = Transformer(hparams, ProblemHParams(dict.fromkeys(features, 11)))
    with pytest.raises(HParamsError, match=f"{message}.*use --format=savedmodel"):
        ctranslate2_specs.check_expressible(hparams, network)


# ---- the answers


@pytest.mark.parametrize("how", ["beam_size=1", "beam_size=1,max_input_size=4"])
def test_answers_are_ours(golden, how):
    check_same(golden, how)


def test_answers_of_the_modern_block_are_ours(model, tmp_path):
    decoder = model(Bytes, **{**MODERN, "extra": {**MODERN["extra"], "num_kv_heads": 1}})
    ctranslate2.export(decoder, tmp_path / "ctranslate2")
    check_same((decoder, CTranslate2Decoder(tmp_path)), "beam_size=1,extra_length=3")


def test_a_line_has_its_own_limit(model, tmp_path):
    decoder = model(Bytes)
    ctranslate2.export(decoder, tmp_path / "ctranslate2")
    pair = decoder, CTranslate2Decoder(tmp_path)
    check_same(pair, "beam_size=2,extra_length=2")
    # Without training nothing ends by itself.
    answers = pair[1].n_best(LINES)
    sizes = [len("say: ") + len(line.encode()) + 1 + 100 for line in LINES]
    assert [len(row[0].ids) for row in answers] == [
        size if line.strip() else 0 for size, line in zip(sizes, LINES, strict=True)
    ]


def test_beams_are_ours_if_only_the_likeliest_end(golden, monkeypatch):
    """CTranslate2 ends a hypothesis that is among the K likeliest, T2T among the 2 K likeliest."""
    from keras import ops

    from t2tlite.search import beams

    penalty = beams.length_penalty

    def forbidding(length, alpha):
        # A step's own, of all candidates: the later ones get scores that none would be chosen for.
        found = penalty(length, alpha)
        return found if len(found.shape) else found * ops.convert_to_tensor([1.0] * 4 + [1e-9] * 4)

    monkeypatch.setattr(beams, "length_penalty", forbidding)
    check_same(golden, "beam_size=4,alpha=0.7")


def test_best_answers_of_beams_are_ours(golden):
    ours, theirs = (one.n_best(LINES) for one in golden)
    assert [row[0].text for row in theirs] == [row[0].text for row in ours]
    # Of the other beams those that both found have one score.
    for found, expected in zip(theirs, ours, strict=True):
        scores = {one.text: one.score for one in expected}
        both = [one for one in found if one.text in scores]
        assert len(both) > 1 or not found[0].text
        assert [one.score for one in both] == pytest.approx(
            [scores[one.text] for one in both], abs=1e-4
        )


def test_a_file(golden, tmp_path):
    (tmp_path / "lines").write_text("".join(f"{line}\n" for line in LINES))
    written = [decode_file(one, tmp_path / "lines", tmp_path / "out").read_text() for one in golden]
    assert written[0] == written[1]
    assert written[0].startswith("4 1 3\n")


def test_what_it_cannot_do_is_named(golden):
    _, theirs = golden
    how = "sampling_method=random,min_length=3"
    with pytest.raises(HParamsError, match="with sampling_method=random and min_length=3; give"):
        CTranslate2Decoder(GOLDEN, theirs.weights.parent, how)
    with pytest.raises(HParamsError, match="takes no prefixes of answers"):
        theirs.n_best(["1 2"], prefixes=["2"])
    with pytest.raises(DataError, match="line 1 has 5,001 tokens, and at most 4,096 fit"):
        theirs.n_best(["7 " * 5000])
    with pytest.raises(DeviceError, match="doesn't score given texts; use a Decoder of Keras"):
        theirs.score([("1 2", "2 1")])


def test_n_best_lists_are_as_long_as_there_are_answers(golden):
    lists = golden[1].n_best(["1", "9 9"], DecodeHParams(beam_size=5, extra_length=0))
    assert min(map(len, lists)) >= 1
    assert all(one.score > -1e6 for answers in lists for one in answers)


def test_a_damaged_export(golden, tmp_path):
    folder = tmp_path / "export"
    shutil.copytree(golden[1].weights.parent, folder)
    content = bytearray((folder / "model.bin").read_bytes())
    content[len(content) // 2] ^= 4
    (folder / "model.bin").write_bytes(content)
    with pytest.raises(CheckpointError, match="model.bin is damaged .its checksum is wrong"):
        CTranslate2Decoder(GOLDEN, folder)
    config = json.loads((folder / "config.json").read_text())
    # Older exports have no checksum.
    del config["model_crc32"]
    (folder / "config.json").write_text(json.dumps(config))
    CTranslate2Decoder(GOLDEN, folder)


def test_it_needs_neither_tensorflow_nor_keras(golden):
    _, theirs = golden
    script = (
        "import sys\n"
        "sys.modules.update(dict.fromkeys(['tensorflow', 'keras', 'jax']))\n"
        "from t2tlite.decode.ctranslate2 import CTranslate2Decoder\n"
        "print(CTranslate2Decoder(*sys.argv[1:]).decode(['3 1 4', '']))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, GOLDEN, theirs.weights.parent],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "['4 1 3', '']\n", done.stderr


# ---- the folder


def test_a_newer_checkpoint_is_told(golden, warned, monkeypatch):
    folder = golden[1].weights.parent
    CTranslate2Decoder(GOLDEN, folder)
    assert warned == []
    monkeypatch.setattr(checkpoints, "steps", lambda _: [250, 300])
    CTranslate2Decoder(GOLDEN, folder)
    assert "is of model.ckpt-250, and the newest checkpoint is of step 300" in warned[0]


def test_a_folder_that_is_none_or_another_models(golden, tmp_path):
    with pytest.raises(CheckpointError, match=r"t2t-exporter --output_dir=.*--format=ctranslate2"):
        CTranslate2Decoder(GOLDEN)
    other = Path(shutil.copytree(golden[1].weights.parent, tmp_path / "other"))
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps({**config, "vocabularies": {"v": "0"}}))
    with pytest.raises(VocabularyError, match="isn't an export of .*its vocabularies are others"):
        CTranslate2Decoder(GOLDEN, other)
    (other / "config.json").write_text(json.dumps(config))
    (other / "model.bin").write_bytes(b"")
    with pytest.raises(CheckpointError, match="model.bin is damaged .*export the model again"):
        CTranslate2Decoder(GOLDEN, other)


def test_an_older_export_is_replaced_and_nothing_else(golden, tmp_path):
    decoder, _ = golden
    folder = ctranslate2.export(decoder, tmp_path / "ct2")
    size = (folder / "model.bin").stat().st_size
    ctranslate2.export(decoder, folder, "int8")
    assert (folder / "model.bin").stat().st_size < size
    assert CTranslate2Decoder(GOLDEN, folder, "extra_length=3").decode(["3 1 4"]) == ["4 1 3"]
    assert [one.name for one in tmp_path.iterdir()] == ["ct2"]
    (tmp_path / "novel.txt").write_text("mine")
    with pytest.raises(OutputError, match="isn't a CTranslate2 model"):
        ctranslate2.export(decoder, tmp_path)


def test_without_ctranslate2_the_extra_is_named(golden, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "ctranslate2", None)
    with pytest.raises(OutputError, match=r"needs CTranslate2; pip install t2tlite\[ct2\]"):
        ctranslate2.export(golden[0], tmp_path / "ct2")
