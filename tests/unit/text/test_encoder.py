import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from t2tlite.errors import DataError, VocabularyError
from t2tlite.text import (
    EOS_ID,
    NUM_RESERVED_TOKENS,
    PAD_ID,
    RESERVED_TOKENS,
    ByteTextEncoder,
    ClassLabelEncoder,
    TextEncoder,
    strip_ids,
)
from t2tlite.text.encoder import text_ids


def test_reserved_ids() -> None:
    assert (PAD_ID, EOS_ID, NUM_RESERVED_TOKENS) == (0, 1, 2)
    assert RESERVED_TOKENS == ["<pad>", "<EOS>"]


def test_strip_ids_strips_the_end_only() -> None:
    assert strip_ids([0, 5, 1, 6, 1, 0, 0], [0, 1]) == [0, 5, 1, 6]
    assert strip_ids((1, 0), range(2)) == []
    assert strip_ids([5, 0], []) == [5, 0]


def test_text_ids_are_those_of_text() -> None:
    assert text_ids(np.array([0, 5, 1, 6, 1, 0])) == [5, 6]


def test_the_base_class_encodes_numbers() -> None:
    encoder = TextEncoder()
    assert encoder.encode("7 8") == encoder.encode(b"7 8") == [9, 10]
    assert encoder.decode_list([0, 1, 9, 10]) == ["<pad>", "<EOS>", "7", "8"]
    assert encoder.decode([9, 1, 0], strip_extraneous=True) == "7"
    assert encoder.decode([9, 1]) == "7 <EOS>"
    # T2T's own subclasses passed None.
    assert TextEncoder(num_reserved_ids=None).encode("7") == [7]


def test_the_base_class_has_no_size() -> None:
    with pytest.raises(NotImplementedError, match="TextEncoder has no vocab_size; define it"):
        _ = TextEncoder().vocab_size


def test_utf8_bytes_are_text() -> None:
    assert ByteTextEncoder().encode("aé".encode()) == ByteTextEncoder().encode("aé")
    with pytest.raises(DataError, match=r"byte 2 of the text, 0xe9, isn't UTF-8 \(in b'ca"):
        ByteTextEncoder().encode("ca\xe9\xe9".encode("latin-1"))


def test_bytes_are_shifted_by_the_reserved_ids() -> None:
    encoder = ByteTextEncoder()
    assert encoder.vocab_size == 258
    assert encoder.encode("aé") == [99, 0xC3 + 2, 0xA9 + 2]
    assert encoder.decode_list([99, 0xC3 + 2, 1]) == ["a", "<0xC3>", "<EOS>"]
    assert ByteTextEncoder(num_reserved_ids=0).encode("a") == [97]


def test_reserved_ids_in_bytes() -> None:
    encoder = ByteTextEncoder()
    assert encoder.decode([99, 1, 0]) == "a<EOS><pad>"
    assert encoder.decode([99, 1, 0], strip_extraneous=True) == "a"
    assert ByteTextEncoder(3).decode([2, 100]) == "<reserved_2>a"


def test_ill_formed_bytes_become_replacement_characters() -> None:
    encoder = ByteTextEncoder()
    assert encoder.decode([*encoder.encode("aé")[:-1], 100]) == "a\ufffdb"


@given(st.text())
def test_bytes_are_lossless(text: str) -> None:
    encoder = ByteTextEncoder()
    assert encoder.decode(encoder.encode(text)) == text
    assert encoder.decode(np.array(encoder.encode(text), dtype=np.int64)) == text


def test_a_lone_surrogate_is_named_with_its_position() -> None:
    with pytest.raises(DataError, match=r"character 3 of the text is '\\udc80'"):
        ByteTextEncoder().encode("abc\udc80def")


@pytest.mark.parametrize("wrong", [-1, 258])
def test_an_id_out_of_the_bytes(wrong: int) -> None:
    with pytest.raises(DataError, match=f"id {wrong} is outside .* expected 0 to 257"):
        ByteTextEncoder().decode([99, wrong])


def test_class_labels_from_a_list() -> None:
    encoder = ClassLabelEncoder(["neg", "pos"])
    assert encoder.vocab_size == 2
    assert encoder.num_reserved_ids == 0
    assert encoder.encode("pos") == 1
    assert [encoder.decode(ids) for ids in (0, [1], np.array([[1]]), np.int64(0))] == [
        "neg",
        "pos",
        "pos",
        "neg",
    ]
    assert encoder.decode_list([1, 0, 1]) == ["pos", "neg", "pos"]


def test_class_labels_from_a_file(tmp_path) -> None:
    path = tmp_path / "labels.txt"
    path.write_bytes(b"neg\r\n not sure \npos")
    encoder = ClassLabelEncoder(["not", "read"], class_labels_fname=str(path))
    assert encoder.decode_list(range(3)) == ["neg", "not sure", "pos"]


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({}, "got no label; give it class_labels or class_labels_fname"),
        ({"class_labels": ["a", "b", "a"]}, "'a' appears twice"),
        ({"class_labels_fname": "/nowhere/labels.txt"}, "no vocabulary file /nowhere"),
    ],
)
def test_class_labels_that_cannot_be(arguments, message: str) -> None:
    with pytest.raises(VocabularyError, match=message):
        ClassLabelEncoder(**arguments)


def test_an_unknown_label_or_id() -> None:
    encoder = ClassLabelEncoder(["neg", "pos"])
    with pytest.raises(DataError, match="'so-so' isn't a class label; .* one of 'neg', 'pos'$"):
        encoder.encode("so-so")
    for wrong in (2, -1):
        with pytest.raises(DataError, match=f"no class label has id {wrong}; expected 0 to 1"):
            encoder.decode([wrong])
    with pytest.raises(DataError, match="found 2 ids"):
        encoder.decode([0, 1])
