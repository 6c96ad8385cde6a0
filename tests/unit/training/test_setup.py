"""TrainingSetup: batches and evaluation of a real problem."""

import json
import math
import re

import pytest

from t2tlite.checkpoint.run_record import RunRecord
from t2tlite.config import HParams
from t2tlite.data.records import serialized, write_shard
from t2tlite.devices.devices import Devices
from t2tlite.errors import DeviceError, HParamsError
from t2tlite.training.setup import TrainingSetup
from t2tlite.training.train_args import TrainArgs


@pytest.mark.parametrize(
    ("problem", "model"), [("echo", "transformer"), ("lengths", "transformer_encoder")]
)
def test_the_batch_of_a_step_is_written_with_texts(make_setup, tmp_path, problem, model):
    setup = make_setup(problem, model)
    setup.write_batch(tmp_path / "batch.jsonl", step=3)
    rows = [json.loads(line) for line in (tmp_path / "batch.jsonl").read_text().splitlines()]
    batch = setup.training_batches.batch(2)
    assert len(rows) == len(batch["targets"])
    for row, ids in zip(rows, batch["inputs"].tolist(), strict=True):
        assert row["inputs_ids"] == [token_id for token_id in ids if token_id]
        if problem == "echo":
            assert row["targets"] == row["inputs"]
            assert row["targets_ids"] == row["inputs_ids"]
        else:
            # The id of the first label is 0, as that of padding.
            label = int(len(row["inputs_ids"]) > len("word") + 1)
            assert (row["targets"], row["targets_ids"]) == (["short", "long"][label], [label])


def test_weights_that_dont_fit_the_memory_are_an_error(make_setup, monkeypatch):
    def no_memory(*_):
        raise MemoryError

    monkeypatch.setattr(RunRecord, "make_model", no_memory)
    with pytest.raises(DeviceError, match="out of memory: the model's weights don't fit; lower"):
        make_setup()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("train_steps", -1), ("train_steps", 10**20), ("eval_frequency", 0), ("eval_steps", -1)),
        *(("steps_per_call", 10**9), ("seed", -1), ("seed", 2**32), ("stop_delta", -0.1)),
        *(("save_seconds", -1), ("keep_checkpoints", -1), ("stop_after_steps", -1)),
    ],
)
def test_train_args_out_of_bounds(make_setup, name, value):
    with pytest.raises(HParamsError, match=f"^{name}={value} is outside"):
        make_setup(**{name: value})


@pytest.fixture
def long_tailed(make_run, tmp_path):
    """A function that makes the setup of a run on data of mostly long texts, the short ones first.

    Its arguments are those of the run's TrainArgs.
    """
    texts = ["a"] * 200 + ["b" * 12] * 400
    records = [serialized({n: [*map(ord, t), 1] for n in ("inputs", "targets")}) for t in texts]
    for word in ("train", "dev"):
        write_shard(tmp_path / f"echo-{word}-00000-of-00001", records)

    def make(**train_args):
        device = Devices("tensorflow", "CPU", 1)
        return TrainingSetup(make_run(), str(tmp_path), TrainArgs(**train_args), device)

    return make


def test_part_of_a_split_is_a_fixed_random_one(long_tailed, monkeypatch):
    whole = long_tailed(eval_steps=0)
    loss = whole.evaluate()["loss"]
    assert whole.coverage == "on 600 of 600 examples"
    # A batch holds 64 examples of the short texts, and 9 of the long ones.
    setup = long_tailed(eval_steps=10)
    metrics = setup.evaluate()
    examples = int(re.fullmatch(r"on (\d+) of 600 examples", setup.coverage).group(1))
    assert 90 < examples < 160
    assert metrics["loss"] == pytest.approx(loss, rel=0.02)
    # The shares of short texts agree, so the first batches weren't taken.
    assert setup.evaluation_parts[""][1][:200].mean() == pytest.approx(examples / 600, abs=0.06)
    assert setup.evaluate() == metrics
    # A larger part holds the smaller one.
    larger = long_tailed(eval_steps=20).evaluation_parts[""][1]
    assert larger.sum() > examples
    assert larger[setup.evaluation_parts[""][1]].all()
    # Neither the seed nor the device changes it.
    monkeypatch.setattr(Devices, "static_shapes", True)
    monkeypatch.setattr(Devices, "row_shares", 4)
    again = long_tailed(eval_steps=10, seed=5)
    assert again.evaluation_batching.static
    assert (again.evaluation_parts[""][1] == setup.evaluation_parts[""][1]).all()


@pytest.mark.parametrize(
    ("train_args", "share"),
    [
        # The split has about 48 batches, under T2T's limit of 100.
        ({}, 1.0),
        ({"eval_steps": 100}, 1.0),
        ({"eval_frequency": 10}, 1.0),
        ({"eval_steps": 1}, 0.02),
    ],
)
def test_how_much_is_evaluated(long_tailed, train_args, share):
    assert long_tailed(**train_args).evaluation_parts[""][1].mean() == pytest.approx(share, rel=0.2)


def test_the_default_grows_with_the_steps_between_evaluations():
    assert TrainArgs(eval_frequency=50).most_eval_batches == 100
    assert TrainArgs(eval_frequency=5000).most_eval_batches == 500
    assert TrainArgs(eval_frequency=5000, eval_steps=3).most_eval_batches == 3
    assert TrainArgs(eval_steps=0).most_eval_batches == math.inf


@pytest.mark.parametrize("split", ["eval", "train"])
def test_evaluation_sees_whole_texts_and_training_cut_ones(make_run, data_dir, split):
    def setup(**hparams):
        device = Devices("tensorflow", "CPU", 1)
        return TrainingSetup(make_run(**hparams), data_dir, TrainArgs(eval_split=split), device)

    whole, cut = setup(), setup(max_input_seq_length=2, max_target_seq_length=3)
    assert cut.evaluate() == whole.evaluate()
    batch = cut.training_batches.batch(0)
    assert (batch["inputs"].shape[1], batch["targets"].shape[1]) == (2, 3)
    assert cut.sizes.row_length == 3 < whole.sizes.row_length


def test_a_problem_may_set_the_limit_of_length(make_setup, monkeypatch):
    setup = make_setup()
    assert setup.problem.max_length(setup.hparams) == setup.hparams.max_length
    assert setup.problem.max_length(HParams(batch_size=300)) == HParams().max_length
    monkeypatch.setattr(type(setup.problem), "max_length", lambda self, hparams: 7)
    assert setup.batching.max_length == setup.evaluation_batching.max_length == 7
