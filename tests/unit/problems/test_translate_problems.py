"""The translate_* problems with small files instead of downloads."""

import gzip
import re
import tarfile
from pathlib import Path
from typing import Any

import pytest

from t2tlite import registry
from t2tlite.errors import DownloadError
from t2tlite.sources import download
from t2tlite.translate import TranslateProblem

# T2T's names, with the names that it gives their vocabularies.
VOCABULARIES = {
    "translate_encs_wmt32k": "vocab.translate_encs_wmt32k.32768.subwords",
    "translate_ende_wmt32k": "vocab.translate_ende_wmt32k.32768.subwords",
    "translate_ende_wmt8k": "vocab.translate_ende_wmt8k.8192.subwords",
    "translate_ende_wmt_paracrawl_bicleaner32k": "vocab.translate_ende_wmt32k.32768.subwords",
    "translate_enes_wmt32k": "vocab.translate_enes_wmt32k.32768.subwords",
    "translate_enes_wmt_clean32k": "vocab.translate_enes_wmt32k.32768.subwords",
    "translate_enet_wmt32k": "vocab.translate_enet_wmt32k.32768.subwords",
    "translate_enfr_wmt32k": "vocab.translate_enfr_wmt32k.32768.subwords",
    "translate_enfr_wmt8k": "vocab.translate_enfr_wmt8k.8192.subwords",
    "translate_enfr_wmt_small32k": "vocab.translate_enfr_wmt_small32k.32768.subwords",
    "translate_enfr_wmt_small8k": "vocab.translate_enfr_wmt_small8k.8192.subwords",
    "translate_enid_iwslt32k": "vocab.translate_enid_iwslt32k.32768.subwords",
    "translate_enmk_setimes32k": "vocab.translate_enmk_setimes32k.32768.subwords",
    "translate_enro_wmt32k": "vocab.translate_enro_wmt32k.32768.subwords",
    "translate_enro_wmt8k": "vocab.translate_enro_wmt8k.8192.subwords",
    "translate_envi_iwslt32k": "vocab.translate_envi_iwslt32k.32768.subwords",
    "translate_enzh_wmt32k": "vocab.enzh-en.32768",
    "translate_enzh_wmt8k": "vocab.enzh-en.8192",
}


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(uri: str, *rest: object) -> None:
        raise download._Interrupted("no network", final=True)

    monkeypatch.setattr(download, "_chunks", refuse)


def write(path: Path, text: str) -> None:
    """Writes a text, gzipped if the name ends in .gz."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = text.encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


def write_pair(folder: Path, files: Any, source: str, target: str) -> None:
    """Writes a pair of texts in the form of an entry of a list of corpora."""
    if files[0] == "tsv":
        cells = {files[1]: source, files[2]: target}
        row = "\t".join(cells.get(column, "x") for column in range(4))
        write(folder / files[3].replace("*", "1"), row)
    elif files[0] == "tmx":
        write(folder / files[1], f"<seg>{source}</seg>\n<seg>{target}</seg>\n")
    else:
        for name, text in zip(files, (source, target), strict=True):
            write(folder / name, f"<seg>{text}</seg>" if name.endswith(".sgm") else text)


def test_all_of_them_are_told() -> None:
    named = [one for one in registry.list_problems() if one.startswith("translate_en")]
    known = [one for one in named if isinstance(registry.problem(one), TranslateProblem)]
    assert known == list(VOCABULARIES)
    assert all(registry.problems.describe(one).endswith(".") for one in known)


@pytest.mark.parametrize("name", VOCABULARIES)
def test_every_corpus_of_the_lists_is_read(name: str, tmp_path: Path) -> None:
    problem = registry.problem(name)
    assert problem.vocabulary_filenames[0] == VOCABULARIES[name]
    for split in ("train", "eval"):
        expected = set()
        for number, (address, files) in enumerate(problem.source_data_files(split)):
            assert re.match("https?://", address)
            pair = f"The cat sat in {split}{number}.", f"Katze {split}{number}."
            expected.add(pair)
            write_pair(tmp_path, files, *pair)
        samples = problem.generate_samples("", str(tmp_path), split)
        assert {tuple(one.values()) for one in samples} == expected


@pytest.mark.parametrize("name", VOCABULARIES)
def test_english_comes_first(name: str) -> None:
    languages = ["en", name[len("translate_en") :][:2]]
    problem = registry.problem(name)
    for _, files in problem.source_data_files("train") + problem.source_data_files("eval"):
        if files[0] not in ("tsv", "tmx"):
            # The last word of a file's name that is a language: europarl-v7.de-en.de
            words = [re.split("[-.]", file.lower()) for file in files]
            assert languages == [[w for w in one if w in languages][-1] for one in words]


def test_no_network_says_what_to_put_where(tmp_path: Path) -> None:
    problem = registry.problem("translate_envi_iwslt32k")
    with pytest.raises(DownloadError) as caught:
        problem.generate_samples("", str(tmp_path), "train")
    address = "https://github.com/stefan-it/nmt-en-vi/raw/master/data/train-en-vi.tgz"
    assert str(caught.value) == (
        f"can't download {address}: no network; check the address and the network, or get the file "
        f"by other means and save it as {tmp_path}/train-en-vi.tgz (or put train.en and train.vi "
        f"into {tmp_path})"
    )


def test_more_data_for_a_subclass() -> None:
    plain = registry.problem("translate_ende_wmt32k")
    mine = ["mine.tgz", ("mine.en", "mine.de")]

    class More(type(plain)):  # type: ignore[misc]
        additional_training_datasets = [mine]

    assert More().source_data_files("train") == [*plain.source_data_files("train"), mine]
    assert More().source_data_files("eval") == plain.source_data_files("eval")


def test_reversed(tmp_path: Path) -> None:
    import tensorflow as tf

    from t2tlite.config import HParams

    for name, text in {"train": "cat", "tst2012": "dog"}.items():
        write(tmp_path / f"{name}.en", f"{text}\n" * 100)
        write(tmp_path / f"{name}.vi", f"{text.upper()}\n" * 100)
    problem = registry.problem("translate_envi_iwslt32k_rev")
    problem.generate_data(str(tmp_path), str(tmp_path))
    records = tf.data.TFRecordDataset(problem.shards(str(tmp_path), "eval"))
    encoders = problem.get_feature_encoders(str(tmp_path))
    example = next(problem.examples(records, "eval", HParams()).as_numpy_iterator())
    assert encoders["inputs"].decode(example["inputs"][:-1].tolist()) == "DOG"
    assert encoders["targets"].decode(example["targets"][:-1].tolist()) == "dog"


class TestChinese:
    def corpora(self, folder: Path) -> None:
        write(folder / "training" / "news-commentary-v12.zh-en.en", "news\n")
        write(folder / "training" / "news-commentary-v12.zh-en.zh", "新闻\n")

    def test_what_is_in_tmp_dir(self, tmp_path: Path, warned: list[str]) -> None:
        self.corpora(tmp_path)
        problem = registry.problem("translate_enzh_wmt32k")
        samples = list(problem.generate_samples("", str(tmp_path), "train"))
        assert samples == [{"inputs": "news", "targets": "新闻"}]
        assert [line.split(",")[0] for line in warned] == [
            f"translate_enzh_wmt32k: {tmp_path}/{name} doesn't exist"
            for name in ("cwmt.tgz", "UNv1.0.en-zh.tar.gz")
        ]
        write(tmp_path / "UNv1.0.en-zh.en", "nations\n")
        write(tmp_path / "UNv1.0.en-zh.zh", "联合国\n")
        with tarfile.open(tmp_path / "UNv1.0.en-zh.tar.gz", "w:gz") as tar:
            for name in ("UNv1.0.en-zh.en", "UNv1.0.en-zh.zh"):
                tar.add(tmp_path / name, f"en-zh/{name}")
        samples = list(problem.generate_samples("", str(tmp_path), "train"))
        assert samples[1:] == [{"inputs": "nations", "targets": "联合国"}]
        assert len(problem.get_training_dataset(str(tmp_path))) == 2
        small = registry.problem("translate_enzh_wmt8k")
        assert len(small.get_training_dataset(str(tmp_path))) == 1

    def test_a_vocabulary_each(self, tmp_path: Path) -> None:
        self.corpora(tmp_path)
        problem = registry.problem("translate_enzh_wmt8k")
        next(problem.generate_encoded_samples(str(tmp_path), str(tmp_path), "train"))
        names = ["vocab.enzh-en.8192.model", "vocab.enzh-zh.8192.model"]
        assert sorted(one.name for one in tmp_path.glob("vocab*")) == names
        assert problem.vocabulary_filenames[2:] == names
