"""A split of a data set decoded, with a small model that has learned to reverse digits."""

from pathlib import Path

import pytest

from t2tlite.bulk.bleu import file_bleu
from t2tlite.bulk.dataset import decode_dataset
from t2tlite.decode.decoder import Decoder
from t2tlite.errors import DataError, VocabularyError
from tests.unit.conftest import write_dev_shard

MODEL = Path(__file__).parents[2] / "golden" / "model"
PAIRS = [("3 1 4", "4 1 3"), ("9", "0"), ("5 5", "5 5"), ("9", "9")]


@pytest.fixture(scope="module")
def decoder():
    return Decoder(MODEL, decode_hparams="beam_size=1,extra_length=0")


@pytest.fixture
def data_dir(decoder, tmp_path):
    """Examples of which two have the same input, one of them with a wrong target."""
    write_dev_shard(decoder, tmp_path, PAIRS)
    return tmp_path


def test_each_input_is_answered_once_and_has_all_its_targets(decoder, data_dir):
    (data_dir / "out").mkdir()
    for number in (2, 3):
        # Of an earlier decode, with more references.
        (data_dir / "out" / f"a.targets{number}").write_text("0\n" * 3)
    answers, references = decode_dataset(decoder, str(data_dir), "eval", data_dir / "out" / "a")
    assert not [*answers.parent.glob("a.targets[23]")]
    assert Path(f"{answers}.inputs").read_text() == "3 1 4\n9\n5 5\n"
    assert [path.name for path in references] == ["a.targets", "a.targets1"]
    assert [path.read_text() for path in references] == ["4 1 3\n0\n5 5\n", "4 1 3\n9\n5 5\n"]
    assert answers.read_text() == "4 1 3\n9\n5 5\n"
    right = ",".join(map(str, references))
    assert file_bleu(answers, right, decode_hparams=decoder.decode_hparams).exact == 100


@pytest.mark.parametrize("split", ["dev", "train"])
def test_references_and_inputs_are_whole_where_training_truncates(
    decoder, data_dir, monkeypatch, split
):
    for name in ("max_input_seq_length", "max_target_seq_length"):
        monkeypatch.setattr(decoder.folder.hparams, name, 2)
    (path,) = data_dir.glob("*-dev-*")
    path.rename(path.with_name(path.name.replace("-dev-", f"-{split}-")))
    mode = "eval" if split == "dev" else split
    answers, references = decode_dataset(decoder, str(data_dir), mode, data_dir / "a")
    assert Path(f"{answers}.inputs").read_text() == "3 1 4\n9\n5 5\n"
    assert references[0].read_text() == "4 1 3\n0\n5 5\n"


def test_data_of_another_vocabulary(decoder, data_dir):
    for name in decoder.run.vocabularies:
        (data_dir / name).write_text("<pad>\n<EOS>\n1\n")
    with pytest.raises(VocabularyError, match="isn't the vocabulary"):
        decode_dataset(decoder, str(data_dir), "eval", data_dir / "a")


def test_data_that_is_not_there(decoder, data_dir):
    with pytest.raises(DataError, match="has no files"):
        decode_dataset(decoder, str(data_dir), "test", data_dir / "a")


def test_inputs_that_hold_the_delimiter_are_told(decoder, data_dir, monkeypatch, warned):
    monkeypatch.setattr(decoder.decode_hparams, "delimiter", " ")
    decode_dataset(decoder, str(data_dir), "eval", data_dir / "a")
    assert [line.split(":")[0] for line in warned] == [
        "2 inputs hold the delimiter (line breaks, by default)"
    ]
