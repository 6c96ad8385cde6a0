import hashlib
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from t2tlite.errors import Error, VocabularyError
from t2tlite.text import (
    ClassLabelEncoder,
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


@pytest.mark.parametrize("name", ["vocab.subwords", "vocab.tokens", "vocab.quoted"])
def test_a_byte_order_mark_is_not_a_token(tmp_path, name: str) -> None:
    quote = "" if name == "vocab.tokens" else "'"
    lines = [f"{quote}{token}{quote}\n" for token in ("<pad>", "<EOS>", "a", "_")]
    plain, marked = tmp_path / f"plain.{name}", tmp_path / name
    plain.write_text("".join(lines), encoding="utf-8")
    marked.write_text("".join(lines), encoding="utf-8-sig")
    expected, encoder = load_vocabulary(plain), load_vocabulary(marked)
    assert type(encoder) is type(expected)
    assert encoder.decode_list(range(4)) == expected.decode_list(range(4))
    assert encoder.encode("a") == expected.encode("a")


def test_a_byte_order_mark_is_not_part_of_a_label(tmp_path) -> None:
    (tmp_path / "labels").write_text("sad\nglad\n", encoding="utf-8-sig")
    assert ClassLabelEncoder(class_labels_fname=tmp_path / "labels").encode("sad") == 0


@pytest.mark.parametrize("name", ["vocab.subwords", "vocab.tokens", "vocab.model", "vocab"])
@seed(1)
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_any_bytes(tmp_path, sentencepiece_file, subword_file, name: str, data) -> None:
    """Damaged or nonsense: one line, or an encoder that works."""
    raw = bytearray((sentencepiece_file if name.endswith("model") else subword_file).read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        # The ends have what isn't a piece.
        start = data.draw(st.integers(-80, 80) | st.integers(0, len(raw)))
        raw[start : start + data.draw(st.integers(0, 9))] = data.draw(st.binary(max_size=9))
    (tmp_path / name).write_bytes(raw)
    try:
        encoder = load_vocabulary(tmp_path / name)
        ids = encoder.encode("the woods\0 \u2581 é")
        assert isinstance(encoder.decode(ids), str)
        encoder.decode_list(range(encoder.vocab_size))
    except Error as error:
        assert "\n" not in str(error)
