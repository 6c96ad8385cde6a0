"""Back-translation: pairs of a reverse model as a problem that a mixture weighs and tags."""

from pathlib import Path

import numpy as np
import pytest

from t2tlite import back_translation, registry, table_problems
from t2tlite.back_translation import back_translate
from t2tlite.config import HParams
from t2tlite.datagen.generate_data import generate_data
from t2tlite.decode.decoder import Decoder
from t2tlite.errors import DataError

MODEL = Path(__file__).parents[1] / "golden" / "model"


@pytest.fixture(scope="module")
def decoder():
    """A model that reverses digits, and so its own reverse model."""
    return Decoder(MODEL, decode_hparams="beam_size=1,extra_length=0")


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "digits.txt"
    lines = [f"{i % 10} {i // 10 % 10} {i // 3 % 10}" for i in range(30)]
    path.write_text("\n".join([*lines, "", "1 2"]) + "\n")
    return path


def test_an_interrupted_run_goes_on_and_the_problem_is_found(
    decoder, source, tmp_path, monkeypatch, own_names
):
    data = tmp_path / "data"
    with monkeypatch.context() as patch:
        patch.setattr(back_translation, "generate_data", lambda *args, **kwargs: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            back_translate(decoder, source, data, "made", dev_share=0.2)
    # What is translated already isn't translated again.
    with monkeypatch.context() as patch:
        patch.setattr(back_translation, "decode_file", lambda *args: pytest.fail("again"))
        for _ in range(2):
            counts = back_translate(decoder, source, data, "made", dev_share=0.2)
    # The blank line has no pair.
    assert sum(counts.values()) == 31 and counts["eval"] > 0
    assert (data / "made.inputs.txt").read_text().splitlines()[0] == "0 0 0"

    table_problems.register_folder(data)
    mixed = registry.problem("made<BT>:1*0.5+made_rev:3")
    generate_data(mixed, str(data))
    examples = mixed.read_examples(mixed.shards(str(data), "train"), "train", HParams())
    size = counts["train"]
    assert examples.weights.tolist() == [0.5] * size + [1.0] * size
    inputs, targets = examples.ids(np.array([0]))
    text = mixed.get_feature_encoders(str(data))["inputs"].decode(inputs[:-1])
    assert text == f"<BT>{mixed.get_feature_encoders(str(data))['targets'].decode(targets[-2::-1])}"
    evaluated = mixed.read_examples(mixed.shards(str(data), "eval"), "eval", HParams())
    assert evaluated.weights is None


def test_other_text_is_translated_anew(decoder, source, tmp_path):
    data = tmp_path / "data"
    back_translate(decoder, source, data, "made", dev_share=0.2)
    source.write_text("".join(f"{i} 7\n" for i in range(10)))
    assert sum(back_translate(decoder, source, data, "made", dev_share=0.2).values()) == 10
    assert (data / "made.inputs.txt").read_text().splitlines()[3] == "7 3"


def test_a_language_model_translates_nothing(language_model, source, tmp_path):
    with pytest.raises(DataError, match="doesn't translate texts; give a model from the target"):
        back_translate(language_model, source, tmp_path, "made")


def test_the_name_must_be_one_of_a_problem(decoder, source, tmp_path):
    with pytest.raises(DataError, match="problem_name=.*expected letters"):
        back_translate(decoder, source, tmp_path, "a b")
