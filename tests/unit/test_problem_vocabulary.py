"""The vocabulary of a problem that is missing or of an unknown kind."""

import pytest

from t2tlite.errors import VocabularyError
from t2tlite.problem_vocabulary import encoder_of, sentencepiece_filename
from t2tlite.text import train_sentencepiece
from t2tlite.text_problems import Text2TextProblem, VocabType


class Words(Text2TextProblem):
    vocab_type = VocabType.TOKEN


class Odd(Text2TextProblem):
    vocab_type = "letters"


@pytest.mark.parametrize(
    ("problem", "message"),
    [
        (Words(), "words: its TOKEN vocabulary .*vocab.x doesn't exist; write one token per line"),
        (Text2TextProblem(), "no vocabulary: neither vocab.x nor vocab.x.model is in "),
        (Odd(), "odd: vocab_type is 'letters'; expected VocabType.SUBWORD, CHARACTER or TOKEN"),
    ],
)
def test_no_encoder(tmp_path, problem, message):
    with pytest.raises(VocabularyError, match=message):
        encoder_of(problem, str(tmp_path), "vocab.x", None)


class Tagged(Text2TextProblem):
    additional_reserved_tokens = ["<a>", "<b>"]


def test_reserved_tokens_with_other_ids_are_warned_of(tmp_path, caplog):
    """A plugin may compute their ids, and the vocabulary may be older than its tokens."""
    texts = ["one two three"] * 9
    train_sentencepiece(texts, 300, tmp_path / "vocab.x.model", reserved_tokens=["<b>"])
    caplog.clear()
    encoder_of(Tagged(), str(tmp_path), "vocab.x", None)
    (message,) = caplog.messages
    assert "the additional_reserved_tokens ['<a>', '<b>'] have the ids [[" in message
    assert "], [2]], not one each from 2 on" in message
    tokens = ["<pad>", "<EOS>", *Tagged.additional_reserved_tokens]
    train_sentencepiece(texts, 300, tmp_path / "vocab.x.model", reserved_tokens=tokens)
    caplog.clear()
    assert encoder_of(Tagged(), str(tmp_path), "vocab.x", None).encode("<b>") == [3]
    assert caplog.messages == []


def test_sentencepiece_filename():
    assert sentencepiece_filename("vocab.x.300.subwords") == "vocab.x.300.model"
    assert sentencepiece_filename("vocab.x") == "vocab.x.model"
