import hashlib
import logging
import os
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from t2tlite.errors import DataError, OutputError, VocabularyError
from t2tlite.text import NUM_RESERVED_TOKENS, load_vocabulary, train_sentencepiece

from .conftest import RESERVED, VERSES


def test_the_same_texts_give_the_same_bytes(tmp_path, sentencepiece_file) -> None:
    """In this process and in another one with another hash seed and file name."""
    code = (
        "import sys; from t2tlite.text import train_sentencepiece; "
        "train_sentencepiece(sys.argv[2:], 400, sys.argv[1], "
        f"reserved_tokens={RESERVED!r})"
    )
    here, there = tmp_path / "here.model", tmp_path / "there.model"
    train_sentencepiece(iter(VERSES), 400, here, reserved_tokens=tuple(RESERVED))
    subprocess.run(
        [sys.executable, "-c", code, str(there), *VERSES],
        env={**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": os.pathsep.join(sys.path)},
        check=True,
    )
    hashes = {
        hashlib.sha256(path.read_bytes()).hexdigest() for path in (sentencepiece_file, here, there)
    }
    assert len(hashes) == 1


def test_other_texts_give_another_vocabulary(tmp_path) -> None:
    verses = train_sentencepiece(VERSES, 300, tmp_path / "a.model")
    others = train_sentencepiece(["zzz qqq zzz qqq"] * 9 + VERSES, 300, tmp_path / "b.model")
    assert verses.encode("zzz qqq") != others.encode("zzz qqq")


def test_nothing_but_the_file_is_left(tmp_path) -> None:
    train_sentencepiece(VERSES, 300, tmp_path / "new" / "vocab.model")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["vocab.model"]


def test_the_trainer_is_silent(tmp_path, capfd) -> None:
    train_sentencepiece(VERSES, 300, tmp_path / "vocab.model")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "asked, reason", [(100_000, "the text has no more pieces"), (50, "characters of the text need")]
)
def test_a_size_that_does_not_fit(tmp_path, caplog, asked, reason) -> None:
    path = tmp_path / "vocab.model"
    with caplog.at_level(logging.WARNING):
        encoder = train_sentencepiece(iter(VERSES), asked, path)
    assert 256 < encoder.vocab_size < 1000
    (record,) = caplog.records
    assert f"has {encoder.vocab_size} tokens instead of {asked}: " in record.getMessage()
    assert reason in record.getMessage()
    assert encoder.decode(encoder.encode(VERSES[0])) == VERSES[0]


def test_a_size_that_fits_is_kept_without_a_word(tmp_path, caplog) -> None:
    assert train_sentencepiece(VERSES, 350, tmp_path / "vocab.model").vocab_size == 350
    assert [record for record in caplog.records if record.levelno > logging.INFO] == []


@pytest.mark.parametrize("texts", [[], [""], ["", "\n", "\r\n", "\0"]])
def test_no_text(tmp_path, texts: list[str]) -> None:
    with pytest.raises(VocabularyError, match="there is no text to learn a vocabulary from"):
        train_sentencepiece(texts, 300, tmp_path / "vocab.model")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "text", [" ", "\t", "<pad>", "<0x41>", "\u2585a", "\u2581", "\x1a", "\ufdd0"]
)
def test_text_that_the_trainer_dislikes(tmp_path, text: str) -> None:
    encoder = train_sentencepiece([text], 300, tmp_path / "vocab.model")
    assert encoder.decode(encoder.encode(text)) == text


def test_long_texts_and_texts_with_the_trainers_mark_count(tmp_path) -> None:
    """SentencePiece alone would silently drop both."""
    long = "mountain " * 20_000
    marked = ["\u2585 riverbank"] * 50
    encoder = train_sentencepiece([*VERSES, long, *marked], 10_000, tmp_path / "vocab.model")
    assert len(encoder.encode(" mountain")) == 1
    assert len(encoder.encode(" riverbank")) == 1


def test_a_long_word_counts(tmp_path) -> None:
    encoder = train_sentencepiece(["中文字" * 30_000, *VERSES], 400, tmp_path / "vocab.model")
    assert len(encoder.encode("中文字")) == 1


def test_newlines_inside_a_text_are_learned(sentencepiece_encoder, tmp_path) -> None:
    encoder = train_sentencepiece(["a,\nb,\nc"] * 100, 300, tmp_path / "vocab.model")
    assert "\n" in "".join(encoder.decode_list(encoder.encode("a,\nb")))


def test_literal_unk_is_a_word_like_any_other(tmp_path) -> None:
    encoder = train_sentencepiece(["the <unk> of <unk>"] * 100, 300, tmp_path / "vocab.model")
    assert len(encoder.encode(" <unk>")) <= 3


def test_max_subtoken_length(tmp_path) -> None:
    def longest(limit: int | None) -> int:
        encoder = train_sentencepiece(
            VERSES, 10_000, tmp_path / "vocab.model", max_subtoken_length=limit
        )
        pieces = encoder.decode_list(range(259, encoder.vocab_size))
        return max(map(len, pieces))

    assert longest(3) == 3
    assert longest(None) > 3


@pytest.mark.parametrize(
    "token, problem",
    [
        ("", "is empty"),
        ("two\twords", "contains white space other than spaces"),
        ("\u2581x", "contains white space other than spaces, U\\+2581"),
        (" ", "is white space"),
        ("<0x41>", "is the name of a piece"),
    ],
)
def test_a_reserved_token_that_cannot_be(tmp_path, token: str, problem: str) -> None:
    with pytest.raises(VocabularyError, match=problem):
        train_sentencepiece(VERSES, 400, tmp_path / "vocab.model", reserved_tokens=[token])


def test_reserved_tokens_that_look_like_pieces(tmp_path) -> None:
    tokens = ["<unknown>", "<<unknown>>", "<start of line>"]
    encoder = train_sentencepiece(VERSES, 400, tmp_path / "a.model", reserved_tokens=tokens)
    assert [encoder.encode(token) for token in tokens] == [[2], [3], [4]]
    text = " a<start of line>  b<unknown> c"
    assert {2, 4} < set(encoder.encode(text))
    assert encoder.decode(encoder.encode(text)) == text
    assert encoder.decode([4]) == "<start of line>"
    assert encoder.decode([5]) == "\ufffd"


def test_reserved_tokens_twice(tmp_path) -> None:
    with pytest.raises(VocabularyError, match="'<a>' appears twice"):
        train_sentencepiece(VERSES, 400, tmp_path / "vocab.model", reserved_tokens=["<a>", "<a>"])


def test_pad_and_eos_among_the_reserved_tokens(tmp_path) -> None:
    """T2T's plugins may pass RESERVED_TOKENS followed by their own."""
    encoder = train_sentencepiece(
        VERSES, 400, tmp_path / "vocab.model", reserved_tokens=["<pad>", "<EOS>", "<a>"]
    )
    assert encoder.decode_list(range(4)) == ["<pad>", "<EOS>", "<a>", "<unknown>"]


def test_reserved_tokens_begin_at_num_reserved_tokens(tmp_path) -> None:
    """As in T2T, so that a plugin may compute their ids."""
    tokens = [f"<lang_{i}>" for i in range(40)]
    encoder = train_sentencepiece(VERSES, 400, tmp_path / "a.model", reserved_tokens=tokens)
    assert [encoder.encode(token) for token in tokens] == [
        [NUM_RESERVED_TOKENS + i] for i in range(40)
    ]
    assert encoder.decode_list([42]) == ["<unknown>"]
    assert encoder.decode(encoder.encode("a<lang_39>ß\U0001f332")) == "a<lang_39>ß\U0001f332"


def test_a_lone_surrogate(tmp_path) -> None:
    with pytest.raises(DataError, match="character 1 of the text"):
        train_sentencepiece([*VERSES, "a\udfff"], 300, tmp_path / "vocab.model")


def test_a_size_below_one(tmp_path) -> None:
    with pytest.raises(VocabularyError, match="can't learn 0 tokens"):
        train_sentencepiece(VERSES, 0, tmp_path / "vocab.model")


def test_a_place_that_cannot_be_written_to(tmp_path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="can't write"):
        train_sentencepiece(VERSES, 300, tmp_path / "file" / "vocab.model")


def test_a_failing_source_of_texts_fails_with_its_own_error(tmp_path) -> None:
    def texts():
        yield VERSES[0]
        raise RuntimeError("required_chars. 1 vs 2")

    with pytest.raises(RuntimeError, match="1 vs 2"):
        train_sentencepiece(texts(), 300, tmp_path / "vocab.model")


def test_of_much_text_a_sample_is_learned_from(tmp_path, caplog) -> None:
    # The second half has letters of its own, which a sample from the start wouldn't have.
    texts = [f"{word} {number}" for word in ("abc", "xyz") for number in range(1000)]
    caplog.set_level("INFO", logger="t2tlite")
    models = []
    for name in ("a.model", "b.model"):
        train_sentencepiece(texts, 300, tmp_path / name, budget_characters=3000)
        models.append((tmp_path / name).read_bytes())
    assert models[0] == models[1]
    assert any("learning 300 tokens from" in record for record in caplog.messages)
    pieces = load_vocabulary(tmp_path / "a.model").decode_list(range(259, 300))
    assert any("x" in piece for piece in pieces)
    assert any("a" in piece for piece in pieces)


PARTS = [
    "a",
    "bc",
    "é",
    "中",
    " ",
    "\n",
    "\r",
    "\t",
    "\0",
    "\u2581",
    "\x1a",
    "\x1a_",
    "\u2585",
    "<pad>",
]
TEXTS = st.lists(st.sampled_from([*PARTS, "<0xE2>", "\U0001f332"]), max_size=9).map("".join)


@seed(1)
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(TEXTS, min_size=1, max_size=4),
    st.lists(TEXTS, max_size=9),
    st.sampled_from([None, 1, 3]),
)
def test_lossless_whatever_was_learned_from(tmp_path, texts, others, longest) -> None:
    """Above all without a space, which then has no piece."""
    encoder = train_sentencepiece(
        ["thequickbrown", *texts], 300, tmp_path / "vocab.model", max_subtoken_length=longest
    )
    for text in [*others, *texts, "the quick\u2581fox \0"]:
        assert encoder.decode(encoder.encode(text)) == text


def test_a_space_that_was_not_learned(tmp_path) -> None:
    encoder = train_sentencepiece(["thequickbrown", "fox"], 300, tmp_path / "vocab.model")
    assert encoder.decode(encoder.encode("the quick fox")) == "the quick fox"
    assert encoder.decode(encoder.encode(" \u2581")) == " \u2581"
