"""Small vocabularies that the tests of this folder share."""

from pathlib import Path

import pytest

from t2tlite.text import SentencePieceEncoder, SubwordTextEncoder, train_sentencepiece

VERSES = [
    "The woods are lovely, dark and deep,",
    "But I have promises to keep,",
    "And miles to go before I sleep,",
    "And miles to go before I sleep.",
    "Whose woods these are I think I know.\nHis house is in the village though;",
    "Über allen Gipfeln ist Ruh, in allen Wipfeln spürest du kaum einen Hauch",
] * 4

RESERVED = ["<to_de>", "<unk>", 'a,b"c']

# In T2T's format: ids are line numbers, quotes keep spaces. The alphabet is small, so that most
# characters must be escaped; both kinds of quotes and a line without any occur in T2T's files.
SUBWORDS = [
    "'<pad>'",
    "'<EOS>'",
    "'the_'",
    "'th'",
    "'wood'",
    "'s_'",
    '", _"',
    "' '",
    "'''",
    *(f"'{c}'" for c in "\\_u;0123456789<>pad"),
    *"EOSthewors,",
]


@pytest.fixture(scope="session")
def sentencepiece_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sentencepiece") / "vocab.model"
    train_sentencepiece(VERSES, 400, path, reserved_tokens=RESERVED)
    return path


@pytest.fixture(scope="session")
def sentencepiece_encoder(sentencepiece_file: Path) -> SentencePieceEncoder:
    return SentencePieceEncoder(sentencepiece_file)


@pytest.fixture(scope="session")
def subword_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("subwords") / "vocab.subwords"
    path.write_text("\n".join(SUBWORDS) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def subword_encoder(subword_file: Path) -> SubwordTextEncoder:
    return SubwordTextEncoder(subword_file)
