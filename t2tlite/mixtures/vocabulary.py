"""The vocabulary of a mixture: its texts, its tags, and which members can take it."""

from __future__ import annotations

import hashlib
import inspect
import random
from collections.abc import Iterator, Mapping
from typing import Any

from t2tlite.config import HParams
from t2tlite.errors import DataError, VocabularyError
from t2tlite.mixtures.schedule import mixing_of
from t2tlite.problem_vocabulary import VocabType
from t2tlite.text.sentencepiece_training import BUDGET_CHARACTERS, draw_sample
from t2tlite.text_problems import Text2TextProblem
from t2tlite.translate import TwoVocabTranslateProblem


def stem_of(vocab_filename: str) -> str:
    """Returns the part of a vocabulary's name that tells it apart from others."""
    name = vocab_filename.removeprefix("vocab.")
    for ending in (".subwords", ".model", ".tokens"):
        name = name.removesuffix(ending)
    return name


def is_token(tag: str) -> bool:
    """Whether a tag must be one token: "<2de>"; other texts may have several."""
    return tag.startswith("<") and tag.endswith(">") and not any(map(str.isspace, tag))


def tag_tokens(mixture: Any) -> list[str]:
    """Returns the tags that the vocabulary must have as single tokens."""
    tags = [*mixture.tags.values(), *mixture.target_tags.values()]
    return [tag for tag in dict.fromkeys(tags) if is_token(tag)]


def check_tags(mixture: Any, encoder: Any) -> None:
    """Raises VocabularyError if the vocabulary lacks a tag."""
    if mixture.vocab_type == VocabType.CHARACTER:
        return
    for tag in tag_tokens(mixture):
        if len(encoder.encode(tag)) != 1:
            file = getattr(encoder, "filename", None) or "the vocabulary"
            raise VocabularyError(
                f"{mixture.name}: the tag {tag} isn't a token of {file}; learn a vocabulary with "
                f"it (another name or data_dir), or choose a tag that the vocabulary has"
            )


def check_member(mixture: str, name: str, member: Text2TextProblem) -> None:
    """Raises DataError if a member can't take another vocabulary than its own."""
    reason = ""
    if isinstance(member, TwoVocabTranslateProblem):
        reason = "has a vocabulary for each language"
    else:
        for hook in ("feature_encoders", "get_or_create_vocab"):
            owner = next(cls for cls in type(member).__mro__ if hook in vars(cls))
            if not owner.__module__.startswith("t2tlite."):
                reason = f"makes its encoders itself, in {hook} of class {owner.__qualname__}"
    if reason:
        raise DataError(
            f"{mixture}: {name} {reason}, and a mixture has one vocabulary; let all members use "
            f"the same one"
        )


def texts(
    mixture: Any, members: Mapping[str, Text2TextProblem], data_dir: str, tmp_dir: str
) -> Iterator[str]:
    """Yields texts that the vocabulary is learned from, of each member as its share says.

    The texts of a member that has fewer are repeated.

    Args:
      mixture: with the shares.
      members: by name; those of equal data are read once.
      data_dir, tmp_dir: of their samples.
    """
    samples: dict[str, list[str]] = {}
    counts: dict[str, int] = {}
    read: dict[str, str] = {}
    for name, member in members.items():
        if (first := read.setdefault(member.dataset_filename(), name)) != name:
            samples[name], counts[name] = samples[first], counts[first]
            continue
        counted = _Counted(member.generate_text_for_vocab(data_dir, tmp_dir))
        samples[name], _ = draw_sample(counted, BUDGET_CHARACTERS)
        counts[name] = counted.count
    mixing = mixing_of(mixture, counts, HParams())
    shares = {
        name: sum(point[i] for point in mixing.shares) / len(mixing.shares)
        for i, name in enumerate(mixing.names)
    }
    sizes = {name: max(sum(map(len, sample)), 1) for name, sample in samples.items()}
    # As many characters in all as the member with the most for its share allows.
    total = max(sizes[name] / share for name, share in shares.items() if share)
    total = min(total, BUDGET_CHARACTERS)
    for name, share in shares.items():
        yield from _repeated(samples[name], round(total * share))


class _Counted:
    """Counts the texts that pass."""

    def __init__(self, texts: Iterator[str]):
        self._texts, self.count = texts, 0

    def __iter__(self) -> Iterator[str]:
        for text in self._texts:
            self.count += 1
            yield text


def _repeated(texts: list[str], characters: int) -> Iterator[str]:
    """Yields texts with about so many characters in all: some of them, or all more than once."""
    order = list(range(len(texts)))
    draw = random.Random(0)
    while characters > 0 and any(texts):
        draw.shuffle(order)
        for number in order:
            if characters <= 0:
                return
            characters -= len(texts[number])
            yield texts[number]


def member_class(mixture: Any, base: Any) -> Any:
    """Returns a problem class whose data have the vocabulary of a mixture, under their own names.

    The names of the data say which vocabulary it is: PROBLEM.VOCABULARY-train-00000-of-00010.
    """
    stem = stem_of(mixture.vocab_filename)

    def dataset_filename(self: Any) -> str:
        return f"{base.dataset_filename(self)}.{stem}"

    def source_sha256(self: Any) -> str:
        try:
            return hashlib.sha256(inspect.getsource(base).encode()).hexdigest()
        except (OSError, TypeError):
            return ""

    members = {
        "__module__": base.__module__,
        "__doc__": base.__doc__,
        "dataset_filename": dataset_filename,
        "source_sha256": source_sha256,
        "use_vocab_from_other_problem": mixture,
        "vocab_filename": mixture.vocab_filename,
        "vocab_type": mixture.vocab_type,
        "oov_token": mixture.oov_token,
    }
    return type(base.__name__, (base,), members)
