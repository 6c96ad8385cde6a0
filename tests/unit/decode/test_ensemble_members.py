"""Ensembles: several models, or several checkpoints of one, decode together."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from t2tlite import registry
from t2tlite.checkpoint import checkpoints, run_record, tensor_files
from t2tlite.decode.decoder import Decoder
from t2tlite.decode.model_folder import ModelFolder
from t2tlite.errors import CheckpointError, HParamsError
from t2tlite.exporting.automatic_engine import engine_maker

MODEL = Path(__file__).parents[2] / "golden" / "model"
LINES = ["3 1 4", "2 7 1 8", "9"]
HOW = "beam_size=1,extra_length=3"


def rewrite(folder, **values):
    path = folder / run_record.NAME
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Model folders with the golden model's vocabulary: other weights, and another model."""
    random = np.random.default_rng(0)
    noisy, lstm = (tmp_path_factory.mktemp("models") / name for name in ("noisy", "lstm"))
    for folder in (noisy, lstm):
        shutil.copytree(MODEL, folder)
    tensors = tensor_files.read_tensors(checkpoints.find(noisy, ""))
    noise = {
        name: (x * random.normal(1, 0.3, x.shape)).astype("float32") for name, x in tensors.items()
    }
    checkpoints.write_weights(noisy, 300, noise)
    hparams = registry.hparams("lstm_luong_attention").override("hidden_size=16")
    rewrite(lstm, model="lstm_seq2seq_attention", hparams=hparams.values())
    model = ModelFolder(lstm)
    network = model.run.make_model(model.problem_hparams)
    weights = {name: np.array(x) for name, x in checkpoints.weights(network).items()}
    checkpoints.write_weights(lstm, 250, weights)
    return noisy, lstm


@pytest.fixture(scope="module")
def ensemble(folders):
    return Decoder(MODEL, decode_hparams=HOW, ensemble=folders)


def log_probs(network, features):
    logits = np.asarray(network(features, training=False), "float64")
    return logits - np.log(np.exp(logits).sum(-1, keepdims=True))


def test_probabilities_are_the_mean_of_the_members(ensemble, folders):
    inputs, targets = [[5, 3, 6, 1], [4, 1, 0, 0]], [[6, 3, 5, 1], [4, 1, 0, 0]]
    features = {"inputs": np.array(inputs, "int32"), "targets": np.array(targets, "int32")}
    members = [Decoder(folder).network for folder in (MODEL, *folders)]
    expected = np.log(np.mean([np.exp(log_probs(one, features)) for one in members], axis=0))
    np.testing.assert_allclose(log_probs(ensemble.network, features), expected, atol=1e-5)
    assert np.abs(expected - log_probs(members[0], features)).max() > 0.1


@pytest.mark.parametrize("way", ["beam_size=1", "beam_size=3,alpha=0.0"])
def test_searches_give_the_scores_of_the_ensemble(ensemble, way):
    answers = [best for best, *_ in ensemble.n_best(LINES, decode_hparams=way)]
    scores = ensemble.score(zip(LINES, [answer.text for answer in answers], strict=True))
    for answer, score in zip(answers, scores, strict=True):
        assert answer.score == pytest.approx(score.log_prob, abs=1e-4)


def test_samples_prefixes_and_streams(ensemble):
    drawn = [ensemble.decode(LINES, sampling_method="random", random_seed=seed) for seed in (1, 2)]
    assert drawn[0] != drawn[1]
    assert list(ensemble.stream(LINES[1]))[-1].text == ensemble.decode(LINES[1])
    assert ensemble.n_best(LINES[:1], prefixes=["7"])[0][0].text.startswith("7")


def test_attention_is_that_of_the_model_itself(ensemble):
    alone = Decoder(MODEL, decode_hparams=HOW)
    found, expected = (one.attention("3 1 4", "4 1 3").weights for one in (ensemble, alone))
    np.testing.assert_allclose(found["cross"], expected["cross"], atol=1e-6)


def test_checkpoints_of_one_folder(folders):
    noisy, _ = folders
    both = Decoder(noisy, decode_hparams=HOW, ensemble_checkpoints=[250, "last"])
    same = Decoder(MODEL, decode_hparams=HOW, ensemble=[noisy])
    assert both.n_best(LINES)[1][0].score == pytest.approx(same.n_best(LINES)[1][0].score, abs=1e-5)
    assert both.checkpoint_name == "model.ckpt-250"


def test_one_checkpoint_is_not_the_newest_of_another_engine(folders):
    noisy, _ = folders
    makes = {"make_engine": engine_maker("auto", "", None)}
    alone = Decoder(noisy, ensemble_checkpoints=[250], **makes)
    assert alone.checkpoint_name == "model.ckpt-250"
    assert Decoder(noisy, **makes).checkpoint_name == "model.ckpt-300"


def test_a_half_written_file_is_that_of_all_members(folders, ensemble):
    names = [path.parent.name for path in ensemble.engine.all_weights]
    assert names == ["model", *(folder.name for folder in folders)]


def test_a_member_may_decode_without_a_cache(folders, monkeypatch, ensemble):
    expected = ensemble.n_best(LINES)
    from t2tlite.model.transformer import Transformer

    monkeypatch.setattr(Transformer, "step", None)
    uncached = Decoder(MODEL, decode_hparams=HOW, ensemble=folders)
    for found, other in zip(uncached.n_best(LINES), expected, strict=True):
        assert (found[0].text, found[0].score) == (other[0].text, pytest.approx(other[0].score))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"ensemble": [MODEL]}, HParamsError, "is in the ensemble twice"),
        ({"ensemble_checkpoints": [250, "last"]}, HParamsError, "is in the ensemble twice"),
        (
            {"checkpoint": 250, "ensemble_checkpoints": ["last"]},
            HParamsError,
            r"a checkpoint \(250\) and ensemble_checkpoints are given",
        ),
        ({"ensemble": str(MODEL)}, HParamsError, "take lists"),
        ({"ensemble_checkpoints": [7]}, CheckpointError, "7.safetensors doesn't exist"),
        ({"ensemble": ["nowhere"]}, CheckpointError, "nowhere"),
    ],
)
def test_what_is_no_ensemble(arguments, error, message):
    with pytest.raises(error, match=message):
        Decoder(MODEL, **arguments)


def test_members_need_the_same_vocabulary(tmp_path):
    other = tmp_path / "other"
    shutil.copytree(MODEL, other)
    vocabulary = next(other.glob("vocab.*"))
    tokens = vocabulary.read_text().splitlines()
    vocabulary.write_text("\n".join([*tokens[:3], *reversed(tokens[3:])]) + "\n")
    from t2tlite.text.vocabulary import vocabulary_sha256

    rewrite(other, vocabularies={vocabulary.name: vocabulary_sha256(vocabulary)})
    with pytest.raises(CheckpointError, match="has other vocabularies than"):
        Decoder(MODEL, ensemble=[other])
