import logging

import numpy as np
import pytest

from t2tlite.errors import OutputError, VocabularyError
from t2tlite.text import TokenTextEncoder


@pytest.fixture
def vocabulary(tmp_path):
    path = tmp_path / "vocab.tokens"
    path.write_text("<pad>\n<EOS>\nunk\n  the \nwoods\n", encoding="utf-8")
    return path


def test_an_id_is_a_line_number(vocabulary, caplog) -> None:
    encoder = TokenTextEncoder(vocabulary)
    assert encoder.vocab_size == 5
    assert encoder.encode(" the\twoods\n\u3000the ") == [3, 4, 3]
    assert encoder.decode(np.array([3, 4, 3])) == "the woods the"
    assert encoder.encode("") == []
    assert caplog.records == []


def test_num_reserved_ids_moves_no_token(vocabulary) -> None:
    assert TokenTextEncoder(vocabulary, num_reserved_ids=0).encode("the") == [3]
    assert TokenTextEncoder(None, vocab_list=["a"], num_reserved_ids=5).encode("a") == [2]


def test_a_file_without_reserved_tokens_keeps_t2ts_ids_with_a_warning(tmp_path, caplog) -> None:
    path = tmp_path / "vocab.tokens"
    path.write_text("the\nwoods\nare\n", encoding="utf-8")
    with caplog.at_level(logging.WARNING):
        encoder = TokenTextEncoder(path)
    assert encoder.encode("the are") == [0, 2]
    (record,) = caplog.records
    assert "starts with the tokens ['the', 'woods'], not ['<pad>', '<EOS>']" in record.getMessage()


def test_a_list_gets_the_reserved_tokens() -> None:
    encoder = TokenTextEncoder(None, vocab_list=["a", "<EOS>", "b"])
    assert encoder.decode_list([0, 1, 2, 3]) == ["<pad>", "<EOS>", "a", "b"]


def test_an_unknown_token_is_named(vocabulary) -> None:
    with pytest.raises(VocabularyError, match="token 'dark' isn't among the 5 tokens .* oov_token"):
        TokenTextEncoder(vocabulary).encode("the dark woods")


def test_replace_oov(vocabulary) -> None:
    encoder = TokenTextEncoder(str(vocabulary), replace_oov="unk")
    assert encoder.encode("the dark woods") == [3, 2, 4]


@pytest.mark.parametrize("from_list", [False, True])
def test_replace_oov_without_a_token_of_its_own(vocabulary, from_list: bool) -> None:
    """As in T2T, only an unknown word fails."""
    tokens = ["unk", "the", "woods"] if from_list else None
    encoder = TokenTextEncoder(
        None if from_list else vocabulary, vocab_list=tokens, replace_oov="<UNK>"
    )
    assert encoder.encode("the woods") == [3, 4]
    assert encoder.encode(b"woods") == [4]
    assert encoder.fallback_ids == frozenset()
    with pytest.raises(VocabularyError, match="'dark' isn't among .*neither is the oov_token '<UN"):
        encoder.encode("the dark woods")


def test_reverse(vocabulary) -> None:
    encoder = TokenTextEncoder(vocabulary, reverse=True)
    assert encoder.encode("the woods") == [4, 3]
    assert encoder.decode([4, 3]) == "the woods"
    assert encoder.decode([4, 3, 1, 0], strip_extraneous=True) == "the woods"


def test_reserved_and_unknown_ids(vocabulary) -> None:
    encoder = TokenTextEncoder(vocabulary)
    assert encoder.decode([3, 1, 0]) == "the <EOS> <pad>"
    assert encoder.decode([3, 1, 0], strip_extraneous=True) == "the"
    assert encoder.decode([3, 99, -1]) == "the ID_99 ID_-1"


def test_of_two_equal_lines_the_later_counts(tmp_path) -> None:
    path = tmp_path / "vocab.tokens"
    path.write_text("<pad>\n<EOS>\na\na\n", encoding="utf-8")
    encoder = TokenTextEncoder(path)
    assert (encoder.encode("a"), encoder.vocab_size) == ([3], 4)


def test_store_to_file(tmp_path) -> None:
    path = tmp_path / "stored.tokens"
    encoder = TokenTextEncoder(None, vocab_list=["für", "b"])
    encoder.store_to_file(path)
    assert path.read_bytes() == "<pad>\n<EOS>\nfür\nb\n".encode()
    assert TokenTextEncoder(path).encode("b für") == [3, 2]
    assert [child.name for child in tmp_path.iterdir()] == ["stored.tokens"]


def test_store_to_a_place_that_cannot_be(vocabulary) -> None:
    with pytest.raises(OutputError, match="can't write"):
        TokenTextEncoder(vocabulary).store_to_file(vocabulary / "below_a_file")


def test_neither_file_nor_list() -> None:
    with pytest.raises(VocabularyError, match="neither"):
        TokenTextEncoder(None)
