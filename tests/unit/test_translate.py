"""Problem classes for translation, from lists of corpora to shards."""

import gzip
import json
import os
import tarfile
from pathlib import Path

import pytest

from t2tlite import registry, translate
from t2tlite.config import HParams
from t2tlite.data import manifest
from t2tlite.errors import DataError, SampleError, VocabularyError
from t2tlite.problem import DatasetSplit
from t2tlite.testing import check_problem
from t2tlite.text import SentencePieceEncoder, SubwordTextEncoder, TokenTextEncoder
from t2tlite.text_problems import VocabType

EN = ["One fish.", "Two fish.", "Red fish.", "Blue fish."] * 20
DE = ["Ein Fisch.", "Zwei Fische.", "Roter Fisch.", "Blauer Fisch."] * 20
SPLITS = [{"split": DatasetSplit.TRAIN, "shards": 2}, {"split": DatasetSplit.EVAL, "shards": 1}]


def write(path: Path, lines: list[str]) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """A folder with an archive of training texts, and texts for evaluation."""
    folder = tmp_path / "tmp"
    write(folder / "train.en", EN)
    write(folder / "train.de", DE)
    with tarfile.open(folder / "corpus.tgz", "w:gz") as tar:
        for name in ("train.en", "train.de"):
            tar.add(folder / name, f"corpus/{name}")
            (folder / name).unlink()
    write(folder / "dev.en", ["Old fish.", "New fish."])
    write(folder / "dev.de", ["Alter Fisch.", "Neuer Fisch."])
    return folder


class EnDe(translate.TranslateProblem):
    dataset_splits = SPLITS
    approx_vocab_size = 300

    def source_data_files(self, dataset_split):
        if dataset_split == DatasetSplit.TRAIN:
            return [["corpus.tgz", ("corpus/train.en", "corpus/train.de")]]
        return [["", (f"{self.stem(dataset_split)}.en", f"{self.stem(dataset_split)}.de")]]

    def stem(self, dataset_split):
        return {"eval": "dev", "test": "test"}[dataset_split]


def read(problem, data_dir, split):
    """Returns the pairs of a split, decoded."""
    import tensorflow as tf

    records = tf.data.TFRecordDataset(problem.shards(str(data_dir), split))
    encoders = problem.get_feature_encoders(str(data_dir))
    for one in problem.examples(records, split, HParams()).as_numpy_iterator():
        assert one["inputs"][-1] == one["targets"][-1] == 1
        yield tuple(
            encoders[side].decode(one[side][:-1].tolist()) for side in ("inputs", "targets")
        )


class TestCompileData:
    def test_all_corpora_in_turn(self, corpus):
        (corpus / "table.tsv").write_text("drei\tthree\n", encoding="utf-8")
        datasets = [
            ["", ("dev.en", "dev.de")],
            ["table.tsv", ("tsv", 1, 0, "table.tsv")],
            ["corpus.tgz", ("corpus/train.en", "corpus/train.de")],
        ]
        path = translate.compile_data(str(corpus), datasets, "all")
        assert path == str(corpus / "all")
        lines = (corpus / "all.lang1").read_text(encoding="utf-8").split("\n")
        assert lines == ["Old fish.", "New fish.", "three", *EN, ""]
        lines = (corpus / "all.lang2").read_text(encoding="utf-8").split("\n")
        assert lines == ["Alter Fisch.", "Neuer Fisch.", "drei", *DE, ""]

    def test_files_of_t2t_or_the_user(self, tmp_path):
        write(tmp_path / "mine.lang1", ["mine"])
        write(tmp_path / "mine.lang2", ["meins"])
        datasets = [["http://nowhere.invalid/x.tgz", ("a", "b")]]
        assert translate.compile_data(str(tmp_path), datasets, "mine") == str(tmp_path / "mine")
        assert (tmp_path / "mine.lang1").read_text() == "mine\n"

    def compiled(self, corpus, datasets=(("", ("dev.en", "dev.de")),), clean=None):
        path = translate.compile_data(str(corpus), datasets, "x", clean)
        return Path(f"{path}.lang1").read_text(encoding="utf-8").split("\n")[:-1]

    def test_once(self, corpus):
        self.compiled(corpus)
        # What a user makes of them stays.
        write(corpus / "x.lang1", ["changed", "by hand"])
        assert self.compiled(corpus) == ["changed", "by hand"]
        # Files that were deleted to make room aren't missed.
        (corpus / "dev.en").unlink()
        assert self.compiled(corpus) == ["changed", "by hand"]

    @pytest.mark.parametrize("change", ["list", "cleaning", "file", "record"])
    def test_again_after_a_change(self, corpus, change):
        assert self.compiled(corpus) == ["Old fish.", "New fish."]
        if change == "list":
            other = [["", ("dev.de", "dev.en")]]
            assert self.compiled(corpus, other) == ["Alter Fisch.", "Neuer Fisch."]
        elif change == "cleaning":
            write(corpus / "x.lang1", ["no longer", "right"])
            assert self.compiled(corpus, clean=["txt"]) == ["Old fish.", "New fish."]
        elif change == "file":
            write(corpus / "dev.en", ["Odd fish.", "New fish."])
            os.utime(corpus / "dev.en", ns=(1, 1))
            assert self.compiled(corpus) == ["Odd fish.", "New fish."]
        else:
            write(corpus / "x.lang1", ["no longer", "right"])
            (corpus / "x.json").write_text("{")
            assert self.compiled(corpus) == ["Old fish.", "New fish."]

    def test_nothing_half_written(self, corpus):
        write(corpus / "dev.de", ["Alter Fisch."])
        before = sorted(one.name for one in corpus.iterdir())
        with pytest.raises(DataError, match="ends after 1 lines"):
            self.compiled(corpus)
        assert sorted(one.name for one in corpus.iterdir()) == before

    def test_no_pair_at_all(self, corpus):
        write(corpus / "dev.de", ["", ""])
        with pytest.raises(DataError, match="x: found no pairs in "):
            self.compiled(corpus)
        assert not list(corpus.glob("x.*"))


class TestTranslateProblem:
    def test_from_files_to_shards_and_back(self, corpus, tmp_path):
        EnDe().generate_data(str(tmp_path), str(corpus))
        assert sorted(read(EnDe(), tmp_path, "train")) == sorted(zip(EN, DE, strict=True))
        expected = [("New fish.", "Neuer Fisch."), ("Old fish.", "Alter Fisch.")]
        assert sorted(read(EnDe(), tmp_path, "eval")) == expected
        reverse = EnDe(was_reversed=True)
        assert sorted(read(reverse, tmp_path, "eval"), reverse=True) == [
            (target, source) for source, target in expected
        ]
        assert list(manifest.read(str(tmp_path), "en_de").vocabularies) == ["vocab.en_de.300.model"]
        assert {one.name for one in corpus.glob("en_de-compiled-*")} == {
            f"en_de-compiled-{split}.{end}"
            for split in ("train", "dev")
            for end in ("lang1", "lang2", "json")
        }

    def test_check_problem(self, corpus, tmp_path, own_names):
        registry.register_problem("en_de_checked")(EnDe)
        sizes = check_problem("en_de_checked", tmp_path, tmp_dir=corpus)
        assert sizes == {"train": 80, "eval": 2}

    def test_a_split_for_tests_is_not_the_one_for_evaluation(self, corpus):
        write(corpus / "test.en", ["No fish."])
        write(corpus / "test.de", ["Kein Fisch."])
        samples = {
            split: list(EnDe().generate_samples("", str(corpus), split))
            for split in ("eval", "test")
        }
        assert samples["test"] == [{"inputs": "No fish.", "targets": "Kein Fisch."}]
        assert len(samples["eval"]) == 2

    def test_cleaning_is_for_training(self, corpus):
        class Cleaned(EnDe):
            datatypes_to_clean = ["txt"]

            def source_data_files(self, dataset_split):
                return [["", ("dev.en", "dev.de")]]

        write(corpus / "dev.en", ["Old fish.", "no sentence"])
        assert len(list(Cleaned().generate_samples("", str(corpus), "train"))) == 1
        assert len(list(Cleaned().generate_samples("", str(corpus), "eval"))) == 2

    def test_an_iterator_of_the_users_own(self, corpus):
        def shouting(source_path, target_path):
            for one in translate.text2text_txt_iterator(source_path, target_path):
                yield {name: text.upper() for name, text in one.items()}

        samples = EnDe().generate_samples("", str(corpus), "eval", custom_iterator=shouting)
        assert next(samples) == {"inputs": "OLD FISH.", "targets": "ALTER FISCH."}

    def test_what_the_vocabulary_is_made_of(self, corpus):
        class Half(EnDe):
            def vocab_data_files(self):
                return [["corpus.tgz", ["corpus/train.de"]]]

        class Few(EnDe):
            max_samples_for_vocab = 1

        class Own(translate.TranslateProblem):
            def generate_samples(self, data_dir, tmp_dir, dataset_split):
                yield {"inputs": "a", "targets": "b"}

        def texts(problem):
            return list(problem.generate_text_for_vocab("", str(corpus)))

        assert texts(EnDe()) == EN + DE
        assert texts(Half()) == DE
        assert texts(Few()) == [EN[0], DE[0]]
        assert texts(Own()) == ["a", "b"]

    def test_a_list_that_is_none(self, tmp_path):
        class Nothing(translate.TranslateProblem):
            pass

        with pytest.raises(SampleError, match="Nothing has no source_data_files; write one"):
            Nothing().generate_data(str(tmp_path), str(tmp_path))

    def test_a_vocabulary_of_another_problem(self, corpus, tmp_path):
        class Other(EnDe):
            approx_vocab_size = 999
            use_vocab_from_other_problem = EnDe()

        Other().generate_data(str(tmp_path), str(corpus))
        assert [one.name for one in tmp_path.glob("vocab*")] == ["vocab.en_de.300.model"]
        assert list(manifest.read(str(tmp_path), "other").vocabularies) == ["vocab.en_de.300.model"]
        assert len(list(read(Other(), tmp_path, "eval"))) == 2


class TestTwoVocabularies:
    class Two(translate.TwoVocabTranslateProblem):
        dataset_splits = SPLITS
        approx_vocab_size = 290
        source_data_files = EnDe.source_data_files
        stem = EnDe.stem

    def test_each_side_has_its_own(self, corpus, tmp_path):
        self.Two().generate_data(str(tmp_path), str(corpus))
        names = ["vocab.two.source.290.model", "vocab.two.target.290.model"]
        assert sorted(one.name for one in tmp_path.glob("vocab*")) == names
        assert list(manifest.read(str(tmp_path), "two").vocabularies) == names
        english, german = (SentencePieceEncoder(tmp_path / name) for name in names)
        # What one learned as a piece is characters to the other.
        assert len(english.encode("fish")) < len(german.encode("fish"))
        assert len(list(read(self.Two(), tmp_path, "eval"))) == 2
        turned = self.Two(was_reversed=True).get_hparams(data_dir=str(tmp_path)).vocabulary
        assert turned["inputs"].encode("fish") == german.encode("fish")

    def test_those_of_t2t_win(self, tmp_path):
        lines = [
            "'<pad>_'",
            "'<EOS>_'",
            *(f"'{one}'" for one in ["fish_", "f", "i", "s", "h", "_"]),
        ]
        for name in ("source", "target"):
            write(tmp_path / f"vocab.two.{name}.290.subwords", lines)
        found = self.Two().get_feature_encoders(str(tmp_path))
        assert all(isinstance(one, SubwordTextEncoder) for one in found.values())

    def test_tokens(self, corpus, tmp_path):
        class Tokens(self.Two):
            vocab_type = VocabType.TOKEN
            oov_token = "<UNK>"
            source_vocab_name = "en.txt"
            target_vocab_name = "de.txt"

            def generate_samples(self, data_dir, tmp_dir, dataset_split):
                for name, words in {"en.txt": ["fish."], "de.txt": ["Fisch.", "Fische."]}.items():
                    write(Path(data_dir) / name, ["<pad>", "<EOS>", "<UNK>", *words])
                yield from super().generate_samples(data_dir, tmp_dir, dataset_split)

        Tokens().generate_data(str(tmp_path), str(corpus))
        encoders = Tokens().get_feature_encoders(str(tmp_path))
        assert {type(one) for one in encoders.values()} == {TokenTextEncoder}
        assert set(read(Tokens(), tmp_path, "eval")) == {("<UNK> fish.", "<UNK> Fisch.")}

    def test_none(self, tmp_path):
        with pytest.raises(VocabularyError, match="neither vocab.two.source.290.subwords nor "):
            self.Two().get_feature_encoders(str(tmp_path))


def test_distillation(corpus, tmp_path):
    class Teacher(translate.TranslateDistillProblem):
        dataset_splits = SPLITS
        vocab_filename = "vocab.en_de.300.subwords"

        def source_data_files(self, dataset_split):
            return str(corpus / f"{dataset_split}.")

    for split in ("train", "eval"):
        for kind, text in {"inputs": "Old fish.", "gold": "Alt.", "prediction": "Alter"}.items():
            write(corpus / f"{split}.{kind}", [text] * 4)
    with pytest.raises(VocabularyError, match="neither vocab.en_de.300.subwords nor"):
        Teacher().generate_data(str(tmp_path), str(corpus))
    EnDe().get_or_create_vocab(str(tmp_path), str(corpus))
    Teacher().generate_data(str(tmp_path), str(corpus))
    assert list(read(Teacher(), tmp_path, "eval")) == [("Old fish.", "Alter")] * 4


def test_multi30k(shared, tmp_path):
    """Real texts: one gzip file per language."""
    folder = shared / "data" / "multi30k_en_de" / "raw"

    class Multi30k(translate.TranslateProblem):
        def source_data_files(self, dataset_split):
            stem = "train" if dataset_split == DatasetSplit.TRAIN else "val"
            return [["", (str(folder / f"{stem}.en.gz"), str(folder / f"{stem}.de.gz"))]]

    samples = {
        split: list(Multi30k().generate_samples("", str(tmp_path), split))
        for split in ("train", "eval")
    }
    assert {split: len(many) for split, many in samples.items()} == {"train": 29_000, "eval": 1014}
    with gzip.open(folder / "val.de.gz", "rt", encoding="utf-8") as file:
        assert [one["targets"] for one in samples["eval"]] == [line.strip() for line in file]
    record = json.loads((tmp_path / "multi30k-compiled-train.json").read_text())
    assert str(folder / "train.en.gz") in record["files"]
