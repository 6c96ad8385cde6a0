import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from t2tlite.text import tokenizer


@pytest.mark.parametrize(
    "text, tokens",
    [
        ("", []),
        (" ", [" "]),
        ("Dude - that's so cool.", ["Dude", " - ", "that", "'", "s", "so", "cool", "."]),
        (" a b ", [" ", "a", "b", " "]),
        ("a  b", ["a", "  ", "b"]),
        ("snake_case", ["snake", "_", "case"]),
        ("x² ½ 中文", ["x²", "½", "中文"]),
        # A combining mark is no letter.
        ("e\u0301a", ["e", "\u0301", "a"]),
    ],
)
def test_tokens(text: str, tokens: list[str]) -> None:
    assert tokenizer.encode(text) == tokens
    assert tokenizer.decode(tokens) == text


@given(st.text(alphabet=st.one_of(st.sampled_from(" a1_-"), st.characters())))
def test_lossless(text: str) -> None:
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_letters_and_digits_are_the_categories_l_and_n() -> None:
    """The regular expression stands for T2T's definition, character by character."""
    wrong = [
        code
        for code in range(sys.maxunicode + 1)
        if (unicodedata.category(chr(code))[0] in "LN")
        != (len(tokenizer.encode(f"a{chr(code)}")) == 1)
    ]
    assert wrong == []
