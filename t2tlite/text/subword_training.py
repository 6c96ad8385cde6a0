"""Learns T2T's subwords from counted words, with the vocabulary that T2T 1.15.7 learns.

T2T's plugins that build a vocabulary themselves use it. A problem's own vocabulary is
SentencePiece's (`sentencepiece_training.py`), which needs less memory and no words.

Each round splits all words into the subtokens so far, counts what starts where a subtoken starts,
and keeps the strings that are frequent, the longer ones first: what a longer string accounts for
isn't counted for its beginnings.
"""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from t2tlite.errors import VocabularyError
from t2tlite.text.encoder import RESERVED_TOKENS, encode_utf8
from t2tlite.text.subwords import ESCAPE_CHARACTERS, escape_token, longest_subtokens

_log = logging.getLogger(__name__)

ROUNDS = 4
# A word of n characters has up to n squared substrings.
_LONG_WORD = 500


def learn_subtokens(
    token_counts: Mapping[str, int],
    min_count: float,
    *,
    rounds: int = ROUNDS,
    reserved_tokens: Sequence[str] | None = None,
    max_subtoken_length: int | None = None,
) -> list[str]:
    """Returns the subtokens that occur at least `min_count` times, and all single characters.

    Args:
      token_counts: how often each word token occurs.
      min_count: the least count of a subtoken.
      rounds: how often the words are split again with what was learned.
      reserved_tokens: T2T's two, and others after them; their ids start at 0. None: T2T's two.
      max_subtoken_length: as in T2T, a longest subtoken has one character less. None: no limit.

    Raises:
      VocabularyError: `reserved_tokens` doesn't start as T2T's two, or there is no text.
      DataError: a word has a lone surrogate.
    """
    reserved = list(RESERVED_TOKENS if reserved_tokens is None else reserved_tokens)
    if reserved[: len(RESERVED_TOKENS)] != RESERVED_TOKENS[: len(reserved)]:
        raise VocabularyError(
            f"reserved_tokens starts with {reserved[:2]!r}; expected {RESERVED_TOKENS!r} first"
        )
    if not token_counts:
        raise VocabularyError("there is no text to learn a vocabulary from")
    for token in token_counts:
        encode_utf8(token)
    # No subtoken may have a line end, because a vocabulary file has one subtoken per line.
    alphabet = ESCAPE_CHARACTERS.union(*token_counts, *reserved) - {"\n", "\r"}
    escaped = {escape_token(token, alphabet): count for token, count in token_counts.items()}
    head = [escape_token(token, alphabet) for token in reserved]
    subtokens = [*reserved, *alphabet]
    longest = 1
    for _ in range(rounds):
        counts = _substring_counts(escaped, set(subtokens), longest, max_subtoken_length)
        kept = [*_frequent(counts, min_count, alphabet), *((counts[c], c) for c in alphabet)]
        subtokens = [*head, *(subtoken for _, subtoken in sorted(kept, reverse=True))]
        longest = max(map(len, subtokens))
    return subtokens


def learn_subtokens_to_size(
    target_size: int,
    token_counts: Mapping[str, int],
    min_count: float,
    max_count: float,
    *,
    rounds: int = ROUNDS,
    reserved_tokens: Sequence[str] | None = None,
    max_subtoken_length: int | None = None,
) -> list[str]:
    """Returns about `target_size` subtokens: searches for the least count by bisection, as T2T.

    Args:
      target_size: the number of subtokens; 1 % more or less is enough.
      token_counts: how often each word token occurs.
      min_count: the lowest least count that is tried.
      max_count: the highest.
      rounds: as of `learn_subtokens`, and so are the others.
      reserved_tokens: the first subtokens.
      max_subtoken_length: in characters.

    Raises:
      VocabularyError: `target_size` is below 1, or as of `learn_subtokens`.
      ValueError: `min_count` is above `max_count`.
    """
    if min_count > max_count:
        raise ValueError(f"min_count {min_count} is above max_count {max_count}; swap them")
    if target_size < 1:
        raise VocabularyError(f"can't learn {target_size} subtokens; ask for 1 or more")
    longest = max(map(len, token_counts), default=0)
    if max_subtoken_length is None and longest > _LONG_WORD:
        _log.warning(
            "the longest word has %d characters, so learning its subtokens takes long and much "
            "memory; set max_subtoken_length, for example to 20",
            longest,
        )
    best: list[str] | None = None
    while True:
        count = (max_count + min_count) // 2
        found = learn_subtokens(
            token_counts,
            max(count, 1),
            rounds=rounds,
            reserved_tokens=reserved_tokens,
            max_subtoken_length=max_subtoken_length,
        )
        _log.info("%d subtokens occur at least %d times", len(found), count)
        distance = abs(len(found) - target_size)
        if best is None or distance < abs(len(best) - target_size):
            best = found
        if distance * 100 < target_size or min_count >= max_count or count < 2:
            return best
        if len(found) > target_size:
            min_count = count + 1
        else:
            max_count = count - 1


def _substring_counts(
    escaped: Mapping[str, int], subtokens: set[str], longest: int, limit: int | None
) -> Counter[str]:
    """Counts the substrings of words that begin where a subtoken begins."""
    counts: Counter[str] = Counter()
    for token, count in escaped.items():
        start = 0
        for subtoken in longest_subtokens(token, subtokens, longest):
            last = len(token) + 1 if limit is None else min(len(token) + 1, start + limit)
            for end in range(start + 1, last):
                counts[token[start:end]] += count
            start += len(subtoken)
    return counts


def _frequent(
    counts: Counter[str], min_count: float, alphabet: frozenset[str]
) -> list[tuple[int, str]]:
    """Returns the frequent strings with their counts; lowers those of their beginnings."""
    by_length: dict[int, list[str]] = defaultdict(list)
    for text, count in counts.items():
        if count >= min_count:
            by_length[len(text)].append(text)
    kept = []
    for length in sorted(by_length, reverse=True):
        for text in by_length[length]:
            count = counts[text]
            if count < min_count:
                continue
            if text not in alphabet:
                kept.append((count, text))
            for end in range(1, length):
                counts[text[:end]] -= count
    return kept
