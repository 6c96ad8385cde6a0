"""Statistics of a data folder: counts, comparison of splits, errors of damaged files."""

from collections import Counter

import pytest

from t2tlite.data.records import serialized, write_shard
from t2tlite.data.statistics import FeatureSummary, summarize
from t2tlite.errors import DataError
from t2tlite.text import ByteTextEncoder, ClassLabelEncoder, TokenTextEncoder

TOKENS = TokenTextEncoder(None, vocab_list=["a", "b", "unknown"], replace_oov="unknown")
A, B, UNKNOWN = 2, 3, 4


@pytest.fixture
def shard(tmp_path):
    """Returns a function that writes pairs of ids, with EOS added, as a split."""

    def shard(split, *pairs):
        path = tmp_path / split
        examples = [{"inputs": [*left, 1], "targets": [*right, 1]} for left, right in pairs]
        write_shard(path, map(serialized, examples))
        return [str(path)]

    return shard


def of_tokens(shards, shown=0, **prefixes):
    return summarize(shards, {"inputs": TOKENS, "targets": TOKENS}, prefixes, shown)


def test_what_is_counted(shard):
    shards = {"train": shard("train", ([A, UNKNOWN], []), ([], []), ([A], [B, B, B]))}
    summary = of_tokens(shards, shown=1)["train"]
    inputs, targets = summary.features["inputs"], summary.features["targets"]
    assert summary.examples == 3
    assert (inputs.tokens, inputs.fallback, inputs.empty) == (6, 1, 1)
    assert (targets.tokens, targets.fallback, targets.empty) == (6, 0, 2)
    assert targets.lengths == Counter({1: 2, 4: 1})
    assert summary.first == [{"inputs": [A, UNKNOWN, 1], "targets": [1]}]
    assert summary.empty == [{"inputs": [1], "targets": [1]}]


def test_percentiles():
    feature = FeatureSummary(lengths=Counter({1: 50, 2: 40, 7: 9, 100: 1}))
    assert [feature.percentile(percent) for percent in (50, 51, 90, 99, 100)] == [1, 2, 2, 7, 100]
    assert FeatureSummary().percentile(50) == 0


def test_splits_are_compared_with_the_earlier_ones(shard):
    shards = {
        "train": shard("train", ([A], [B]), ([B], [A]), ([A], [B])),
        # Twice a pair of train, once its inputs alone, once nothing of it.
        "eval": shard("eval", ([A], [B]), ([A], [B]), ([B], [B]), ([A, A], [B])),
        "test": shard("test", ([A, A], [B]), ([B], [A])),
    }
    summaries = of_tokens(shards, shown=5)
    assert list(summaries) == ["train", "eval", "test"]
    shared = {
        (split, other): (counts.pairs, counts.inputs)
        for split, summary in summaries.items()
        for other, counts in summary.shared.items()
    }
    assert shared == {
        ("eval", "train"): (2, 3),
        ("test", "train"): (1, 1),
        ("test", "eval"): (1, 2),
    }
    assert summaries["test"].shared["eval"].shown == [{"inputs": [A, A, 1], "targets": [B, 1]}]


def test_chunks_make_no_difference(shard, monkeypatch):
    pairs = [([A] * (n % 7), [B] * (n % 5)) for n in range(60)]
    shards = {"train": shard("train", *pairs), "eval": shard("eval", *pairs[:9], ([B], [B]))}
    whole = of_tokens(shards)
    monkeypatch.setattr("t2tlite.data.statistics._CHUNK", 7)
    assert of_tokens(shards) == whole
    assert whole["eval"].shared["train"].pairs == 9


def test_nothing_but_the_prefix_is_empty(shard):
    shards = {"train": shard("train", ([A], [A]), ([A, B], [A]))}
    features = of_tokens(shards, inputs="a")["train"].features
    assert (features["inputs"].empty, features["targets"].empty) == (1, 0)


def test_a_class_label_is_not_empty_and_a_language_model_has_no_inputs(tmp_path):
    # The label 1 looks like EOS.
    write_shard(tmp_path / "labels", [serialized({"inputs": [5, 1], "targets": [1]})])
    encoders = {"inputs": ByteTextEncoder(), "targets": ClassLabelEncoder(["no", "yes"])}
    features = summarize({"train": [str(tmp_path / "labels")]}, encoders, {})["train"].features
    assert features["targets"].empty == 0

    write_shard(tmp_path / "text", [serialized({"targets": [5, 1]})])
    path = [str(tmp_path / "text")]
    summaries = summarize({"train": path, "eval": path}, {"targets": ByteTextEncoder()}, {})
    assert (summaries["eval"].shared["train"].pairs, summaries["eval"].shared["train"].inputs) == (
        1,
        None,
    )


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (b"\xff\xff\xff", "record 0 of .* isn't a tf.Example"),
        (serialized({"targets": [1]}), "holds 'targets' .ids., expected ids of inputs"),
        (serialized({"inputs": [2], "targets": "a"}), "'targets' .texts., expected ids of"),
        (serialized({"inputs": [9], "targets": [1]}), "train holds id 9 in inputs, .* has 5 ids"),
    ],
)
def test_damage(tmp_path, record, message):
    write_shard(tmp_path / "train", [record])
    with pytest.raises(DataError, match=message):
        of_tokens({"train": [str(tmp_path / "train")]})
