"""Encoders as data: each kind is the same encoder after a round trip; a plugin's own is none."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from t2tlite.checkpoint import encoder_kinds
from t2tlite.errors import DataError, Error, VocabularyError
from t2tlite.text import (
    ByteTextEncoder,
    ClassLabelEncoder,
    RealEncoder,
    SentencePieceEncoder,
    SubwordTextEncoder,
    TextEncoder,
    TokenTextEncoder,
    train_sentencepiece,
)

TEXTS = ["", "a", "the cat sat", "3 1 4", "é\u2581 _\\u.", "sad"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a vocabulary file of each kind."""
    made = tmp_path_factory.mktemp("vocabularies")
    train_sentencepiece(["the cat sat on the mat"] * 3, 280, made / "v.model")
    letters = [f"'{letter}'" for letter in "\\_u;0123456789thecasonm"]
    lines = ["'<pad>'", "'<EOS>'", "'the_'", "'cat_'", *letters]
    (made / "v.subwords").write_text("\n".join(lines) + "\n")
    (made / "v.tokens").write_text("<pad>\n<EOS>\nthe\ncat\nUNK\n")
    return made


class Named(SentencePieceEncoder):
    """A class that adds nothing but where its file is."""

    def __init__(self, folder):
        super().__init__(folder / "v.model")


class Twelve(TextEncoder):
    @property
    def vocab_size(self):
        return 12


ENCODERS = {
    "sentencepiece": lambda folder: SentencePieceEncoder(folder / "v.model"),
    "sentencepiece of a subclass": Named,
    "subwords": lambda folder: SubwordTextEncoder(folder / "v.subwords"),
    "tokens": lambda folder: TokenTextEncoder(folder / "v.tokens"),
    "tokens with options": lambda folder: TokenTextEncoder(
        folder / "v.tokens", reverse=True, replace_oov="UNK", num_reserved_ids=3
    ),
    "tokens of a list": lambda _: TokenTextEncoder(None, vocab_list=["the", "cat", "a b"]),
    "bytes": lambda _: ByteTextEncoder(),
    "bytes with options": lambda _: ByteTextEncoder(num_reserved_ids=5),
    "class_labels": lambda _: ClassLabelEncoder(["sad", "glad", "one, two\n"]),
    "real": lambda _: RealEncoder(),
    "numbers": lambda _: Twelve(),
    "numbers without a size": lambda _: TextEncoder(),
}


def outcome(call, value):
    try:
        return call(value)
    except (DataError, NotImplementedError, ValueError, VocabularyError) as error:
        return type(error)


def size(encoder):
    return getattr(encoder, "vocab_size", None)


def tokens(encoder):
    """Its decode_list, which numbers don't have."""
    return getattr(encoder, "decode_list", str)


@pytest.mark.parametrize("name", ENCODERS)
def test_round_trip(folder, name):
    encoder = ENCODERS[name](folder)
    described = json.loads(json.dumps(encoder_kinds.describe(encoder)))
    assert described["kind"] == name.split()[0]
    if "file" in described:
        assert Path(described["file"]).parent == folder
        described["file"] = Path(described["file"]).name
    again = encoder_kinds.make(described, folder)
    assert outcome(size, again) == outcome(size, encoder)
    for text in TEXTS:
        assert outcome(again.encode, text) == outcome(encoder.encode, text)
    for ids in ([], [0], [2], [3, 2], [1, 4, 3, 0, 0]):
        assert outcome(again.decode, ids) == outcome(encoder.decode, ids)
        assert outcome(tokens(again), ids) == outcome(tokens(encoder), ids)


def test_defaults_are_left_out(folder):
    assert encoder_kinds.describe(ByteTextEncoder()) == {"kind": "bytes"}
    file = str(folder / "v.tokens")
    assert encoder_kinds.describe(TokenTextEncoder(file)) == {"kind": "tokens", "file": file}


class Duck:
    vocab_size = 3

    def encode(self, text):
        return [2] * len(text)

    def decode(self, ids):
        return "a" * len(ids)


class Louder(ByteTextEncoder):
    def encode(self, text):
        return super().encode(text.upper())


class Quieter(Louder):
    pass


class Cheaper(SubwordTextEncoder):
    def decode_list(self, ids):
        return ["?"] * len(ids)


def patched():
    encoder = ByteTextEncoder()
    encoder.encode = lambda text: [2]
    return encoder


class Shifted(TextEncoder):
    """It overrides what is data, and computes it anew each time."""

    calls = 0

    @property
    def vocab_size(self):
        self.calls += 1
        return 10 + self.calls


@pytest.mark.parametrize(
    "make", [Duck, Louder, Quieter, patched, Shifted, SubwordTextEncoder, object]
)
def test_what_is_not_data(make):
    assert encoder_kinds.describe(make()) is None


def test_an_overridden_method_of_one_with_a_file(folder):
    assert encoder_kinds.describe(Cheaper(folder / "v.subwords")) is None


def test_a_file_that_changed_after_it_was_read(folder, tmp_path):
    path = tmp_path / "v.tokens"
    path.write_text("<pad>\n<EOS>\nthe\n")
    encoder = TokenTextEncoder(path)
    path.write_text("<pad>\n<EOS>\nother\n")
    assert encoder_kinds.describe(encoder) is None


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        {},
        {"kind": "pickle"},
        {"kind": ["bytes"]},
        {"kind": "bytes", "num_reserved_ids": "2"},
        {"kind": "bytes", "num_reserved_ids": True},
        {"kind": "bytes", "num_reserved_ids": -1},
        {"kind": "bytes", "num_reserved_ids": 2**40},
        {"kind": "bytes", "reversed": True},
        {"kind": "numbers", "vocab_size": 2**60},
        {"kind": "class_labels", "labels": [1]},
        {"kind": "class_labels", "labels": "abc"},
        {"kind": "sentencepiece"},
        {"kind": "sentencepiece", "file": None},
        {"kind": "tokens"},
        {"kind": "tokens", "tokens": ["a", "b", "c"]},
        {"kind": "tokens", "file": "v.tokens", "tokens": ["<pad>", "<EOS>"]},
    ],
)
def test_impossible_descriptions(folder, value):
    with pytest.raises((TypeError, ValueError)) as caught:
        encoder_kinds.make(value, folder)
    assert len(str(caught.value).splitlines()) == 1


KEYS = ["kind", "file", "tokens", "labels", "reverse", "replace_oov", "num_reserved_ids"]
PLAIN = st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.just("v.tokens")
VALUES = PLAIN | st.lists(PLAIN, max_size=3)


@settings(max_examples=300)
@given(st.dictionaries(st.sampled_from(KEYS), VALUES), st.sampled_from(list(encoder_kinds.KINDS)))
def test_any_json_makes_an_encoder_or_an_error_of_one_line(folder, values, kind):
    try:
        encoder = encoder_kinds.make({"kind": kind, **values}, folder)
        assert kind in ("numbers", "real") or encoder.vocab_size >= 0
    except (TypeError, ValueError, Error) as error:
        assert len(str(error).splitlines()) <= 1


def test_a_warning_is_given_once(tmp_path, warned):
    path = tmp_path / "v.tokens"
    path.write_text("a\nb\n")
    encoder = TokenTextEncoder(path)
    assert encoder_kinds.describe(encoder) == {"kind": "tokens", "file": str(path)}
    assert len(warned) == 1
