import logging
from pathlib import Path

import pytest

from t2tlite.errors import DataError, VocabularyError
from t2tlite.text import SubwordTextEncoder
from t2tlite.text.subword_training import learn_subtokens, learn_subtokens_to_size

from .conftest import VERSES

COUNTS = {"aba": 5, "abac": 3, "c": 2, "aé": 1}


def test_characters_and_frequent_substrings() -> None:
    subtokens = learn_subtokens(COUNTS, 3)
    assert subtokens[:2] == ["<pad>_", "<EOS>_"]
    # Most frequent first: "aba" is a word five times, and the start of another one three times.
    assert subtokens[2:4] == ["aba_", "abac_"]
    assert set("abcé\\_u;0123456789<>padEOS") <= set(subtokens)
    assert "aba" not in subtokens


def test_reserved_tokens_come_first() -> None:
    subtokens = learn_subtokens(COUNTS, 3, reserved_tokens=["<pad>", "<EOS>", "<a_b>"])
    assert subtokens[:3] == ["<pad>_", "<EOS>_", "<a\\ub>_"]
    with pytest.raises(VocabularyError, match=r"starts with \['<S>'\]; expected \['<pad>'"):
        learn_subtokens(COUNTS, 3, reserved_tokens=["<S>"])


def test_the_longest_subtoken_has_one_character_less() -> None:
    subtokens = learn_subtokens({"abcdefgh": 9}, 2, max_subtoken_length=4, reserved_tokens=[])
    assert max(map(len, subtokens)) == 3


def test_a_line_end_is_no_subtoken(tmp_path) -> None:
    """In a file it would be two lines, and shift the ids of all later ones."""
    encoder = SubwordTextEncoder.build_from_generator(["a\nb\r\n c"] * 9, 40)
    encoder.store_to_file(tmp_path / "vocab.subwords")
    again = SubwordTextEncoder(tmp_path / "vocab.subwords")
    assert again.all_subtoken_strings == encoder.all_subtoken_strings
    ids = encoder.encode("b\na\r\n")
    assert again.encode("b\na\r\n") == ids
    assert again.decode(ids) == "b\na\r\n"


def test_the_size_nearest_to_the_target() -> None:
    counts = {word: VERSES[0].count(word) + 2 for text in VERSES for word in text.split()}
    sizes = {len(learn_subtokens(counts, count)) for count in range(1, 9)}
    target = sorted(sizes)[1]
    assert len(learn_subtokens_to_size(target, counts, 1, 1000)) == target


def test_what_cannot_be_learned() -> None:
    with pytest.raises(VocabularyError, match="there is no text"):
        learn_subtokens({}, 1)
    with pytest.raises(VocabularyError, match="can't learn 0 subtokens"):
        learn_subtokens_to_size(0, COUNTS, 1, 10)
    with pytest.raises(ValueError, match="min_count 3 is above max_count 2"):
        learn_subtokens_to_size(9, COUNTS, 3, 2)
    with pytest.raises(DataError, match="half of a surrogate pair"):
        learn_subtokens({"a\ud800": 1}, 1)


def test_long_words_are_warned_of(caplog) -> None:
    with caplog.at_level(logging.WARNING):
        learn_subtokens_to_size(50, {"ab" * 300: 1}, 1, 9, rounds=1)
        learn_subtokens_to_size(50, {"ab" * 300: 1}, 1, 9, rounds=1, max_subtoken_length=5)
    assert len(caplog.records) == 1
    assert "600 characters" in caplog.text
    assert "set max_subtoken_length" in caplog.text


@pytest.mark.slow
def test_t2ts_own_vocabulary(shared: Path, tmp_path) -> None:
    """The file that T2T wrote for the poetry tutorial, byte for byte."""

    def texts():
        previous = ""
        raw = shared / "data/gutenberg_poetry/notebook/raw.txt"
        for line in map(str.strip, raw.read_text(encoding="utf-8").split("\n")):
            if previous and line:
                yield from (previous, line)
            previous = line

    SubwordTextEncoder.build_from_generator(texts(), 2**13).store_to_file(tmp_path / "learned")
    expected = shared / "fixtures/t2t/poetry_data/vocab.poetry_line_problem.8192.subwords"
    assert (tmp_path / "learned").read_bytes() == expected.read_bytes()
