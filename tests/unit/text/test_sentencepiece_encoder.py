import io
import pickle

import numpy as np
import pytest
import sentencepiece
from hypothesis import given
from hypothesis import strategies as st

from t2tlite.errors import DataError, VocabularyError
from t2tlite.text import SentencePieceEncoder
from t2tlite.text.sentencepiece_encoder import escape, unescape

from .conftest import RESERVED, VERSES

# What SentencePiece, or the escape around it, gives a meaning of its own.
SPECIAL = [
    *("\u2581", "\x1a", "\x1a_", "\x1a.", "\u2585", "\u2047", "\ufffd", "\ufeff", "\ufdd0"),
    *(" ", "  ", "\n", "\r\n", "\t", "\0", "_", "."),
    *("<pad>", "<EOS>", "</s>", "<s>", "<unknown>", "<0x41>", "<0xC3>", *RESERVED),
]
TEXTS = st.one_of(st.text(), st.lists(st.one_of(st.sampled_from(SPECIAL), st.text())).map("".join))


@given(TEXTS)
def test_lossless(sentencepiece_encoder: SentencePieceEncoder, text: str) -> None:
    ids = sentencepiece_encoder.encode(text)
    assert sentencepiece_encoder.decode(ids) == text
    # 0 and 1 are PAD and EOS, 5 is the unknown piece: no text has them.
    assert not {0, 1, 5}.intersection(ids)


@pytest.mark.parametrize("text", [*SPECIAL, "".join(SPECIAL), " a\u2581 b ", *VERSES[:6]])
def test_special_text_is_lossless(sentencepiece_encoder: SentencePieceEncoder, text: str) -> None:
    assert sentencepiece_encoder.decode(sentencepiece_encoder.encode(text)) == text


@given(st.text(alphabet="\u2581\x1a_. a"))
def test_escape_and_back(text: str) -> None:
    assert "\u2581" not in escape(text)
    assert unescape(escape(text)) == text


def test_an_escape_without_meaning_stays() -> None:
    assert unescape("\x1ax \x1a") == "\x1ax \x1a"


@given(st.lists(TEXTS, max_size=5))
def test_a_batch_gives_the_ids_of_its_texts(sentencepiece_encoder, texts: list[str]) -> None:
    expected = [sentencepiece_encoder.encode(text) for text in texts]
    assert sentencepiece_encoder.encode_batch(texts) == expected
    assert sentencepiece_encoder.encode_batch(texts, num_threads=2) == expected


def test_pieces(sentencepiece_encoder: SentencePieceEncoder) -> None:
    pieces = sentencepiece_encoder.decode_list(range(sentencepiece_encoder.vocab_size))
    assert pieces[:6] == ["<pad>", "<EOS>", *RESERVED, "<unknown>"]
    assert "".join(
        sentencepiece_encoder.decode_list(sentencepiece_encoder.encode("the woods"))
    ) == ("the\u2581woods")


def test_reserved_tokens_are_one_id(sentencepiece_encoder: SentencePieceEncoder) -> None:
    assert [sentencepiece_encoder.encode(token) for token in RESERVED] == [[2], [3], [4]]
    assert sentencepiece_encoder.encode("to<to_de>go")[1:-1].count(2) == 1


def test_pad_and_eos(sentencepiece_encoder: SentencePieceEncoder) -> None:
    """As in T2T's encoders."""
    ids = sentencepiece_encoder.encode("the woods")
    padded = [0, *ids, 1, *ids, 1, 0]
    shown = "<pad>the woods<EOS>the woods"
    assert sentencepiece_encoder.decode(padded) == f"{shown}<EOS><pad>"
    assert sentencepiece_encoder.decode(np.array(padded), strip_extraneous=True) == shown
    assert [sentencepiece_encoder.decode(ids) for ids in ([], [0], [1])] == ["", "<pad>", "<EOS>"]


def test_utf8_bytes_are_text(sentencepiece_encoder: SentencePieceEncoder) -> None:
    ids = sentencepiece_encoder.encode("the wöods")
    assert sentencepiece_encoder.encode("the wöods".encode()) == ids
    assert sentencepiece_encoder.encode_batch([b"the w\xc3\xb6ods", "the"])[0] == ids
    with pytest.raises(DataError, match="isn't UTF-8"):
        sentencepiece_encoder.encode(b"\xff")


def test_incomplete_bytes_and_the_unknown_piece(sentencepiece_encoder) -> None:
    ids = sentencepiece_encoder.encode("\U0001f332")
    assert len(ids) == 4
    assert sentencepiece_encoder.decode(ids[:1]) == "\ufffd"
    assert sentencepiece_encoder.decode([5]) == "\ufffd"


@pytest.mark.parametrize("wrong", [-1, 400])
def test_an_id_out_of_range(sentencepiece_encoder: SentencePieceEncoder, wrong: int) -> None:
    for decode in (sentencepiece_encoder.decode, sentencepiece_encoder.decode_list):
        with pytest.raises(DataError, match=f"id {wrong} is outside .* expected 0 to 399"):
            decode([5, wrong])


def test_a_lone_surrogate(sentencepiece_encoder: SentencePieceEncoder) -> None:
    with pytest.raises(DataError, match=r"character 2 of the text is '\\ud800'"):
        sentencepiece_encoder.encode("ab\ud800c")
    with pytest.raises(DataError, match=r"character 1 of the text is '\\udfff'"):
        sentencepiece_encoder.encode_batch(["fine", "a\udfff"])


def test_a_worker_process_gets_the_same_encoder(sentencepiece_encoder) -> None:
    copy = pickle.loads(pickle.dumps(sentencepiece_encoder))
    assert copy.encode("the woods") == sentencepiece_encoder.encode("the woods")


@pytest.mark.parametrize("content", [b"garbage", b"<pad>\n<EOS>\nthe\n" * 50])
def test_a_broken_file(tmp_path, content: bytes) -> None:
    path = tmp_path / "vocab.model"
    path.write_bytes(content)
    with pytest.raises(VocabularyError, match="vocab.model isn't a SentencePiece model"):
        SentencePieceEncoder(path)


def test_a_truncated_file(tmp_path, sentencepiece_file) -> None:
    path = tmp_path / "vocab.model"
    path.write_bytes(sentencepiece_file.read_bytes()[:1000])
    with pytest.raises(VocabularyError, match="vocab.model isn't a SentencePiece model"):
        SentencePieceEncoder(path)


@pytest.mark.parametrize("old", ["\u2581and", "\ufffd"])
def test_a_piece_that_is_not_utf8(tmp_path, sentencepiece_file, old: str) -> None:
    raw = sentencepiece_file.read_bytes()
    assert old.encode() in raw
    path = tmp_path / "vocab.model"
    path.write_bytes(raw.replace(old.encode(), b"\xff" * len(old.encode())))
    with pytest.raises(VocabularyError, match="vocab.model isn't a SentencePiece model"):
        SentencePieceEncoder(path)


def test_a_vocabulary_with_another_order_keeps_its_ids(tmp_path) -> None:
    """Of the unknown piece and the reserved tokens."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(VERSES),
        model_writer=model,
        vocab_size=350,
        model_type="bpe",
        byte_fallback=True,
        pad_id=0,
        pad_piece="<pad>",
        eos_id=1,
        eos_piece="<EOS>",
        unk_id=2,
        bos_id=-1,
        user_defined_symbols=["<to_de>"],
        minloglevel=2,
    )
    path = tmp_path / "vocab.model"
    path.write_bytes(model.getvalue())
    encoder = SentencePieceEncoder(path)
    assert encoder.decode_list(range(4)) == ["<pad>", "<EOS>", "<unk>", "<to_de>"]
    assert 3 in encoder.encode("<to_de>")
    assert 2 in encoder.fallback_ids


def test_a_model_with_other_ids_for_pad_and_eos(tmp_path) -> None:
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(VERSES),
        model_writer=model,
        vocab_size=60,
        model_type="bpe",
        minloglevel=2,
    )
    path = tmp_path / "vocab.model"
    path.write_bytes(model.getvalue())
    with pytest.raises(VocabularyError, match="id -1 for padding and 2 for the end .* --pad_id=0"):
        SentencePieceEncoder(path)
