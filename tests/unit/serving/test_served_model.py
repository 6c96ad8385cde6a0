"""The server with a small trained model answers as the decoder does."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.unit.serving.conftest import MODEL

LINES = ["3 1 4", "2 7 1 8 2 8", "", "9", "1 2 3 4 5 6 7 8", "5 5"]
NAME = "reverse_digits"


@pytest.fixture(scope="module")
def decoder():
    from t2tlite import Decoder

    return Decoder(MODEL, decode_hparams="beam_size=2,extra_length=3")


def test_answers_equal_the_decoders_in_any_batch(model_server, decoder):
    expected = [[(one.text, one.score) for one in row] for row in decoder.n_best(LINES)]
    content = [{"instances": [line], "parameters": {"n": 2}} for line in LINES * 4]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda one: model_server.predict(one, NAME), content))
    for row, (status, answer) in zip(expected * 4, found, strict=True):
        assert status == 200
        (prediction,) = answer["predictions"]
        assert prediction["outputs"] == [text for text, _ in row]
        assert prediction["scores"] == pytest.approx([score for _, score in row], abs=1e-4)


def test_attention_equals_the_decoders(model_server, decoder):
    body = {"line": "3 1 4", "answer": "4 1 3"}
    _, _, found = model_server.ask("POST", f"/v1/models/{NAME}:attention", body)
    assert found == decoder.attention("3 1 4", "4 1 3").map().as_dict()
    assert len(found["weights"]) == len(found["outputs"]) == 4
