import pytest

from t2tlite.text.subwords import ESCAPE_CHARACTERS, escape_token, longest_subtokens, unescape_token

ALPHABET = ESCAPE_CHARACTERS | frozenset("abc \n")


@pytest.mark.parametrize(
    "token, escaped",
    [
        ("abc", "abc_"),
        ("a_b\\c", "a\\ub\\\\c_"),
        ("aé", "a\\233;_"),
        # Even if it is in the alphabet: a file has one subtoken per line.
        ("a\nb", "a\\10;b_"),
        ("", "_"),
    ],
)
def test_escape_and_back(token: str, escaped: str) -> None:
    assert escape_token(token, ALPHABET) == escaped
    assert unescape_token(escaped) == token
    assert unescape_token(escaped.removesuffix("_")) == token


def test_an_escape_without_a_character() -> None:
    assert unescape_token("\\1114112;\\55296;") == "\u3013\u3013"


def test_a_lone_surrogate() -> None:
    with pytest.raises(UnicodeEncodeError):
        escape_token("a\ud800", ALPHABET)


def test_the_longest_subtoken_first() -> None:
    subtokens = {"a", "ab", "abc", "c", "_"}
    assert longest_subtokens("abcab_", subtokens, 3) == ["abc", "ab", "_"]
    assert longest_subtokens("abcab_", subtokens, 1 + 1) == ["ab", "c", "ab", "_"]
    with pytest.raises(KeyError, match="b"):
        longest_subtokens("bc_", subtokens, 3)
