"""What a new training is described by."""

import pytest

from t2tlite import registry
from t2tlite.config import HParams
from t2tlite.errors import CheckpointError
from t2tlite.model.transformer import Transformer
from t2tlite.training.new_run import describe_run, read_hparams


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


def test_the_hparams_of_a_training_that_goes_on(make_run, data_dir, tmp_path, caplog):
    """T2T reads hparams.json of the folder before --hparams."""
    caplog.set_level("INFO", "t2tlite")
    assert read_hparams("transformer_tiny", output_dir=tmp_path)[0] == registry.hparams(
        "transformer_tiny"
    )
    run = make_run("echo")
    run.hparams |= {"learning_rate_constant": 0.25, "batch_size": 128, "of_an_older_plugin": 1}
    del run.hparams["num_heads"]
    run.take_vocabularies(tmp_path, data_dir)
    run.write(tmp_path, data_dir)

    # For example the same command without the --hparams of the first time.
    hparams, changes = read_hparams("transformer_small", "batch_size=64", output_dir=tmp_path)
    assert hparams.hidden_size == run.hparams["hidden_size"] != 256
    assert (hparams.learning_rate_constant, hparams.batch_size) == (0.25, 64)
    assert hparams.num_heads == registry.hparams("transformer_small").num_heads
    assert changes == {"batch_size": 64}
    assert "of_an_older_plugin" not in hparams.values()
    [line] = [one.getMessage() for one in caplog.records if "goes on" in one.getMessage()]
    assert "learning_rate_constant=0.25 (the set has" in line
    assert "batch_size" not in line

    # All hparams, given as an object, are those that the caller wants.
    whole = registry.hparams("transformer_small")
    assert read_hparams("", whole, output_dir=tmp_path)[0] == whole


def test_a_modern_model_from_before_the_factors_goes_on_without(make_run, data_dir, tmp_path):
    run = make_run("echo")
    run.hparams = registry.hparams("transformer_modern_tiny").values()
    del run.hparams["residual_factors"]
    run.take_vocabularies(tmp_path, data_dir)
    run.write(tmp_path, data_dir)
    hparams, _ = read_hparams("transformer_modern_tiny", output_dir=tmp_path)
    assert hparams.residual_factors is False
    assert registry.hparams("transformer_modern_tiny").residual_factors is True


def test_how_a_problem_decodes_is_recorded(make_run, data_dir, tmp_path, monkeypatch):
    hparams, sampling = HParams(), {"sampling_method": "random", "sampling_temp": 0.7}
    monkeypatch.setattr(registry.problems.get("echo"), "decode_defaults", sampling)
    run = describe_run("echo", "transformer", hparams, "", str(tmp_path))
    assert run.decode_hparams == sampling
    # A training that goes on keeps what was changed.
    run.decode_hparams = {"beam_size": 2}
    run.write(tmp_path, data_dir)
    assert describe_run("echo", "transformer", hparams, "", str(tmp_path)).decode_hparams == {
        "beam_size": 2
    }
