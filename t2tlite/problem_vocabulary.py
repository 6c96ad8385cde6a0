"""The vocabulary of a problem: its kinds, and loading or learning it."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Iterable
from typing import Any

from t2tlite.data import manifest
from t2tlite.errors import VocabularyError
from t2tlite.text import (
    NUM_RESERVED_TOKENS,
    RESERVED_TOKENS,
    ByteTextEncoder,
    ClassLabelEncoder,
    SentencePieceEncoder,
    TokenTextEncoder,
    load_vocabulary,
    train_sentencepiece,
)

log = logging.getLogger(__name__)


class VocabType:
    """The kinds of vocabularies."""

    CHARACTER = "character"  # UTF-8 bytes, and two reserved ids
    SUBWORD = "subwords"  # SentencePiece; or an existing T2T .subwords file in data_dir
    TOKEN = "tokens"  # words between spaces, from a file that the problem provides


def sentencepiece_filename(filename: str) -> str:
    """Returns the name of the SentencePiece file that replaces T2T's vocabulary `filename`."""
    return filename.removesuffix(f".{VocabType.SUBWORD}") + ".model"


def size_in(data_dir: str | os.PathLike[str], dataset: str) -> int | None:
    """Returns the size that the vocabulary of a data folder was asked for with.

    Args:
      data_dir: the data folder.
      dataset: what the names of its files start with.

    Returns:
      The size in tokens; 0 for bytes; None if there are no data, T2T generated them, or the
      vocabulary has a name of its own.
    """
    made = manifest.read(data_dir, dataset)
    if made is None:
        return None
    if not made.vocabularies:
        return 0
    pattern = re.compile(rf"vocab\.{re.escape(dataset)}\.(\d+)\.(model|{VocabType.SUBWORD})")
    sizes = [int(found[1]) for found in map(pattern.fullmatch, made.vocabularies) if found]
    return sizes[0] if sizes else None


def _check_reserved_tokens(problem: Any, encoder: Any) -> None:
    """Warns of reserved tokens that have other ids than the code of a problem expects."""
    if not isinstance(encoder, SentencePieceEncoder):
        return
    reserved = [t for t in problem.additional_reserved_tokens if t not in RESERVED_TOKENS]
    ids = [encoder.encode(token) for token in reserved]
    if ids != [[NUM_RESERVED_TOKENS + i] for i in range(len(reserved))]:
        log.warning(
            "%s: in %s the additional_reserved_tokens %r have the ids %r, not one each from %d on; "
            "code that relies on these needs a new vocabulary: delete it and run t2t-datagen again",
            problem.name,
            encoder.filename,
            reserved,
            ids,
            NUM_RESERVED_TOKENS,
        )


def encoder_of(
    problem: Any, data_dir: str, filename: str, texts: Callable[[], Iterable[str]] | None
) -> Any:
    """Returns the encoder of a problem's vocabulary; learns a missing SUBWORD vocabulary.

    Args:
      problem: a Text2TextProblem, of which the kind and size of the vocabulary are read.
      data_dir: the folder of the vocabulary file.
      filename: T2T's name of the file.
      texts: yields the texts that a missing vocabulary is learned from; None: don't learn one.

    Raises:
      VocabularyError: the file is damaged, or it is missing and can't be created.
    """
    if problem.vocab_type == VocabType.CHARACTER:
        return ByteTextEncoder()
    path = os.path.join(data_dir, filename)
    if problem.vocab_type == VocabType.TOKEN:
        if not os.path.exists(path):
            raise VocabularyError(
                f"{problem.name}: its TOKEN vocabulary {path} doesn't exist; write one token per "
                f"line into it, in generate_samples or by hand"
            )
        return TokenTextEncoder(path, replace_oov=problem.oov_token)
    if problem.vocab_type != VocabType.SUBWORD:
        raise VocabularyError(
            f"{problem.name}: vocab_type is {problem.vocab_type!r}; expected VocabType.SUBWORD, "
            f"CHARACTER or TOKEN"
        )
    learned = sentencepiece_filename(filename)
    # T2T's .subwords file comes first: T2T's data and models need exactly its ids.
    for name in (filename, learned):
        if os.path.exists(os.path.join(data_dir, name)):
            encoder = load_vocabulary(os.path.join(data_dir, name))
            _check_reserved_tokens(problem, encoder)
            return encoder
    if texts is None:
        raise VocabularyError(
            f"no vocabulary: neither {filename} nor {learned} is in {data_dir}; create it with "
            f"t2t-datagen, or check --data_dir"
        )
    size = problem.approx_vocab_size
    log.info("%s: learning a vocabulary of about %d tokens", problem.name, size)
    return train_sentencepiece(
        texts(),
        size,
        os.path.join(data_dir, learned),
        reserved_tokens=problem.additional_reserved_tokens,
        max_subtoken_length=problem.max_subtoken_length,
    )


def label_encoder_of(problem: Any, data_dir: str | None) -> ClassLabelEncoder:
    """Returns the encoder of the `num_classes` labels of a Text2ClassProblem.

    As in T2T, `class_labels` may have another length: a label without a name is called `ID_7`, for
    example, and names without a label aren't used.
    """
    labels: Any = problem.class_labels
    # T2T's plugins define it as a property, too.
    names = list(labels(data_dir) if callable(labels) else labels)
    count = problem.num_classes
    if len(names) != count:
        log.warning(
            "%s: found %d class_labels and num_classes=%d; %s",
            problem.name,
            len(names),
            count,
            f"label {len(names)} is called ID_{len(names)}, and so on"
            if len(names) < count
            else "the last labels aren't used",
        )
    unnamed = [f"ID_{number}" for number in range(len(names), count)]
    return ClassLabelEncoder(class_labels=[*map(str, names[:count]), *unnamed])
