from pathlib import Path

import pytest

from t2tlite import generate_data, registry
from t2tlite.errors import DataError
from t2tlite.testing import check_problem
from t2tlite.text import ByteTextEncoder

TRAIN = [("one fish", "ein Fisch"), ("two fish", "zwei Fische")] * 100
EVAL = [("no fish", "kein Fisch")]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A user's own files."""
    made = tmp_path / "mine"
    made.mkdir()
    for split, pairs in {"train": TRAIN, "eval": EVAL}.items():
        for side, number in {"inputs": 0, "targets": 1}.items():
            lines = "".join(f"{pair[number]}\n" for pair in pairs)
            (made / f"{side}.{split}.txt").write_text(lines, encoding="utf-8")
    return made


def test_from_end_to_end(folder: Path, tmp_path: Path) -> None:
    sizes = check_problem("text2text_tmpdir", tmp_path, tmp_dir=folder, samples=1000)
    assert sizes == {"train": 200, "eval": 1}
    names = [one.name for one in (tmp_path / "data").glob("vocab*")]
    assert names == ["vocab.text2text_tmpdir.32768.model"]


@pytest.mark.parametrize("size", [0, 20])
def test_the_data_folder_keeps_the_size_of_the_vocabulary(
    folder: Path, tmp_path: Path, size: int
) -> None:
    data = tmp_path / "data"
    sizes = generate_data("text2text_tmpdir", data, folder, num_workers=1, vocab_size=size)
    assert sizes == {"train": 200, "eval": 1}
    names = [one.name for one in data.glob("vocab*")]
    assert names == ([f"vocab.text2text_tmpdir.{size}.model"] if size else [])
    # Another process knows the folder alone.
    found = registry.problem("text2text_tmpdir").get_feature_encoders(str(data))["targets"]
    assert isinstance(found, ByteTextEncoder) == (size == 0)
    with pytest.raises(DataError, match=r"vocab_size=25, but .* give --overwrite"):
        generate_data("text2text_tmpdir", data, folder, num_workers=1, vocab_size=25)
    generate_data("text2text_tmpdir", data, folder, num_workers=1, vocab_size=25, overwrite=True)
    # Generating it again keeps that, too.
    generate_data("text2text_tmpdir", data, folder, num_workers=1, overwrite=True)
    again = registry.problem("text2text_tmpdir").get_feature_encoders(str(data))["targets"]
    assert Path(again.filename).name == "vocab.text2text_tmpdir.25.model"


@pytest.mark.parametrize("name", ["text2text_tmpdir_tokens", "reverse_digits"])
def test_other_problems_say_the_size_themselves(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"vocab_size=9: {name} says the size of its vocabulary"):
        generate_data(name, tmp_path, vocab_size=9, num_workers=1)


@pytest.mark.parametrize("name", ["text2text_tmpdir", "text2text_tmpdir_tokens"])
def test_is_registered_and_described(name: str) -> None:
    assert name in registry.list_problems()
    assert registry.problems.describe(name).endswith(".")


def test_a_byte_order_mark_is_not_text(folder: Path) -> None:
    for path in folder.iterdir():
        path.write_text(path.read_text(encoding="utf-8"), encoding="utf-8-sig")
    problem = registry.problem("text2text_tmpdir")
    samples = problem.generate_samples("", str(folder), "train")
    assert next(iter(samples)) == {"inputs": "one fish", "targets": "ein Fisch"}


def test_missing_files(folder: Path) -> None:
    (folder / "inputs.eval.txt").unlink()
    (folder / "targets.train.txt").unlink()
    problem = registry.problem("text2text_tmpdir")
    with pytest.raises(DataError) as caught:
        problem.generate_samples("", str(folder), "train")
    assert str(caught.value) == (
        f"text2text_tmpdir: {folder} has no targets.train.txt, inputs.eval.txt; put a text on each "
        f"line of them, or check --tmp_dir"
    )


def test_tokens(folder: Path, tmp_path: Path) -> None:
    (folder / "vocab.txt").write_text("one\ntwo\nfish\nein\nzwei\nFisch\nFische\n\n")
    problem = registry.problem("text2text_tmpdir_tokens")
    problem.generate_data(str(tmp_path), str(folder))
    vocabulary = tmp_path / "vocab.text2text_tmpdir_tokens.tokens"
    tokens = ["<pad>", "<EOS>", "<UNK>", "one", "two", "fish", "ein", "zwei", "Fisch", "Fische"]
    assert vocabulary.read_text().split() == tokens
    encoder = problem.get_feature_encoders(str(tmp_path))["targets"]
    assert encoder.decode(encoder.encode("kein Fisch")) == "<UNK> Fisch"
    # Data and models may have been made with the vocabulary that is there.
    (folder / "vocab.txt").write_text("other\n")
    list(problem.generate_samples(str(tmp_path), str(folder), "train"))
    assert vocabulary.read_text().split() == tokens


def test_no_tokens(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="vocab.txt doesn't exist; put it there"):
        registry.problem("text2text_tmpdir_tokens").generate_data(str(tmp_path), str(folder))
