"""fit: one call from pairs to a Decoder, on top of the ordinary data and model folders."""

import logging
import shutil

import numpy as np
import pandas as pd
import pytest

import t2tlite
from t2tlite import HParams, TrainResult, fit
from t2tlite.api.fit import _hparams
from t2tlite.checkpoint import checkpoints, run_record, tensor_files
from t2tlite.errors import DataError, HParamsError

PAIRS = [(f"{i} {j}", f"{j} {i}") for i in range(8) for j in range(8)]
TINY = {
    "hidden_size": 8,
    "num_heads": 2,
    "filter_size": 16,
    "num_hidden_layers": 1,
    "batch_size": 128,
}
QUICK = {
    "vocab_size": 0,
    "hparams_set": "transformer_tiny",
    "hparams": TINY,
    "train_steps": 2,
    "num_workers": 1,
}


def weights(folder):
    return tensor_files.read_tensors(checkpoints.find(folder, ""))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fit") / "model"
    return fit(PAIRS, folder, **QUICK)


def test_it_makes_ordinary_folders(trained):
    folder = trained.folder.path
    run = run_record.read(folder)
    assert (run.problem, run.model, run.hparams_set) == ("pairs", "transformer", "transformer_tiny")
    assert run.hparams["hidden_size"] == 8
    assert isinstance(trained.decode("1 2"), str)
    assert [len(row) for row in trained.n_best(["1 2", "3"], n=3)] == [3, 3]
    again = t2tlite.Decoder(folder)
    assert again.decode(["1 2", "3 4"]) == trained.decode(["1 2", "3 4"])
    result = TrainResult.read(folder)
    assert [row["step"] for row in result.metrics] == [2]
    assert set(t2tlite.evaluate(data_dir=f"{folder}/data", output_dir=folder)) == {
        name for name in result.last if name != "step"
    }


@pytest.mark.slow
def test_the_same_call_goes_on_or_returns_at_once(trained, tmp_path, said):
    folder = trained.folder.path
    before = weights(folder)
    again = fit(iter(PAIRS), folder, **QUICK)
    assert again.checkpoint_name == "model.ckpt-2"
    assert all(np.array_equal(value, weights(folder)[name]) for name, value in before.items())
    copy = shutil.copytree(folder, tmp_path / "copy")
    longer = fit(PAIRS, copy, **{**QUICK, "train_steps": 4})
    assert longer.checkpoint_name == "model.ckpt-4"
    assert "resumes at step 2" in "\n".join(said())
    with pytest.raises(DataError, match="changed since: counts .* choose a new output_dir"):
        fit(PAIRS[1:], copy, **QUICK)


def test_labels_and_a_vocabulary(tmp_path):
    rows = [(f"so {word} a day", word) for word in ("good", "bad") for _ in range(20)]
    frame = pd.DataFrame(rows, columns=["text", "mood"]).assign(text=lambda rows: [
        f"{text} {number}" for number, text in enumerate(rows["text"])
    ])  # fmt: skip
    options = {**QUICK, "vocab_size": 300, "problem": "moods"}
    decoder = fit(frame, tmp_path / "model", inputs="text", label="mood", **options)
    assert decoder.run.model == "transformer_encoder"
    assert decoder.labels == ["bad", "good"]
    assert set(decoder.decode(pd.Series(["so good", "so bad"]))) <= {"bad", "good"}
    assert (tmp_path / "model" / "vocab.moods.300.model").exists()
    # A copy without the data decodes as well.
    (tmp_path / "model" / "data").rename(tmp_path / "elsewhere")
    assert t2tlite.Decoder(tmp_path / "model").labels == ["bad", "good"]


def test_texts_alone(tmp_path, warned):
    texts = [text for text, _ in PAIRS]
    decoder = fit(texts, tmp_path, eval_pairs=["9 9", *texts[:3]], **QUICK)
    assert any("pairs dev: 3 of 4 (75 %) are in train too" in line for line in warned)
    assert not decoder.problem.has_inputs
    assert decoder.decode("1 ", beam_size=1).startswith("1 ")
    assert len(decoder.score(["1 2", "3 4"])) == 2


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"steps": 5}, TypeError, "unexpected keyword argument 'steps'"),
        ({"overwrite": True}, TypeError, "unexpected keyword argument 'overwrite'"),
        ({"vocab_size": -1}, DataError, "vocab_size=-1; expected 0"),
        ({"vocab_size": "many"}, HParamsError, "vocab_size='many' is not an integer"),
        ({"eval_share": "half"}, HParamsError, "eval_share='half' is not a finite number"),
        ({"problem": None}, HParamsError, "problem=None; leave it out for the default"),
        ({"problem": "../mine"}, DataError, "problem='../mine'; expected a name of letters, dig"),
        ({"problem": "mine_rev"}, DataError, "problem='mine_rev'; expected a name"),
        ({"model": "transformr"}, KeyError, "transformer"),
        ({"train_steps": -1}, HParamsError, "train_steps=-1 is outside 0"),
        ({"train_steps": "few"}, HParamsError, "train_steps='few' is not an integer"),
        ({"schedule": "evaluate"}, HParamsError, "schedule='evaluate'; expected one of"),
        ({"num_workers": 1.5}, HParamsError, "num_workers=1.5 is not an integer"),
        ({"hparams": {"hidden": 4}}, HParamsError, "no hparam is named hidden"),
        ({"hparams_set": "transformer_smal"}, KeyError, "transformer_small"),
    ],
)
def test_wrong_arguments_are_an_error_at_once(tmp_path, options, error, message):
    with pytest.raises(error, match=message):
        fit(PAIRS, tmp_path / "model", **{**QUICK, **options})
    assert not list(tmp_path.iterdir())


def test_a_warm_up_fits_the_training(tmp_path, caplog):
    caplog.set_level(logging.INFO, "t2tlite")
    short = _hparams("transformer_small", "", {}, 2000, str(tmp_path))
    assert short.learning_rate_warmup_steps == 200
    # The highest learning rate, at the end of the warm-up, is that of the set.
    assert short.learning_rate_constant * 200**-0.5 == pytest.approx(2.0 * 8000**-0.5)
    own = _hparams("transformer_small", "learning_rate_warmup_steps=9000", {}, 2000, str(tmp_path))
    assert own.learning_rate_warmup_steps == 9000
    given = _hparams("", HParams(), {}, 2000, str(tmp_path))
    assert given == HParams()
    long = _hparams("transformer_small", {"num_heads": 2}, {}, 100_000, str(tmp_path))
    assert (long.learning_rate_warmup_steps, long.num_heads) == (8000, 2)
    short.hidden_size = 64
    run_record.RunRecord.describe("pairs", "transformer", short, []).write(tmp_path, tmp_path)
    later = _hparams("transformer_small", "", {}, 50_000, str(tmp_path))
    assert later.learning_rate_warmup_steps == 200
    assert later.learning_rate_constant == short.learning_rate_constant


def test_results_show_their_curves(trained, tmp_path):
    result = TrainResult.read(trained.folder.path)
    assert result.best_step == 2
    assert repr(result).startswith(f"TrainResult({str(trained.folder.path)!r}, step 2: loss=")
    assert list(pd.DataFrame(result.metrics)["step"]) == [2]
    page = result._repr_html_()
    assert '<img alt="curves" src="data:image/png;base64,' in page and "<td" in page
    nothing = TrainResult.read(tmp_path)
    assert (nothing.metrics, nothing.last, nothing.best_step) == ([], {}, None)
    assert "no evaluation" in repr(nothing) and "<img" not in nothing._repr_html_()
    with pytest.raises(DataError, match="has no losses and no evaluations to draw yet"):
        nothing.plot()


@pytest.mark.usefixtures("no_tables")
def test_a_table_is_trained_on_by_its_name(tmp_path):
    data, model = tmp_path / "data", tmp_path / "model"
    table = t2tlite.table_problem("text2text_table", PAIRS, "digits", vocab_size=0)
    t2tlite.generate_data(table, data, num_workers=1)
    # As in another process.
    t2tlite.registry.problems._found.clear()
    given = {"model": "transformer", "hparams_set": "transformer_tiny", "hparams": TINY}
    t2tlite.train("digits_rev", data, model, **given, train_steps=2)
    t2tlite.registry.problems._found.clear()
    run = run_record.read(model)
    assert (run.problem, run.description.kind, run.needs("evaluation")) == (
        *("digits_rev", "text2text", []),
    )
    assert isinstance(t2tlite.Decoder(model).decode("1 2"), str)
