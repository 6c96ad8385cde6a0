"""Text2RealProblem: samples, data, what the model is told of it."""

import json
import re

import numpy as np
import pytest
import tensorflow as tf

from t2tlite.checkpoint.run_record import RunRecord
from t2tlite.config import HParams
from t2tlite.data import manifest
from t2tlite.data.records import serialized, write_shard
from t2tlite.datagen.inspect import inspect_data
from t2tlite.devices.devices import Devices
from t2tlite.errors import DataError, HParamsError
from t2tlite.registry import register_problem
from t2tlite.regression import Text2RealProblem
from t2tlite.text_problems import VocabType
from t2tlite.training.setup import TrainingSetup
from t2tlite.training.train_args import TrainArgs

TINY = {"hidden_size": 8, "num_heads": 2, "filter_size": 16, "num_hidden_layers": 1}


class Lengths(Text2RealProblem):
    """A text -> half its length, and its length."""

    vocab_type = VocabType.CHARACTER
    ntasks = 2
    dataset_splits = [{"split": "train", "shards": 2}, {"split": "eval", "shards": 1}]
    is_generate_per_split = False

    def generate_samples(self, data_dir, tmp_dir, dataset_split):
        for length in range(1, 31):
            yield {"inputs": "x" * length, "targets": [length / 2, length]}


@pytest.fixture
def data_dir(tmp_path, own_names):
    register_problem(Lengths)
    Lengths().generate_data(str(tmp_path), str(tmp_path))
    return str(tmp_path)


def test_examples(data_dir):
    made = manifest.read(data_dir, "lengths")
    assert made.splits["eval"].tokens["targets"] == 20
    problem = Lengths()
    records = tf.data.TFRecordDataset(problem.shards(data_dir, "train"))
    examples = list(problem.examples(records, "train", HParams()).as_numpy_iterator())
    assert len(examples) == 20
    for example in examples:
        assert example["targets"].dtype == "float32"
        length = len(example["inputs"]) - 1
        assert example["targets"].tolist() == [length / 2, length]


def test_examples_are_read_without_tensorflow(data_dir):
    problem = Lengths()
    assert not problem._overridden_hook()
    hparams = HParams(max_input_seq_length=7)
    for for_training, longest in ((True, 7), (False, 31)):
        read = problem.read_examples(
            problem.shards(data_dir, "train"), "train", hparams, for_training
        )
        assert (read.names, read.widths) == (["inputs", "targets"], [0, 2])
        assert read.lengths[:, 0].max() <= longest
        inputs, targets = read.ids(np.arange(20))
        assert (inputs.dtype, targets.dtype) == ("int32", "float32")
        if not for_training:
            halves, lengths = targets.reshape(-1, 2).T
            assert (2 * halves).tolist() == lengths.tolist() == (read.lengths[:, 0] - 1).tolist()


def test_records_of_another_problem(tmp_path):
    shard = str(tmp_path / "lengths-train-00000-of-00001")
    for targets in ({}, {"targets": [1.0]}, {"targets": [1, 2]}):
        write_shard(shard, [serialized({"inputs": [5, 1], **targets})])
        with pytest.raises(DataError, match="record 0 of .* as targets; run t2t-datagen again"):
            Lengths().read_examples([shard], "train", HParams())
    write_shard(shard, [])
    with pytest.raises(DataError, match="has no example"):
        Lengths().read_examples([shard], "train", HParams())


def test_what_the_model_is_told(data_dir):
    filled = Lengths().get_hparams(HParams(), data_dir)
    assert filled.modality == {"inputs": "symbol", "targets": "real_l2"}
    assert filled.vocab_size == {"inputs": 258, "targets": 2}
    assert not filled.stop_at_eos
    assert Lengths().eval_metrics() == ["rmse"]
    assert Text2RealProblem().eval_metrics() == ["rmse", "pearson"]
    # However long a text is, it is read.
    assert Lengths().max_length(HParams(max_length=16, batch_size=4096)) == 4096


@pytest.mark.parametrize(
    "targets", [[1.0], [1.0, 2.0, 3.0], "1 2", [1.0, "two"], [1.0, float("nan")], 5]
)
def test_other_targets(targets, tmp_path):
    class Odd(Lengths):
        def generate_samples(self, data_dir, tmp_dir, dataset_split):
            yield {"inputs": "x", "targets": [1, 2]}
            yield {"inputs": "x", "targets": targets}

    expected = f"odd: sample 1 has the targets {targets!r}; expected ntasks=2 finite numbers"
    with pytest.raises(DataError, match=re.escape(expected)):
        Odd().generate_data(str(tmp_path), str(tmp_path))


def test_a_bare_number(tmp_path):
    class Bare(Lengths):
        ntasks = 1

        def generate_samples(self, data_dir, tmp_dir, dataset_split):
            for length in range(1, 31):
                yield {"inputs": "x" * length, "targets": length}

    (made, *_) = Bare().generate_encoded_samples(str(tmp_path), str(tmp_path), "train")
    assert made == {"inputs": [122, 1], "targets": [1.0]}


def make_setup(data_dir, model):
    run = RunRecord.describe("lengths", model, HParams(**TINY, batch_size=256), [])
    return TrainingSetup(run, data_dir, TrainArgs(), Devices("tensorflow", "CPU", 1))


def test_evaluation_is_of_all_numbers(data_dir, tmp_path):
    setup = make_setup(data_dir, "transformer_encoder")
    # With its last layer 0, a model predicts 0.
    for weight in setup.network.classes.weights:
        weight.assign(tf.zeros_like(weight))
    metrics = setup.evaluate()
    records = tf.data.TFRecordDataset(setup.shards["eval"])
    right = [
        float(number)
        for example in setup.problem.examples(records, "eval", setup.hparams).as_numpy_iterator()
        for number in example["targets"]
    ]
    mean_square = sum(number**2 for number in right) / len(right)
    assert metrics["loss"] == pytest.approx(mean_square, rel=1e-5)
    assert metrics["rmse"] == pytest.approx(mean_square**0.5, rel=1e-5)
    setup.write_batch(tmp_path / "batch.jsonl", step=1)
    row = json.loads((tmp_path / "batch.jsonl").read_text().splitlines()[0])
    assert row["targets_ids"] == [len(row["inputs"]) / 2, len(row["inputs"])]


def test_a_model_that_writes_text(data_dir):
    with pytest.raises(HParamsError, match="targets aren't text; use --model=transformer_encoder"):
        make_setup(data_dir, "transformer")


def test_inspection(data_dir, capsys):
    inspect_data(Lengths(), data_dir, "dev", 1)
    shown = capsys.readouterr().out
    assert re.search(r"targets +2 +[\d.]+ \d+\n", shown)
    assert re.search(r"dev +targets +10 +20 ", shown)
