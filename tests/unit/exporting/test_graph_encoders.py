"""A vocabulary's graph gives the ids and texts of its Python encoder."""

import random

import pytest
import tensorflow as tf

from t2tlite.errors import VocabularyError
from t2tlite.exporting.graph_encoders import graph_encoder
from t2tlite.exporting.graph_strings import is_blank, well_formed
from t2tlite.text import (
    ByteTextEncoder,
    SentencePieceEncoder,
    SubwordTextEncoder,
    TokenTextEncoder,
    sentencepiece_training,
    train_sentencepiece,
)

SUBTOKENS = ["<pad>", "<EOS>", "the_", "ca", "fé_", ", _", *"_\\u;0123456789 <>adpEOSthecfé☺,"]
SPECIAL = [
    "",
    " ",
    " a",
    "a ",
    "a  b",
    "a b",
    "\u2581",
    "\x1a._",
    "\\0;",
    "_\\u",
    "<pad>",
    "é\x85☺",
    "\0",
    "a\0b \0",
]
ENCODERS = [
    "sentencepiece",
    "sentencepiece without spaces",
    "sentencepiece with the unknown piece before the reserved tokens",
    "subwords",
    "tokens",
    "reversed tokens",
    "bytes",
]


def texts(count):
    """Random texts of letters, white space, escapes and arbitrary characters."""
    draw = random.Random(1)
    some = [
        *"abcé ☺\\_u;09,",
        " ",
        " ",
        "\t",
        "\u3000",
        "\x1c",
        "\u2581",
        "\x1a",
        "\0",
        "the",
        "<EOS>",
    ]
    anything = [*range(0xD800), *range(0xE000, 0x110000)]
    return [
        "".join(
            draw.choice(some) if draw.random() < 0.8 else chr(draw.choice(anything))
            for _ in range(draw.randrange(20))
        )
        for _ in range(count)
    ]


@pytest.fixture(params=ENCODERS)
def encoder(request, tmp_path, monkeypatch):
    if "unknown piece before" in request.param:
        # Its id is then 2, and the reserved tokens follow.
        monkeypatch.setattr(sentencepiece_training, "NUM_RESERVED_TOKENS", 0)
    if request.param.startswith("sentencepiece") and "without" not in request.param:
        train_sentencepiece(
            ["the quick brown café", "a lazy dog"] * 9,
            300,
            tmp_path / "v.model",
            reserved_tokens=["<a>", "<b>"],
        )
        return SentencePieceEncoder(tmp_path / "v.model")
    if request.param == "sentencepiece without spaces":
        train_sentencepiece(["thequickbrown", "fox"], 300, tmp_path / "v.model")
        return SentencePieceEncoder(tmp_path / "v.model")
    if request.param == "subwords":
        path = tmp_path / "v.subwords"
        path.write_text("".join(f"'{one}'\n" for one in SUBTOKENS), encoding="utf-8")
        return SubwordTextEncoder(path)
    if request.param == "bytes":
        return ByteTextEncoder()
    reverse = request.param == "reversed tokens"
    return TokenTextEncoder(
        None, reverse, vocab_list=["a", "é", "UNK", "the", "☺"], replace_oov="UNK"
    )


def test_encode(encoder):
    lines = SPECIAL + texts(300)
    found = tf.function(graph_encoder(encoder).encode)(tf.constant(lines))
    assert found.to_list() == [encoder.encode(line) for line in lines]


def test_decode(encoder):
    draw = random.Random(2)
    size = encoder.vocab_size
    rows = [[draw.randrange(size) for _ in range(draw.randrange(12))] for _ in range(500)]
    rows += [encoder.encode(line) for line in SPECIAL + texts(100)]
    rows += [[draw.randrange(7) for _ in range(draw.randrange(5))] for _ in range(50)]
    found = tf.function(graph_encoder(encoder).decode)(tf.ragged.constant(rows, dtype=tf.int32))
    assert [one.decode() for one in found.numpy()] == [encoder.decode(row) for row in rows]


def test_white_space_and_ill_formed_text_are_as_in_python():
    lines = SPECIAL + texts(300) + ["\x1c\x85\u3000", "\n\t "]
    assert is_blank(tf.constant(lines)).numpy().tolist() == [not line.strip() for line in lines]
    draw = random.Random(3)
    starts = [0x41, 0x80, 0xBF, 0xC2, 0xE0, 0xE2, 0xED, 0xF0, 0xF4, 0xF5, 0xFF]
    raw = [bytes(draw.choice(starts) for _ in range(draw.randrange(8))) for _ in range(2000)]
    found = [one.decode() for one in well_formed(tf.constant(raw)).numpy()]
    assert found == [one.decode("utf-8", "replace") for one in raw]


def test_an_unknown_token_is_an_error():
    graph = graph_encoder(TokenTextEncoder(None, vocab_list=["a"]))
    encode = tf.function(graph.encode)
    with pytest.raises(tf.errors.InvalidArgumentError, match="vocabulary lacks.*zebra"):
        encode(tf.constant(["a zebra"]))


def test_a_subclass_is_refused():
    class Own(ByteTextEncoder):
        pass

    with pytest.raises(VocabularyError, match="Own is Python code"):
        graph_encoder(Own())


def test_sentencepiece_writes_no_line(tmp_path, capfd):
    encoder = train_sentencepiece(["some text"] * 9, 300, tmp_path / "v.model")
    capfd.readouterr()
    graph_encoder(encoder).encode(tf.constant(["some"]))
    assert capfd.readouterr() == ("", "")
