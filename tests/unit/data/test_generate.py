"""Samples to shards: order, determinism, resuming, and no incomplete data."""

import multiprocessing
import os

import pytest
import tensorflow as tf

from t2tlite.data import chunks, generate, manifest, streams
from t2tlite.data.encoding import Encoding
from t2tlite.data.generate import Dataset
from t2tlite.data.manifest import Manifest, is_complete, working_folder
from t2tlite.data.records import read_examples, read_shard, shard_paths
from t2tlite.data.streams import Stream
from t2tlite.errors import DataError, OutputError, SampleError
from t2tlite.text import ByteTextEncoder, SampledSegmentations, train_sentencepiece


def numbers(count):
    return [{"targets": [number + 2] * (number % 5 + 1)} for number in range(count)]


def write(folder, examples, seed=0, train=3, dev=0, workers=1):
    paths = {"train": shard_paths(folder, "p-train", train)}
    if dev:
        paths["eval"] = shard_paths(folder, "p-dev", dev)
    stream = Stream("generate_samples(train)", lambda task: examples, paths)
    return Dataset([stream], folder, Manifest("p", seed)).write(workers)


def content(path):
    """Returns the number of each example, from its first target."""
    records = (tf.train.Example.FromString(record) for record in read_shard(path))
    return [record.features.feature["targets"].int64_list.value[0] - 2 for record in records]


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_shards_are_filled_in_turn_and_shuffled(tmp_path):
    write(tmp_path, numbers(100), train=3, dev=1)
    shards = [content(path) for path in shard_paths(tmp_path, "p-train", 3)]
    shards.append(content(tmp_path / "p-dev-00000-of-00001"))
    for i, shard in enumerate(shards):
        assert sorted(shard) == list(range(i, 100, 4))
        assert shard != sorted(shard)
    # Each shard has its own order.
    assert len({tuple(record // 4 for record in shard) for shard in shards}) == 4


def test_bytes_depend_on_examples_and_seed_alone(tmp_path):
    folders = [tmp_path / name for name in "abc"]
    for folder, seed in zip(folders, [1, 1, 2], strict=True):
        write(folder, numbers(50), seed)
    first, same, other = map(files, folders)
    assert first == same
    assert all(first[name] != other[name] for name in first)
    for name in shard_paths("", "p-train", 3):
        assert sorted(content(folders[0] / name)) == sorted(content(folders[2] / name))


def test_manifest_counts(tmp_path):
    written = write(tmp_path, numbers(11), train=2, dev=1)
    assert manifest.read(tmp_path, "p") == written
    train, dev = written.splits["train"], written.splits["eval"]
    assert (train.shards, train.examples, dev.shards, dev.examples) == (2, 8, 1, 3)
    lengths = [number % 5 + 1 for number in range(11)]
    assert dev.tokens == {"targets": sum(lengths[2::3])}
    assert train.tokens == {"targets": sum(lengths) - sum(lengths[2::3])}
    assert train.max_length == {"targets": 5}
    assert {**train.bytes, **dev.bytes} == {
        path.name: path.stat().st_size for path in tmp_path.glob("p-*-of-*")
    }


@pytest.mark.usefixtures("small_chunks")
def test_copies_of_training_examples_in_other_segmentations(tmp_path):
    texts = [f"{n:02d} to be or not to be that is the question" for n in range(24)]
    encoder = train_sentencepiece(texts, 330, tmp_path / "vocab.model")
    samples = [{"inputs": text, "targets": text[:9], "n": [i]} for i, text in enumerate(texts)]
    sampling = SampledSegmentations(copies=4, alpha=0.5, features=("inputs",))
    encoding = Encoding(dict.fromkeys(["inputs", "targets"], encoder)).copying(sampling)

    def written(folder, workers, seed=0):
        names = {"train": shard_paths(folder, "p-train", 2), "eval": [str(folder / "p-dev")]}
        stream = Stream("generate_samples(train)", lambda _: samples, names, lambda: encoding)
        result = Dataset([stream], folder, Manifest("p", seed)).write(workers)
        found = {}
        for split, paths in names.items():
            for _, example in read_examples(paths):
                ids = {name: tuple(example[name]) for name in ("inputs", "targets")}
                found.setdefault((split, example["n"][0]), []).append(ids)
        return result, found

    result, found = written(tmp_path / "a", 1)
    assert result.splits["train"].examples == 4 * 16
    assert result.splits["eval"].examples == 8
    for (split, number), copies in found.items():
        usual = (*encoder.encode(texts[number]), 1)
        assert len(copies) == (4 if split == "train" else 1)
        assert usual in [copy["inputs"] for copy in copies]
        for copy in copies:
            assert encoder.decode(copy["inputs"][:-1]) == texts[number]
            assert copy["targets"] == (*encoder.encode(texts[number][:9]), 1)
    assert len({copy["inputs"] for copies in found.values() for copy in copies}) > 4 * 16
    written(tmp_path / "b", 2)
    assert files(tmp_path / "a") == files(tmp_path / "b")
    assert written(tmp_path / "c", 1, seed=1)[1] != found


def interrupted(monkeypatch, target, after, error=KeyboardInterrupt):
    """Makes a function of the module fail after some calls."""
    original = getattr(generate, target)
    calls = []

    def fails(*args):
        calls.append(args)
        if len(calls) > after:
            raise error
        return original(*args)

    monkeypatch.setattr(generate, target, fails)
    return calls


@pytest.fixture
def small_chunks(monkeypatch):
    monkeypatch.setattr(streams, "CHUNK_SAMPLES", 10)


@pytest.mark.usefixtures("small_chunks")
class TestResuming:
    """A second run resumes what a first one began, and writes the same bytes."""

    @pytest.fixture
    def undisturbed(self, tmp_path):
        write(tmp_path / "undisturbed", numbers(64))
        return files(tmp_path / "undisturbed")

    @pytest.mark.parametrize(
        ("target", "after"),
        [("write_chunk", 3), ("write_merged_shard", 2), ("publish", 0)],
    )
    def test_after_a_stop(self, tmp_path, monkeypatch, undisturbed, target, after):
        folder = tmp_path / "data"
        with monkeypatch.context() as patch:
            interrupted(patch, target, after)
            with pytest.raises(KeyboardInterrupt):
                write(folder, numbers(64))
        # The working folder is beside it.
        assert not os.listdir(folder)
        calls = interrupted(monkeypatch, target, 10**6)
        write(folder, numbers(64))
        assert files(folder) == undisturbed
        # All samples are generated again and compared; finished shards are kept.
        assert len(calls) == {"write_chunk": 7, "write_merged_shard": 1, "publish": 1}[target]

    def test_in_the_middle_of_moving(self, tmp_path, monkeypatch, undisturbed):
        folder = tmp_path / "data"
        replaced = []

        def replace(source, target):
            if (
                "of-" in str(target)
                and len(replaced) == 2
                and str(folder) == os.path.dirname(target)
            ):
                raise KeyboardInterrupt
            if str(folder) == os.path.dirname(target):
                replaced.append(target)
            os.rename(source, target)

        with monkeypatch.context() as patch:
            patch.setattr(generate.publish.__globals__["os"], "replace", replace)
            with pytest.raises(KeyboardInterrupt):
                write(folder, numbers(64))
        assert len(list(folder.glob("*-of-*"))) == 2
        assert not is_complete(folder, "p", shard_paths(folder, "p-train", 3))
        write(folder, numbers(64))
        assert files(folder) == undisturbed

    def test_a_generator_that_raised_and_was_corrected(self, tmp_path, undisturbed):
        def broken():
            yield from numbers(64)[:35]
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            write(tmp_path / "data", broken())
        write(tmp_path / "data", numbers(64))
        assert files(tmp_path / "data") == undisturbed

    def test_other_samples_are_noticed(self, tmp_path, monkeypatch, undisturbed):
        folder = tmp_path / "data"
        with monkeypatch.context() as patch:
            interrupted(patch, "write_chunk", 6)
            with pytest.raises(KeyboardInterrupt):
                write(folder, [*numbers(15), *numbers(49)])
        write(folder, numbers(64))
        assert files(folder) == undisturbed

    def test_fewer_samples_than_before(self, tmp_path, monkeypatch, undisturbed):
        folder = tmp_path / "data"
        with monkeypatch.context() as patch:
            interrupted(patch, "count_leaks", 0)
            with pytest.raises(KeyboardInterrupt):
                write(folder, numbers(200), seed=0)
        (working_folder(folder, "p") / "index.json").unlink()
        write(folder, numbers(64))
        assert files(folder) == undisturbed

    def test_another_seed_starts_over(self, tmp_path, monkeypatch, undisturbed, warned):
        folder = tmp_path / "data"
        with monkeypatch.context() as patch:
            interrupted(patch, "write_merged_shard", 1)
            with pytest.raises(KeyboardInterrupt):
                write(folder, numbers(64), seed=5)
        write(folder, numbers(64))
        assert files(folder) == undisturbed
        assert "run that was stopped: seed; generating again" in "\n".join(warned)

    def test_shards_without_an_index_are_not_reused(self, tmp_path, monkeypatch, undisturbed):
        folder = tmp_path / "data"
        with monkeypatch.context() as patch:
            interrupted(patch, "write_merged_shard", 1)
            with pytest.raises(KeyboardInterrupt):
                write(folder, numbers(64), seed=5)
        assert list(working_folder(folder, "p").glob("*-of-*"))
        (working_folder(folder, "p") / "index.json").unlink()
        write(folder, numbers(64))
        assert files(folder) == undisturbed

    def test_overwriting_after_a_kill_at_the_very_end(self, tmp_path, monkeypatch, undisturbed):
        folder = tmp_path / "data"
        with monkeypatch.context() as patch:
            patch.setattr("t2tlite.data.manifest.shutil.rmtree", lambda *_, **__: None)
            write(folder, numbers(64))
        # The working folder was deleted in part.
        next(working_folder(folder, "p").glob("*.chunk")).unlink()
        assert is_complete(folder, "p", [])
        write(folder, numbers(64))
        assert files(folder) == undisturbed

    def test_a_source_that_changed(self, tmp_path, monkeypatch, warned):
        source = tmp_path / "source.txt"
        source.write_text("1\n2\n3\n4\n")

        def samples(task):
            with open(source) as file:
                yield from ({"targets": [int(line)]} for line in file)

        def dataset():
            stream = Stream(
                "s",
                samples,
                {"train": shard_paths(tmp_path / "data", "p-train", 2)},
            )
            return Dataset([stream], tmp_path / "data", Manifest("p", 0), source_dir=str(tmp_path))

        with monkeypatch.context() as patch:
            interrupted(patch, "write_merged_shard", 1)
            with pytest.raises(KeyboardInterrupt):
                dataset().write()
        source.write_text("1\n2\n3\n4\n5\n")
        written = dataset().write()
        assert written.splits["train"].examples == 5
        assert set(written.sources) == {"source.txt"}
        assert "run that was stopped: source.txt; generating again" in "\n".join(warned)


def test_a_failure_keeps_the_older_data_set(tmp_path):
    write(tmp_path, numbers(20))
    before = files(tmp_path)

    def examples():
        yield from numbers(7)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write(tmp_path, examples())
    assert files(tmp_path) == before
    assert is_complete(tmp_path, "p", [])


def test_two_runs_at_once(tmp_path):
    def examples():
        yield from numbers(20)
        with pytest.raises(DataError, match="another t2t-datagen is writing this data"):
            write(tmp_path, numbers(20))
        yield from numbers(20)

    write(tmp_path, examples())
    assert sum(len(content(path)) for path in shard_paths(tmp_path, "p-train", 3)) == 40


@pytest.mark.usefixtures("small_chunks")
class TestProcesses:
    """Several processes write the same data as one."""

    def texts(self, count):
        return [{"inputs": str(number), "targets": "ü" * (number % 7)} for number in range(count)]

    def write(self, folder, samples, workers, encoder=None):
        encoder = encoder or ByteTextEncoder()
        stream = Stream(
            "generate_samples(train)",
            lambda task: samples,
            {"train": shard_paths(folder, "p-train", 3), "eval": shard_paths(folder, "p-dev", 1)},
            lambda: Encoding({"inputs": encoder, "targets": encoder}, {"inputs": "> "}),
        )
        return Dataset([stream], folder, Manifest("p", 3)).write(workers)

    def test_the_bytes_are_the_same(self, tmp_path, monkeypatch):
        written = [self.write(tmp_path / str(n), self.texts(95), n) for n in (1, 3)]
        assert written[0] == written[1]
        assert files(tmp_path / "1") == files(tmp_path / "3")
        dev = written[0].splits["eval"]
        numbers = range(3, 95, 4)
        assert dev.tokens["inputs"] == sum(len(f"> {number}") + 1 for number in numbers)
        assert dev.empty == {"inputs": 0, "targets": sum(number % 7 == 0 for number in numbers)}
        # And a shard that is merged in several parts.
        monkeypatch.setattr(chunks, "_MERGE_BYTES", 100)
        self.write(tmp_path / "parts", self.texts(95), 1)
        assert files(tmp_path / "parts") == files(tmp_path / "1")

    def test_a_text_that_cant_be_encoded(self, tmp_path):
        samples = self.texts(50)
        samples[37]["targets"] = "a\ud800"
        with pytest.raises(SampleError, match="^generate_samples.train., sample 37: 'targets': "
                           "character 1 of the text"):  # fmt: skip
            self.write(tmp_path, samples, 2)
        samples[37]["targets"] = "a"
        self.write(tmp_path, samples, 2)

    def test_a_process_that_is_killed(self, tmp_path):
        def samples():
            for number, record in enumerate(self.texts(200)):
                if number == 100:
                    (child, *_) = multiprocessing.active_children()
                    child.kill()
                    child.join()
                yield record

        with pytest.raises(DataError, match="one of 2 processes was killed.*num_workers=1"):
            self.write(tmp_path, samples(), 2)
        self.write(tmp_path, self.texts(200), 2)
        assert is_complete(tmp_path, "p", [])

    def test_an_encoder_that_is_nobody_elses(self, tmp_path):
        class Own:
            def encode(self, text):
                return [len(text) + 2]

        self.write(tmp_path, self.texts(40), 2, Own())
        examples = [
            tf.train.Example.FromString(record).features.feature
            for record in read_shard(shard_paths(tmp_path, "p-dev", 1)[0])
        ]
        assert {tuple(record["inputs"].int64_list.value) for record in examples} == {(5, 1), (6, 1)}


def test_warnings_of_leaks_and_empty_texts(tmp_path, warned):
    samples = [{"targets": str(number // 4 * (number > 7)).strip("0")} for number in range(32)]
    encoder = ByteTextEncoder()
    stream = Stream(
        "s",
        lambda task: samples,
        {"train": shard_paths(tmp_path, "p-train", 3), "eval": shard_paths(tmp_path, "p-dev", 1)},
        lambda: Encoding({"targets": encoder}),
    )
    Dataset([stream], tmp_path, Manifest("p", 0)).write()
    text = "\n".join(warned)
    assert "p train: 6 of 24 (25 %) have empty targets" in text
    assert "p dev: 8 of 8 (100 %) are in train too" in text


def test_a_last_chunk_that_has_nothing_for_the_last_split(tmp_path, monkeypatch):
    monkeypatch.setattr(streams, "CHUNK_SAMPLES", 4)
    written = write(tmp_path, numbers(9), train=3, dev=1)
    assert written.splits["eval"].examples == 2


def test_a_split_without_examples(tmp_path):
    with pytest.raises(SampleError, match="^generate_samples.train. yielded too few samples: "
                       "split 'eval' is empty"):  # fmt: skip
        write(tmp_path, numbers(2), train=3, dev=1)
    assert not is_complete(tmp_path, "p", [])


def test_a_folder_that_cant_be_made(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="can't write"):
        write(tmp_path / "file" / "data", numbers(9))


@pytest.mark.parametrize("target", ["write_chunk", "write_merged_shard"])
def test_a_disk_that_fills_up(tmp_path, monkeypatch, target):
    with monkeypatch.context() as patch:
        interrupted(patch, target, 0, OSError(28, "No space left on device"))
        with pytest.raises(OutputError, match="No space left on device; free some space"):
            write(tmp_path, numbers(9))
    assert not list(tmp_path.glob("*-of-*"))
    write(tmp_path, numbers(9))
    assert is_complete(tmp_path, "p", [])
