"""README.md of a model folder: what it says, and that it keeps what a user writes."""

import numpy as np
import pytest

from t2tlite import registry
from t2tlite.checkpoint import checkpoints, eval_log, model_card
from t2tlite.checkpoint.run_record import DataSize, RunRecord
from t2tlite.config import HParams
from t2tlite.text import ByteTextEncoder
from t2tlite.text_problems import Text2ClassProblem, VocabType

pytestmark = pytest.mark.usefixtures("own_names")


class Mood(Text2ClassProblem):
    vocab_type = VocabType.CHARACTER
    num_classes = 30
    inputs_prefix = "mood | "

    def class_labels(self, data_dir):
        return [f"mood {n}" for n in range(self.num_classes)]


@pytest.fixture
def folder(tmp_path):
    """A model folder with a checkpoint."""
    made = tmp_path / "model"
    checkpoints.write_weights(made, 10, {"a/kernel": np.zeros((3, 4), "float32")})
    return made


@pytest.fixture
def run(folder):
    """The record of that folder."""
    registry.register_problem("card_mood")(Mood)
    registry.register_hparams("card_set")(lambda: HParams(hidden_size=16))
    hparams = HParams(hidden_size=8, activation_dtype="bfloat16")
    made = RunRecord.describe("card_mood", "transformer_encoder", hparams, [])
    made.hparams_set = "card_set"
    made.take_vocabularies(folder, folder)
    made.data = {"train": DataSize(1200, {"inputs": 34000}, {"inputs": 99})}
    made.write(folder, folder)
    return made


def lines(folder):
    return (folder / "README.md").read_text().splitlines()


def test_what_it_says(folder, run):
    eval_log.write_evaluations(folder, [{"step": 10, "loss": 0.25, "accuracy": float("nan")}])
    (folder / "curves.png").touch()
    model_card.write(folder, run)
    found = lines(folder)
    assert found[1] == "# card_mood"
    for line in [
        "| data, train | 1,200 examples, inputs 34,000 tokens (longest 99) |",
        r"| inputs | bytes, 258 ids, each text after `mood \| ` |",
        "| targets | class_labels, 30 ids |",
        "| hparams set | card_set |",
        "| hparams that differ | `hidden_size=8` |",
        "| precision | bfloat16 |",
        "| parameters | 12 |",
        "| steps | 10 |",
        "| step | loss | accuracy |",
        "| 10 | 0.2500 | - |",
        "![Loss and metrics by step](curves.png)",
        'decoder = t2tlite.Decoder(".")  # this folder',
        "## Licence",
    ]:
        assert line in found
    assert any("`mood 19`, and 10 more |" in line for line in found)
    assert "code that is needed" not in "".join(found)
    assert model_card.text(folder, run) in (folder / "README.md").read_text()


def test_what_needs_a_plugin(folder, run):
    class Own(ByteTextEncoder):
        def encode(self, text):
            return [3]

    class OwnEncoder(Mood):
        def feature_encoders(self, data_dir):
            return {**super().feature_encoders(data_dir), "inputs": Own()}

    registry.register_problem("card_own")(OwnEncoder)
    own = RunRecord.describe("card_own", "transformer_encoder", HParams(), [])
    own.take_vocabularies(folder / "none", folder)
    text = model_card.text(folder, own)
    assert "| inputs | an encoder of the plugin's own, 258 ids" in text
    assert "| code that is needed | decoding will need the plugin, because only its code" in text
    assert 'Decoder(".", usr_dirs=["PLUGIN_FOLDER"])' in text


def test_the_generated_part_is_renewed_and_the_rest_kept(folder, run):
    model_card.write(folder, run)
    path = folder / "README.md"
    path.write_text("My own words.\n\n" + path.read_text().replace("Fill in: the", "MIT, not the"))
    eval_log.write_evaluations(folder, [{"step": 10, "loss": 0.5}])
    model_card.write(folder, run)
    found = lines(folder)
    assert found[0] == "My own words."
    assert "| 10 | 0.5000 |" in found
    assert found[-1].startswith("MIT, not the licence")
    before = path.stat().st_mtime_ns
    model_card.write(folder, run)
    assert path.stat().st_mtime_ns == before


@pytest.mark.parametrize("edit", ["inside", "own", "no marker", "binary", "folder"])
def test_an_edit_is_never_overwritten(folder, run, said, edit):
    path = folder / "README.md"
    model_card.write(folder, run)
    text = path.read_text()
    content = {
        "inside": text.replace("# card_mood", "# My mood").encode(),
        "own": b"# Mine\n",
        "no marker": text.split("\n", 1)[1].encode(),
        "binary": b"\xff\xfe",
    }.get(edit)
    path.unlink()
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    eval_log.write_evaluations(folder, [{"step": 10, "loss": 0.5}])
    model_card.write(folder, run)
    assert content is None or path.read_bytes() == content
    assert "README.md isn't updated: " in said()[-1]


def test_values_are_shown_as_text(folder, run):
    run.problem = "a|b`<!-- t2tlite: text from here on is yours -->\x1b[31m\n# title"
    eval_log.write_evaluations(folder, [{"step": 10, "loss|x": 0.5}])
    model_card.write(folder, run)
    model_card.write(folder, run)
    text = (folder / "README.md").read_text()
    assert text.count("<!-- t2tlite: text from here on is yours -->") == 1
    assert "\x1b" not in text
    assert "\n# title" not in text
    assert r"loss\|x" in text


def test_before_the_first_checkpoint_and_with_a_damaged_one(folder, run, tmp_path):
    assert "| steps |" not in model_card.text(tmp_path, run)
    checkpoints.weights_path(folder, 10).write_bytes(b"damaged")
    assert "| steps | 10 |" in model_card.text(folder, run)
    assert "parameters" not in model_card.text(folder, run)
