"""T2T's methods for reading data: dataset, input_fn, feature_info."""

import logging

import pytest

from t2tlite.batches.examples import each_row
from t2tlite.compat import t2t_hparams
from t2tlite.compat.tensor2tensor.data_generators import problem, text_problems
from t2tlite.config import HParams
from t2tlite.errors import DataError, PluginError


class Numbers(text_problems.Text2TextProblem):
    """A number -> the same in words of one letter."""

    vocab_type = text_problems.VocabType.CHARACTER
    dataset_splits = [{"split": "train", "shards": 3}, {"split": "eval", "shards": 1}]
    is_generate_per_split = False

    def generate_samples(self, data_dir, tmp_dir, dataset_split):
        for number in range(40):
            yield {"inputs": str(number), "targets": "n" * (number + 1)}


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    made = tmp_path_factory.mktemp("data")
    Numbers().generate_data(str(made), str(made))
    return str(made)


def inputs_of(dataset):
    return [
        "".join(chr(id_ - 2) for id_ in example["inputs"][:-1])
        for example in dataset.as_numpy_iterator()
    ]


def test_a_pass_over_a_split(data_dir):
    train = inputs_of(Numbers().dataset("train", data_dir))
    evaluation = inputs_of(Numbers().dataset("eval", data_dir))
    assert sorted(map(int, train + evaluation)) == list(range(40))
    assert len(evaluation) == 10
    # T2T's mode of decoding reads the evaluation split.
    assert inputs_of(Numbers().dataset("infer", data_dir)) == evaluation
    assert inputs_of(Numbers().dataset("train", data_dir, dataset_split="eval"))[:0] == []
    in_order = [inputs_of(Numbers().dataset("train", data_dir, None, None, False)) for _ in "ab"]
    assert in_order[0] == in_order[1] and sorted(in_order[0]) == sorted(train)
    assert train != in_order[0]


def test_parts_of_a_split(data_dir):
    whole = inputs_of(Numbers().dataset("train", data_dir, shuffle_files=False))
    parts = [
        inputs_of(
            Numbers().dataset(
                "train", data_dir, shuffle_files=False, partition_id=part, num_partitions=3
            )
        )
        for part in range(3)
    ]
    assert sum(parts, []) == whole
    shard = Numbers().dataset("train", data_dir, shuffle_files=False, shard=1)
    assert inputs_of(shard) == parts[1]
    assert len(inputs_of(Numbers().dataset("train", data_dir, max_records=4))) == 4
    with pytest.raises(DataError, match="found 3 shards named .*; expected 4 or more"):
        Numbers().dataset("train", data_dir, num_partitions=4)


def test_preprocessing(data_dir):
    class Short(Numbers):
        name = "numbers"

        def preprocess_example(self, example, mode, hparams):
            example["targets"] = example["targets"][: hparams.max_target_seq_length]
            return example

    def lengths(**arguments):
        hparams = HParams(max_target_seq_length=3)
        dataset = Short().dataset("eval", data_dir, hparams=hparams, **arguments)
        return {len(example["targets"]) for example in dataset.as_numpy_iterator()}

    assert lengths() <= {2, 3}
    assert max(lengths(preprocess=False)) > 10


def test_reversed(data_dir):
    made = Numbers(was_reversed=True)
    assert made.was_reversed
    made.name = "numbers"
    plain = inputs_of(Numbers().dataset("eval", data_dir))
    examples = made.dataset("eval", data_dir).as_numpy_iterator()
    assert ["".join(chr(i - 2) for i in one["targets"][:-1]) for one in examples] == plain


def test_no_data(tmp_path):
    with pytest.raises(DataError, match="dataset got no data_dir; pass the data folder"):
        Numbers().dataset("train")
    with pytest.raises(DataError, match="no file is named .*numbers-test-.*; generate the data"):
        Numbers().dataset("test", str(tmp_path))


def test_batches(data_dir):
    hparams = HParams(batch_size=256, max_length=64)
    batches = Numbers().input_fn("eval", hparams, data_dir)
    rows = 0
    for features, targets in batches.as_numpy_iterator():
        assert features["inputs"].shape[2:] == targets.shape[2:] == (1, 1)
        assert targets.shape[0] * targets.shape[1] <= 256
        rows += len(targets)
    assert rows == 10
    (features,) = Numbers().input_fn("infer", hparams, data_dir).take(1)
    assert set(features) == {"inputs", "infer_targets"}
    endless = Numbers().make_estimator_input_fn("train", hparams, data_dir=data_dir)({}, None)
    assert sum(len(targets) for _, targets in endless.take(60).as_numpy_iterator()) > 40
    once = Numbers().input_fn("train", hparams, data_dir, prevent_repeat=True)
    assert sum(len(targets) for _, targets in once.as_numpy_iterator()) == 30


def test_what_is_known_of_features(data_dir):
    made = Numbers()
    made.get_hparams(HParams(), data_dir)
    info = made.feature_info
    assert set(info) == {"inputs", "targets"}
    assert (info["targets"].modality, info["targets"].vocab_size) == ("symbol", 258)
    assert info["inputs"].encoder.encode("a") == [99]
    assert info["inputs"].space_id == problem.SpaceID.GENERIC


def test_own_pipelines_are_not_ignored(data_dir, caplog):
    class Own(Numbers):
        def dataset(self, *args, **kwargs):
            return super().dataset(*args, **kwargs).take(1)

    with pytest.raises(PluginError, match="own overrides dataset, which t2tlite doesn't call; put"):
        Own().read_examples([], "train", HParams())

    class Hooks(Numbers):
        def eval_hooks(self, features, logits, hparams):
            return ["hook"]

    with caplog.at_level(logging.WARNING):
        Hooks().read_examples(Numbers().shards(data_dir, "eval"), "eval", HParams())
    assert "hooks overrides eval_hooks, which t2tlite doesn't call" in caplog.text


def test_a_whole_dataset_is_preprocessed(data_dir):
    import tensorflow as tf

    class Pairs(Numbers):
        name = "numbers"

        def preprocess(self, dataset, mode, hparams, interleave=True):
            return super().preprocess(dataset, mode, hparams, interleave).take(3)

    made = Pairs()
    records = tf.data.TFRecordDataset(made.shards(data_dir, "eval"))
    assert len(list(made.examples(records, "eval", HParams()))) == 3


class ReadsHParams(Numbers):
    """Its hooks use T2T's methods of the model's hparams."""

    def hparams(self, defaults, model_hparams):
        super().hparams(defaults, model_hparams)
        assert "hidden_size" in model_hparams and "steps_of_mine" not in model_hparams.values()
        model_hparams.add_hparam("shown", model_hparams.get("steps_of_mine", 3))
        model_hparams.set_hparam("batch_size", 77)

    def preprocess_example(self, example, mode, hparams):
        example["targets"] = example["targets"][: hparams.get("shown")]
        return example


@pytest.mark.parametrize("make", [HParams, t2t_hparams.HParams])
def test_the_hparams_that_hooks_get_have_t2ts_methods(data_dir, make):
    read, hparams = ReadsHParams(), make()
    # A training asks several times; what the hook assigns is the model's.
    for _ in "ab":
        read.get_hparams(hparams, data_dir)
    assert (hparams.shown, hparams.batch_size) == (3, 77)
    assert type(hparams) is make and type(hparams.copy()) is make
    shards = [f"{data_dir}/numbers-train-00000-of-00003"]
    examples = read.read_examples(shards, "train", hparams)
    assert max(len(row["targets"]) for row in each_row(examples)) == 3
