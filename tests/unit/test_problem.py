"""Problem: names, paths, _rev and _copy, reading records."""

import os
from pathlib import Path

import pytest
import tensorflow as tf

from t2tlite import registry
from t2tlite.batches.examples import each_row
from t2tlite.config import HParams, ProblemHParams
from t2tlite.data.manifest import Manifest, Split, path_of
from t2tlite.data.records import serialized, shard_paths, write_shard
from t2tlite.datagen.generate_data import generate_data
from t2tlite.errors import DataError, PluginError
from t2tlite.problem import DatasetSplit, Problem
from t2tlite.text_problems import Text2ClassProblem, Text2SelfProblem, Text2TextProblem
from t2tlite.translate import TranslateDistillProblem


class Encoder:
    def __init__(self, vocab_size):
        self.vocab_size = vocab_size


class WmtEnde8k(Problem):
    """A problem with two vocabularies."""

    def feature_encoders(self, data_dir):
        return {"inputs": Encoder(10), "targets": Encoder(20)}

    def hparams(self, defaults, model_hparams):
        defaults.vocab_size = {name: one.vocab_size for name, one in defaults.vocabulary.items()}
        defaults.modality = {"inputs": "symbol", "targets": "symbol"}
        defaults.input_space_id, defaults.target_space_id = 3, 8


def test_names():
    assert WmtEnde8k().name == "wmt_ende8k"
    made = WmtEnde8k(was_reversed=True, was_copy=True)
    made.name = "given"
    assert (made.name, made.full_name, made.dataset_filename()) == (
        "given",
        "given_rev_copy",
        "given",
    )


def test_paths():
    made = WmtEnde8k()
    assert made.training_filepaths("d", 2, True) == shard_paths("d", "wmt_ende8k-train", 2)
    assert made.dev_filepaths("d", 1, False) == shard_paths("d", "wmt_ende8k-unshuffled-dev", 1)
    assert made.test_filepaths("d", 1, True) == shard_paths("d", "wmt_ende8k-test", 1)
    paths = made.filepaths_by_split("d")
    assert {split: len(one) for split, one in paths.items()} == {"train": 100, "eval": 1}
    assert made.filepattern("d", "eval") == "d/wmt_ende8k-dev-*"
    assert made.filepattern("d", "train", 7) == "d/wmt_ende8k-train-00007*"


def test_an_unknown_split():
    class Odd(Problem):
        dataset_splits = [{"split": "validation", "shards": 1}]

    with pytest.raises(DataError, match="odd: dataset_splits names 'validation'; expected one of"):
        Odd().filepaths_by_split("d")


@pytest.mark.parametrize("shards", [0, -1, None, "3", 2.0, 100_000])
def test_a_number_of_shards_that_isnt_possible(shards):
    class Odd(Problem):
        dataset_splits = [{"split": "train", "shards": shards}]

    with pytest.raises(DataError, match="odd: dataset_splits gives 'train' .* shards; expected a"):
        Odd().filepaths_by_split("d")


@pytest.mark.parametrize("splits", [[], [{}], [{"split": "eval", "shards": 1}] * 2])
def test_splits_that_arent_possible(splits):
    class Odd(Problem):
        dataset_splits = splits

    with pytest.raises(DataError, match="odd: dataset_splits"):
        Odd().filepaths_by_split("d")


@pytest.mark.parametrize("name", ["a/b", "..", "\ud800"])
def test_a_name_that_cant_begin_file_names(tmp_path, name, own_names):
    with pytest.raises(PluginError, match="the name of a problem: .* isn't a plain file name"):
        registry.register_problem(name)(WmtEnde8k)

    class Odd(WmtEnde8k):
        def dataset_filename(self):
            return name

    registry.register_problem(Odd)
    with pytest.raises(DataError, match="odd: dataset_filename: .* isn't a plain file name"):
        generate_data("odd", str(tmp_path / "data"))
    assert not os.listdir(tmp_path)


def test_a_subset_of_the_shards(tmp_path, warned):
    """The manifest knows all 90, and its sizes are still compared."""
    names = [f"wmt_ende8k-train-{number:05d}-of-00090" for number in range(90)]
    splits = {"train": Split(90, bytes=dict.fromkeys(names, 0))}
    Manifest("wmt_ende8k", 0, splits).write(path_of(tmp_path, "wmt_ende8k"))
    for name in names[80:]:
        (tmp_path / name).touch()
    for _ in range(2):
        paths = WmtEnde8k().shards(str(tmp_path), DatasetSplit.TRAIN)
        assert [Path(path).name for path in paths] == names[80:]
    assert ["10 of 90 shards" in line for line in warned] == [True]
    (tmp_path / names[85]).write_bytes(b"x")
    with pytest.raises(DataError, match="00085-of-00090 has 1 bytes, the manifest says 0"):
        WmtEnde8k().shards(str(tmp_path), DatasetSplit.TRAIN)


def test_shards_that_exist(tmp_path):
    made = WmtEnde8k()
    with pytest.raises(DataError, match="no files wmt_ende8k-dev"):
        made.shards(str(tmp_path), DatasetSplit.EVAL)
    write_shard(tmp_path / "wmt_ende8k-dev-00000-of-00001", [])
    [path] = made.shards(str(tmp_path), DatasetSplit.EVAL)
    assert path == str(tmp_path / "wmt_ende8k-dev-00000-of-00001")
    splits = {"eval": Split(bytes={Path(path).name: 7})}
    Manifest("wmt_ende8k", 0, splits).write(path_of(tmp_path, "wmt_ende8k"))
    with pytest.raises(DataError, match="has 0 bytes, the manifest says 7"):
        made.shards(str(tmp_path), DatasetSplit.EVAL)


@pytest.mark.parametrize(
    ("suffixes", "sizes", "spaces"),
    [
        ({}, (10, 20), (3, 8)),
        ({"was_reversed": True}, (20, 10), (8, 3)),
        ({"was_copy": True}, (10, 10), (3, 8)),
        ({"was_reversed": True, "was_copy": True}, (20, 20), (8, 3)),
    ],
)
def test_hparams_of_the_problem(suffixes, sizes, spaces):
    made = WmtEnde8k(**suffixes).get_hparams()
    assert (made.vocab_size["inputs"], made.vocab_size["targets"]) == sizes
    assert (made.vocabulary["inputs"].vocab_size, made.vocabulary["targets"].vocab_size) == sizes
    assert (made.input_space_id, made.target_space_id) == spaces
    encoders = WmtEnde8k(**suffixes).get_feature_encoders()
    assert (encoders["inputs"].vocab_size, encoders["targets"].vocab_size) == sizes


def test_encoders_are_created_once():
    made = WmtEnde8k()
    assert made.get_feature_encoders() is made.get_feature_encoders()


@pytest.mark.parametrize("hook", ["generate_data", "feature_encoders"])
def test_hooks_without_a_default(hook):
    with pytest.raises(NotImplementedError, match=f"Problem has no {hook}"):
        getattr(Problem(), hook)(*["", ""][: 2 if hook == "generate_data" else 1])


def test_base_hooks():
    defaults = ProblemHParams()
    Problem().hparams(defaults, HParams())
    assert defaults == ProblemHParams()
    assert Problem().has_inputs
    assert Problem().decode_hooks == []
    assert Problem().packed_length is None


class TestReading:
    """Reading records, without TensorFlow or with it: both are equal."""

    @pytest.fixture(autouse=True)
    def folder(self, tmp_path):
        self.shard = str(tmp_path / "p-train-00000-of-00001")

    def read(self, problem, example, mode="train", for_training=None, **values):
        write_shard(self.shard, [serialized(example)])
        hparams = HParams(**values)
        rows = list(each_row(problem.read_examples([self.shard], mode, hparams, for_training)))
        if hparams.prepend_mode == "none":
            records = tf.data.TFRecordDataset(self.shard)
            made = problem.examples(records, mode, hparams, for_training)
            assert all(spec.dtype == tf.int32 for spec in made.element_spec.values())
            by_tensorflow = made.as_numpy_iterator()
            assert rows == [{k: v.tolist() for k, v in one.items()} for one in by_tensorflow]
        return rows

    @pytest.mark.parametrize(
        ("suffixes", "expected"),
        [
            ({}, ([2, 3, 1], [4, 1])),
            ({"was_reversed": True}, ([4, 1], [2, 3, 1])),
            ({"was_copy": True}, ([2, 3, 1], [2, 3, 1])),
            ({"was_reversed": True, "was_copy": True}, ([4, 1], [4, 1])),
        ],
    )
    def test_suffixes(self, suffixes, expected):
        # A string feature isn't read.
        [found] = self.read(
            Problem(**suffixes), {"inputs": [2, 3, 1], "targets": [4, 1], "note": "text"}
        )
        assert found == dict(zip(("inputs", "targets"), expected, strict=True))

    def test_long_sequences_are_truncated(self):
        example = {"inputs": [2, 3, 1], "targets": [4, 5, 6, 1]}
        [found] = self.read(Problem(), example, max_input_seq_length=2, max_target_seq_length=3)
        assert found == {"inputs": [2, 3], "targets": [4, 5, 6]}

    @pytest.mark.parametrize(
        "other", [{"mode": "eval"}, {"mode": "test"}, {"mode": "train", "for_training": False}]
    )
    @pytest.mark.parametrize("plugin", [False, True])
    def test_only_training_truncates(self, other, plugin):
        class Cuts(Problem):
            def preprocess_example(self, example, mode, hparams):
                # T2T's own function doesn't look at the mode.
                limit = hparams.max_target_seq_length
                if limit > 0:
                    example["targets"] = example["targets"][:limit]
                return super().preprocess_example(example, mode, hparams)

        example = {"inputs": [2, 3, 1], "targets": [4, 5, 6, 1]}
        limits = {"max_input_seq_length": 2, "max_target_seq_length": 3}
        problem = Cuts() if plugin else Problem()
        assert self.read(problem, example, **other, **limits) == [example]

    @pytest.mark.parametrize(
        ("suffixes", "limit", "expected"),
        [
            ({}, 0, [2, 3, 1, 0, 4, 1]),
            ({"was_reversed": True}, 0, [4, 1, 0, 2, 3, 1]),
            # It limits the whole sequence, as in T2T.
            ({}, 5, [2, 3, 1, 0, 4]),
        ],
    )
    def test_training_joins_inputs_and_targets(self, suffixes, limit, expected):
        example = {"inputs": [2, 3, 1], "targets": [4, 1]}
        values = {"prepend_mode": "prepend_inputs_full_attention", "max_target_seq_length": limit}
        problem = Problem(**suffixes)
        assert self.read(problem, example, **values) == [{"targets": expected}]
        [apart] = self.read(problem, example, "eval", **values)
        assert set(apart) == {"inputs", "targets"}

    def test_a_preprocess_hook_sees_the_data_unreversed_and_may_split_it(self):
        class Halves(Problem):
            def preprocess_example(self, example, mode, hparams):
                assert mode == "train"
                halves = {name: tf.stack([one[:1], one[1:2]]) for name, one in example.items()}
                return tf.data.Dataset.from_tensor_slices(halves)

        found = self.read(Halves(was_reversed=True), {"inputs": [2, 3], "targets": [4, 5]})
        assert found == [{"inputs": [4], "targets": [2]}, {"inputs": [5], "targets": [3]}]

    def test_a_float_feature_is_no_part_of_a_batch(self):
        class Weighted(Problem):
            def example_reading_spec(self):
                spec, decoders = super().example_reading_spec()
                return {**spec, "weight": tf.io.FixedLenFeature([1], tf.float32)}, decoders

        [found] = self.read(Weighted(), {"inputs": [2], "targets": [3], "weight": [0.5]})
        assert found == {"inputs": [2], "targets": [3]}

    @pytest.mark.parametrize(
        ("base", "example"),
        [
            (Text2TextProblem, {"inputs": [2, 1], "targets": [3, 1]}),
            (Text2SelfProblem, {"targets": [3, 1]}),
            (Text2ClassProblem, {"inputs": [2, 3, 1], "targets": [0]}),
            (
                TranslateDistillProblem,
                {"inputs": [2, 1], "targets": [3, 1], "dist_targets": [4, 1]},
            ),
        ],
    )
    def test_classes_that_say_it_twice(self, base, example):
        """`record_features` and the hooks for TensorFlow."""
        problem = type("Own", (base,), {})()
        assert not problem._overridden_hook()
        expected = {name: example.get("dist_" + name, example[name]) for name in example}
        expected.pop("dist_targets", None)
        for values in ({}, {"max_target_seq_length": 1}):
            [found] = self.read(problem, example, **values)
            limit = values.get("max_target_seq_length")
            assert found == {**expected, "targets": expected["targets"][:limit]}

    @pytest.mark.parametrize("hook", ["example_reading_spec", "preprocess_example", "preprocess"])
    def test_a_plugins_hook_is_called(self, hook):
        called = []

        def own(self, *args):
            called.append(hook)
            return getattr(Problem, hook)(self, *args)

        problem = type("Own", (Problem,), {hook: own})()
        example = {"inputs": [2, 1], "targets": [3, 1]}
        assert self.read(problem, example) == [example]
        assert called


def test_paths_of_a_split():
    made = WmtEnde8k()
    assert made.data_filepaths("eval", "d", 2, False) == made.dev_filepaths("d", 2, False)
    with pytest.raises(DataError, match="wmt_ende8k has no split 'dev'; choose train, eval, test"):
        made.data_filepaths("dev", "d", 2, False)


def test_a_name_that_is_set_before_the_base_class_is():
    class Early(Problem):
        def __init__(self):
            self.name = "given"
            super().__init__()

    assert Early().name == "given"


def test_it_shows_its_class_and_name():
    assert repr(registry.problem("reverse_digits_rev")) == "ReverseDigits('reverse_digits_rev')"
