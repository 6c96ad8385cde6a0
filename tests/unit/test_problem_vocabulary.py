"""The vocabulary of a problem that is missing or of an unknown kind."""

import pytest

from t2tlite.errors import VocabularyError
from t2tlite.problem_vocabulary import encoder_of, sentencepiece_filename
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


def test_sentencepiece_filename():
    assert sentencepiece_filename("vocab.x.300.subwords") == "vocab.x.300.model"
    assert sentencepiece_filename("vocab.x") == "vocab.x.model"
