"""T2T's own numbers, from its own checkpoint: logits, greedy decodes, beams with scores."""

import json

import numpy as np
import pytest


@pytest.fixture(scope="module")
def decoder(shared, tmp_path_factory):
    """Of the folder that t2t-import-checkpoint makes of T2T's."""
    from t2tlite import Decoder
    from t2tlite.checkpoint.run_record import RunRecord
    from t2tlite.t2t_import import model_folder
    from t2tlite.t2t_import.tf1_checkpoint import Checkpoint

    source, folder = shared / "fixtures/t2t/poetry_model", tmp_path_factory.mktemp("imported")
    flags = model_folder.recorded_flags(source)
    run = RunRecord.describe(
        flags["problem"], flags["model"], model_folder.read_hparams(source), []
    )
    imported = model_folder.import_checkpoint(
        Checkpoint(source), run, str(shared / "fixtures/t2t/poetry_data"), str(folder)
    )
    assert (imported.step, imported.parameters) == (1200, 2_005_632)
    # What T2T keeps beside the model: nothing of weights or moments is left behind.
    assert {one.split("/")[0] for one in imported.left} == {"losses_avg", "train_stats", "training"}
    assert not [one for one in imported.left if "/transformer/" in one]
    return Decoder(folder)


@pytest.fixture(scope="module")
def recorded(shared):
    with np.load(shared / "fixtures/t2t/poetry_logits.npz") as arrays:
        return {name: arrays[name] for name in arrays}


@pytest.fixture(scope="module")
def examples(shared):
    return json.loads((shared / "fixtures/t2t/poetry_decode.json").read_text())["examples"]


def test_logits_are_t2ts(decoder, recorded):
    features = {"inputs": recorded["inputs"], "targets": recorded["targets"]}
    difference = np.abs(np.asarray(decoder.network(features)) - recorded["logits"])
    assert difference[recorded["targets"] != 0].max() < 2e-5


@pytest.mark.parametrize("beams", [1, 4])
def test_decodes_are_t2ts(decoder, recorded, examples, beams):
    from t2tlite.decode.decoder import DecodeHParams
    from t2tlite.decode.keras_search import make_search

    search = make_search(
        decoder.network,
        decoder.problem_hparams,
        decoder.hparams,
        DecodeHParams(beam_size=beams, extra_length=20),
    )
    search.compile(jit_compile=False)
    rows, width = recorded["inputs"].shape
    # T2T lets each row run as long as the longest of its batch.
    lengths = np.full(rows, width, np.int32)
    found = search.predict_on_batch({"ids": recorded["inputs"], "lengths": lengths})
    for row, expected in enumerate(examples):
        ids = [without_eos(one) for one in found["ids"][row].tolist()]
        if beams == 1:
            assert ids == [without_eos(expected["greedy_ids"])]
            continue
        assert ids == [one["ids"] for one in expected["beam"]]
        scores = [one["score"] for one in expected["beam"]]
        assert found["scores"][row].tolist() == pytest.approx(scores, abs=1e-3)


def test_answers_are_t2ts(decoder, examples):
    """Beams rarely run to their limit, so texts are T2T's also where each row has its own limit."""
    answers = decoder.n_best([one["inputs_text"] for one in examples])
    for row, expected in zip(answers, examples, strict=True):
        assert [one.text for one in row] == [one["text"] for one in expected["beam"]]
        scores = [one["score"] for one in expected["beam"]]
        assert [one.score for one in row] == pytest.approx(scores, abs=1e-3)


def test_ctranslate2_answers_are_t2ts(decoder, examples, tmp_path):
    from t2tlite.decode.ctranslate2 import CTranslate2Decoder
    from t2tlite.decode.decode_hparams import DecodeHParams
    from t2tlite.exporting import ctranslate2

    folder = ctranslate2.export(decoder, tmp_path / "ctranslate2")
    theirs = CTranslate2Decoder(decoder.output_dir, folder)
    lines = [one["inputs_text"] for one in examples]
    greedy = theirs.n_best(lines, DecodeHParams(beam_size=1))
    # T2T stopped at 20 tokens more than the longest line.
    assert [row[0].ids[:20] for row in greedy] == [
        without_eos(one["greedy_ids"])[:20] for one in examples
    ]
    same = 0
    for row, expected in zip(theirs.n_best(lines), examples, strict=True):
        scores = {one["text"]: one["score"] for one in expected["beam"]}
        found = {one.text: one.score for one in row if one.text in scores}
        assert found == pytest.approx({text: scores[text] for text in found}, abs=1e-3)
        same += row[0].text == expected["beam"][0]["text"]
    # It ends a beam only where that is among the K likeliest candidates; T2T takes 2 K.
    assert same >= 13


def without_eos(ids):
    ids = ids[: ids.index(1)] if 1 in ids else ids
    return [one for one in ids if one]


def test_scores_of_texts_are_t2ts(decoder, examples):
    """The score that T2T's beam search gave an answer is that of the answer given as a text."""
    pairs, expected = [], []
    for example in examples:
        for one in example["beam"]:
            # Another way to write the same text is another answer.
            if decoder.encoders["targets"].encode(one["text"]) == one["ids"]:
                pairs.append((example["inputs_text"], one["text"]))
                expected.append(one["score"])
    assert len(pairs) > 32
    found = [one.log_prob / ((5 + one.tokens) / 6) ** 0.6 for one in decoder.score(pairs)]
    assert found == pytest.approx(expected, abs=1e-3)
