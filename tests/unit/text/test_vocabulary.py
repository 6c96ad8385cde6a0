import hashlib
import subprocess
import sys

import pytest

from t2tlite.errors import VocabularyError
from t2tlite.text import (
    SentencePieceEncoder,
    SubwordTextEncoder,
    TokenTextEncoder,
    load_vocabulary,
    vocabulary_sha256,
)


def test_the_suffix_says_which_encoder(sentencepiece_file, subword_file) -> None:
    assert type(load_vocabulary(sentencepiece_file)) is SentencePieceEncoder
    assert type(load_vocabulary(str(subword_file))) is SubwordTextEncoder


@pytest.mark.parametrize(
    "first_line, kind",
    [
        ("'<pad>'", SubwordTextEncoder),
        ("'<pad>_'", SubwordTextEncoder),
        ('"<pad>"', SubwordTextEncoder),
        ("<pad>", TokenTextEncoder),
    ],
)
def test_the_first_line_says_it_for_other_names(tmp_path, first_line: str, kind: type) -> None:
    path = tmp_path / "vocab.endefr.32768"
    path.write_text(f"{first_line}\n<EOS>\nthe\n", encoding="utf-8")
    assert type(load_vocabulary(path)) is kind


def test_the_hash_is_of_the_files_bytes(subword_file) -> None:
    assert vocabulary_sha256(subword_file) == hashlib.sha256(subword_file.read_bytes()).hexdigest()


@pytest.mark.parametrize("suffix", ["model", "subwords", "tokens"])
def test_files_that_cannot_be_read(tmp_path, suffix: str) -> None:
    path = tmp_path / f"vocab.{suffix}"
    for read in (load_vocabulary, vocabulary_sha256):
        with pytest.raises(VocabularyError, match=f"no vocabulary file .*vocab.{suffix}"):
            read(path)
    path.write_bytes(b"")
    with pytest.raises(VocabularyError, match=f"vocab.{suffix} is empty"):
        load_vocabulary(path)
    path.unlink()
    path.mkdir()
    with pytest.raises(VocabularyError, match=f"can't read .*vocab.{suffix}"):
        load_vocabulary(path)


@pytest.mark.parametrize("suffix", ["subwords", "tokens"])
def test_a_file_that_is_no_text(tmp_path, suffix: str) -> None:
    path = tmp_path / f"vocab.{suffix}"
    path.write_bytes(b"<pad>\n\xff\n")
    with pytest.raises(VocabularyError, match=r"isn't UTF-8 text \(see byte 6\)"):
        load_vocabulary(path)


def test_no_tensorflow() -> None:
    code = (
        "import sys, t2tlite.text; "
        "sys.exit(any(name in sys.modules for name in ('tensorflow', 'keras', 'jax')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
