"""Problem classes for text: from samples to shards and back to text."""

import json

import pytest

from t2tlite.config import HParams
from t2tlite.data import manifest
from t2tlite.errors import DataError, SampleError
from t2tlite.problem import DatasetSplit
from t2tlite.text import ByteTextEncoder, SentencePieceEncoder, SubwordTextEncoder
from t2tlite.text_problems import (
    Text2ClassProblem,
    Text2SelfProblem,
    Text2TextProblem,
    VocabType,
    text2text_generate_encoded,
)

WORDS = ["wood", "lovely", "dark", "deep", "mile", "sleep", "promise", "keep"]
SPLITS = [{"split": DatasetSplit.TRAIN, "shards": 3}, {"split": DatasetSplit.EVAL, "shards": 1}]


def pairs(split, count=24):
    for i in range(count):
        text = f"{WORDS[i % 8]} {WORDS[i // 3 % 8]} {split}"
        yield {"inputs": text, "targets": text[::-1]}


class Reversing(Text2TextProblem):
    """Reverses the letters of a text."""

    dataset_splits = SPLITS
    vocab_type = VocabType.CHARACTER

    def generate_samples(self, data_dir, tmp_dir, dataset_split):
        yield from pairs(dataset_split)


def generate(problem, folder):
    folder.mkdir(exist_ok=True)
    problem.generate_data(str(folder), str(folder))
    return str(folder)


def read(problem, folder, split="train"):
    """Returns the examples of a split: texts by feature, without EOS; labels as numbers."""
    import tensorflow as tf

    records = tf.data.TFRecordDataset(problem.shards(folder, split))
    encoders = problem.get_feature_encoders(folder)

    def text(name, ids):
        if hasattr(encoders[name], "encode") and len(ids) > 1:
            assert ids[-1] == 1
            return encoders[name].decode(ids[:-1])
        return ids[0]

    examples = problem.examples(records, split, HParams()).as_numpy_iterator()
    return [{name: text(name, ids.tolist()) for name, ids in one.items()} for one in examples]


def in_order(samples):
    return sorted(samples, key=str)


def test_text_to_text(tmp_path):
    folder = generate(Reversing(), tmp_path)
    for split in ("train", "eval"):
        assert in_order(read(Reversing(), folder, split)) == in_order(pairs(split))
    swapped = [{"inputs": one["targets"], "targets": one["inputs"]} for one in pairs("eval")]
    assert in_order(read(Reversing(was_reversed=True), folder, "eval")) == in_order(swapped)
    copied = [{"inputs": one["inputs"], "targets": one["inputs"]} for one in pairs("eval")]
    assert in_order(read(Reversing(was_copy=True), folder, "eval")) == in_order(copied)


def test_text_alone(tmp_path):
    class Lines(Text2SelfProblem):
        dataset_splits = SPLITS
        vocab_type = VocabType.CHARACTER

        def generate_samples(self, data_dir, tmp_dir, dataset_split):
            return ({"targets": one["targets"]} for one in pairs(dataset_split))

    folder = generate(Lines(), tmp_path)
    expected = [{"targets": one["targets"]} for one in pairs("train")]
    assert in_order(read(Lines(), folder)) == in_order(expected)
    told = Lines().get_hparams(data_dir=folder)
    assert (told.vocab_size, told.modality) == ({"targets": 258}, {"targets": "symbol"})


class Colours(Text2ClassProblem):
    dataset_splits = SPLITS
    vocab_type = VocabType.CHARACTER
    num_classes = 2

    def class_labels(self, data_dir):
        return ["red", "blue"]

    def generate_samples(self, data_dir, tmp_dir, dataset_split):
        for i, one in enumerate(pairs(dataset_split)):
            yield {"inputs": one["inputs"], "label": i % 2}


def test_an_empty_test_split(tmp_path, caplog):
    """As in T2T, it is no error: only an evaluation on it needs it."""

    class NoTest(Text2TextProblem):
        vocab_type = VocabType.CHARACTER
        dataset_splits = [{"split": one, "shards": 2} for one in ("train", "eval", "test")]

        def generate_samples(self, data_dir, tmp_dir, split):
            return iter(() if split == "test" else pairs(split))

    folder = generate(NoTest(), tmp_path)
    assert "yielded too few samples: split 'test' is empty" in caplog.text
    assert len(NoTest().shards(folder, "test")) == 2
    assert len(read(NoTest(), folder)) == len(list(pairs("train")))


class TestTextToClass:
    def test_round_trip(self, tmp_path):
        folder = generate(Colours(), tmp_path)
        expected = [
            {"inputs": one["inputs"], "targets": i % 2} for i, one in enumerate(pairs("train"))
        ]
        assert in_order(read(Colours(), folder)) == in_order(expected)
        told = Colours().get_hparams(data_dir=folder)
        assert told.vocab_size == {"inputs": 258, "targets": 2}
        assert told.modality["targets"] == "class_label"
        assert told.vocabulary["targets"].decode([1]) == "blue"

    def test_labels_as_a_property(self):
        class Property(Colours):
            class_labels = property(lambda self: ["one", "two"])

        assert Property().feature_encoders("")["targets"].decode([0]) == "one"

    @pytest.mark.parametrize(
        ("classes", "labels", "message"),
        [
            (4, ["red", "blue", "ID_2", "ID_3"], "num_classes=4; label 2 is called ID_2, and so"),
            (1, ["red"], "found 2 class_labels and num_classes=1; the last labels aren't used"),
        ],
    )
    def test_another_number_of_labels(self, caplog, classes, labels, message):
        """T2T takes them as they are."""

        class Others(Colours):
            num_classes = classes

        encoder = Others().feature_encoders("")["targets"]
        assert encoder.decode_list(range(encoder.vocab_size)) == labels
        assert message in caplog.text

    def test_several_labels(self, tmp_path):
        class Many(Colours):
            def generate_encoded_samples(self, data_dir, tmp_dir, split):
                for count in (1, 39):
                    yield {"inputs": [5, 1], "targets": [0] * count}

        with pytest.raises(DataError, match="sample 1 has 39 labels; expected one"):
            generate(Many(), tmp_path)

    def test_default_labels(self):
        class Plain(Text2ClassProblem):
            num_classes = 3

        assert Plain().class_labels(None) == ["ID_0", "ID_1", "ID_2"]

    @pytest.mark.parametrize(
        ("label", "message"),
        [
            (2, "found label 2; expected 0 to 1"),
            (-1, "found label -1; expected 0 to 1"),
            ("red", "'label' is str 'red'; expected int"),
        ],
    )
    def test_a_label_that_isnt_one(self, tmp_path, label, message):
        class Wrong(Colours):
            def generate_samples(self, *args):
                yield {"inputs": "a", "label": label}

        with pytest.raises(DataError, match=message):
            generate(Wrong(), tmp_path)


class TestSplits:
    @pytest.mark.parametrize("form", ["attribute", "property", "method"])
    def test_one_stream_is_distributed_over_all_shards(self, tmp_path, form):
        asked = []

        class Once(Reversing):
            if form == "attribute":
                is_generate_per_split = False
            else:
                is_generate_per_split = property(lambda self: form == "method")

            def generate_samples(self, data_dir, tmp_dir, dataset_split):
                asked.append(dataset_split)
                yield from pairs(dataset_split)

        if form == "method":
            # Some T2T plugins define a method, which T2T never calls: a method is true.
            Once.is_generate_per_split = lambda self: pytest.fail("called")
        folder = generate(Once(), tmp_path)
        counts = [len(read(Once(), folder, split)) for split in ("train", "eval")]
        if form == "method":
            assert (asked, counts) == (["train", "eval"], [24, 24])
        else:
            assert (asked, counts) == (["train"], [18, 6])
            both = read(Once(), folder, "train") + read(Once(), folder, "eval")
            assert in_order(both) == in_order(pairs("train"))


class TestVocabularies:
    class Subwords(Reversing):
        vocab_type = VocabType.SUBWORD
        approx_vocab_size = 300

    def test_sentencepiece_learns_from_training_samples(self, tmp_path):
        problem = self.Subwords()
        folder = generate(problem, tmp_path)
        assert (tmp_path / "vocab.subwords.300.model").exists()
        assert problem.vocab_filename == "vocab.subwords.300.subwords"
        encoder = problem.get_feature_encoders(folder)["inputs"]
        assert isinstance(encoder, SentencePieceEncoder)
        assert in_order(read(problem, folder, "eval")) == in_order(pairs("eval"))
        made = manifest.read(folder, problem.name)
        assert set(made.vocabularies) == {"vocab.subwords.300.model"}
        # The vocabulary stays when the data is generated again.
        before = (tmp_path / "vocab.subwords.300.model").stat().st_mtime_ns
        generate(self.Subwords(), tmp_path)
        assert (tmp_path / "vocab.subwords.300.model").stat().st_mtime_ns == before
        assert manifest.read(folder, problem.name) == made

    def test_an_existing_t2t_vocabulary_is_used(self, tmp_path):
        generate(self.Subwords(), tmp_path)
        letters = [f"'{c}'" for c in "abcdefghijklmnopqrstuvwxyz_\\;0123456789u "]
        lines = ["'<pad>'", "'<EOS>'", "'wood_'", *letters]
        (tmp_path / "vocab.subwords.300.subwords").write_text("\n".join(lines) + "\n")
        problem = self.Subwords()
        folder = generate(problem, tmp_path)
        encoder = problem.get_feature_encoders(folder)["targets"]
        assert isinstance(encoder, SubwordTextEncoder)
        assert encoder.encode("wood") == [2]
        assert in_order(read(problem, folder)) == in_order(pairs("train"))
        assert "vocab.subwords.300.subwords" in manifest.read(folder, problem.name).vocabularies

    def test_samples_for_a_vocabulary(self):
        class Few(Reversing):
            max_samples_for_vocab = 2

        expected = [text for one in list(pairs("train"))[:2] for text in one.values()]
        assert list(Few().generate_text_for_vocab("", "")) == expected

    def test_a_token_vocabulary_written_while_generating(self, tmp_path):
        class Tokens(Reversing):
            vocab_type = VocabType.TOKEN
            oov_token = "<UNK>"

            def generate_samples(self, data_dir, tmp_dir, dataset_split):
                with open(f"{data_dir}/{self.vocab_filename}", "w") as file:
                    file.write("\n".join(["<UNK>", *WORDS]) + "\n")
                for one in pairs(dataset_split):
                    yield {**one, "targets": "dark"}

        folder = generate(Tokens(), tmp_path)
        assert in_order(read(Tokens(), folder, "eval")) == in_order(
            {"inputs": one["inputs"].replace("eval", "<UNK>"), "targets": "dark"}
            for one in pairs("eval")
        )

    def test_an_encoder_of_the_users_own(self, tmp_path):
        class Upper:
            vocab_size = 300

            def encode(self, text):
                return [ord(c) for c in text.upper()]

            def decode(self, ids):
                return "".join(map(chr, ids))

        class Shouting(Reversing):
            def get_or_create_vocab(self, data_dir, tmp_dir, force_get=False):
                return Upper()

        found = read(Shouting(), generate(Shouting(), tmp_path), "eval")
        assert in_order(found) == in_order(
            {name: text.upper() for name, text in one.items()} for one in pairs("eval")
        )


def test_prefixes(tmp_path):
    class Prefixed(Reversing):
        inputs_prefix = "reverse: "
        targets_prefix = "= "

    assert in_order(read(Prefixed(), generate(Prefixed(), tmp_path), "eval")) == in_order(
        {"inputs": "reverse: " + one["inputs"], "targets": "= " + one["targets"]}
        for one in pairs("eval")
    )


class TestInvalidSamples:
    def error(self, tmp_path, hook):
        class Mine(Reversing):
            generate_samples = hook

        with pytest.raises(SampleError) as caught:
            generate(Mine(), tmp_path)
        assert not list(tmp_path.iterdir())
        return caught.value

    def test_raising(self, tmp_path):
        def hook(self, data_dir, tmp_dir, dataset_split):
            yield from list(pairs(dataset_split))[:3]
            raise LookupError("no more")

        error = self.error(tmp_path, hook)
        assert str(error) == (
            "mine: generate_samples(train) raised LookupError at sample 3: no more; mend the hook"
        )
        assert isinstance(error.__cause__, LookupError)

    def test_raising_at_once(self, tmp_path):
        def hook(self, data_dir, tmp_dir, dataset_split):
            raise LookupError("no generator")

        error = self.error(tmp_path, hook)
        assert str(error).startswith("mine: generate_samples(train) raised LookupError at sample 0")

    def test_returning_nothing(self, tmp_path):
        error = self.error(tmp_path, lambda self, *args: None)
        assert "generate_samples(train) returned NoneType None" in str(error)
        assert str(error).endswith("use yield")

    def test_a_missing_key(self, tmp_path):
        error = self.error(tmp_path, lambda self, *args: iter([{"input": "a", "targets": "b"}]))
        assert str(error).startswith("mine: generate_samples(train), sample 0: found 'input'")

    def test_yielding_nothing(self, tmp_path):
        error = self.error(tmp_path, lambda self, *args: iter([]))
        assert "yielded too few samples: split 'train' is empty" in str(error)


def test_one_dict_that_is_yielded_repeatedly(tmp_path):
    class Same(Reversing):
        def generate_samples(self, data_dir, tmp_dir, dataset_split):
            sample = {}
            for one in pairs(dataset_split):
                sample.update(one)
                yield sample

    assert in_order(read(Same(), generate(Same(), tmp_path))) == in_order(pairs("train"))


def test_other_values_of_a_sample_are_kept():
    encoder = ByteTextEncoder()
    samples = [{"inputs": "a", "targets": "b", "weight": [0.5]}]
    assert list(text2text_generate_encoded(samples, encoder)) == [
        {"inputs": [*encoder.encode("a"), 1], "targets": [*encoder.encode("b"), 1], "weight": [0.5]}
    ]


def test_the_manifest_has_a_hash_of_the_class(tmp_path):
    generate(Reversing(), tmp_path)
    written = json.loads((tmp_path / "reversing.manifest.json").read_text())
    assert written["source"] == Reversing().source_sha256() != Colours().source_sha256()
    assert set(written["versions"]) == {"t2tlite", "sentencepiece", "numpy"}
