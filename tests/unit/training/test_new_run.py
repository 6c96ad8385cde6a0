"""What a new training is described by."""

import pytest

from t2tlite import registry
from t2tlite.config import HParams
from t2tlite.errors import CheckpointError
from t2tlite.model.transformer import Transformer
from t2tlite.training.new_run import describe_run


@pytest.mark.parametrize(
    ("model", "classifier"),
    [
        ("transformer", "transformer_encoder"),
        ("universal_transformer", "universal_transformer_encoder"),
    ],
)
def test_labels_get_the_classifier(make_run, data_dir, tmp_path, warned, model, classifier):
    """T2T's commands for class problems often say --model=transformer."""
    run = make_run("lengths", model)
    run.take_vocabularies(tmp_path, data_dir)
    assert run.model == classifier
    [message] = warned
    assert f"the targets of lengths aren't text: --model={classifier} is trained" in message
    run.write(tmp_path, data_dir)
    # The same command resumes.
    again = describe_run("lengths", model, HParams.from_values(run.hparams), "", str(tmp_path))
    again.take_vocabularies(tmp_path, data_dir)
    assert again.model == classifier
    with pytest.raises(CheckpointError, match=f"a model with model {classifier}, not lstm_seq2seq"):
        describe_run("lengths", "lstm_seq2seq", HParams(), "", str(tmp_path))


def test_text_and_a_model_of_ones_own_stay(make_run, data_dir, tmp_path, warned):
    run = make_run("echo")
    run.take_vocabularies(tmp_path, data_dir)
    assert run.model == "transformer"

    @registry.register_model("transformer")
    class Own(Transformer):
        pass

    own = make_run("lengths")
    own.take_vocabularies(tmp_path, data_dir)
    assert (own.model, warned) == ("transformer", [])
