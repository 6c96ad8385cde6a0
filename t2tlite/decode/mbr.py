"""Minimum Bayes risk: the answers of a beam search, ranked by their likeness to each other.

The expected utility of an answer is its mean likeness to all answers of the beam, each weighted by
exp(score) (Kumar and Byrne 2004). So an answer that has much in common with other probable ones
wins over the most probable one.

The utilities are sacrebleu's, which compares two texts at a time. Here the n-grams of each text are
counted once for all comparisons.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from t2tlite.decode.decode_hparams import DecodeHParams, Hypothesis
from t2tlite.decode.model_folder import ModelFolder
from t2tlite.errors import HParamsError

Array = np.ndarray[Any, Any]
# Counts of the n-grams of each text, a row a text, by n from 1.
_Counts = list[Array]


def check(folder: ModelFolder, decode_hparams: DecodeHParams) -> None:
    """Checks that a model's answers can be ranked, if they are to be.

    Raises:
      HParamsError: they are no texts, or the model's own hparams say that they are drawn.
    """
    if not decode_hparams.mbr:
        return
    if not folder.generates:
        raise HParamsError(
            f"decode hparam mbr={decode_hparams.mbr} ranks texts, and this model gives none; leave "
            f"it out"
        )
    if folder.samples(decode_hparams):
        raise HParamsError(
            f"decode hparam mbr={decode_hparams.mbr} ranks the answers of a beam search, and this "
            f"model draws its answers; add sampling_method=argmax"
        )


def ranked(rows: list[list[Hypothesis]], utility: str) -> list[list[Hypothesis]]:
    """Returns the answers to each line by expected utility, which becomes their score.

    Args:
      rows: the answers to each line.
      utility: the decode hparam `mbr`; "": the rows stay as they are.
    """
    return [_ranked(row, utility) for row in rows] if utility else rows


def _ranked(row: list[Hypothesis], utility: str) -> list[Hypothesis]:
    utilities = expected_utilities([one.text for one in row], [one.score for one in row], utility)
    scored = [replace(one, score=value) for one, value in zip(row, utilities, strict=True)]
    return sorted(scored, key=lambda one: -one.score)


def expected_utilities(texts: Sequence[str], scores: Sequence[float], utility: str) -> list[float]:
    """Returns the expected utility of each answer, from 0 to 100.

    Args:
      texts: the answers to a line; there may be none.
      scores: of the answers.
      utility: "chrf" or "bleu", sacrebleu's of two sentences, or "exact", 100 for equal texts.
    """
    if not texts:
        return []
    best = max(scores)
    weights: dict[str, float] = {}
    for text, score in zip(texts, scores, strict=True):
        weights[text] = weights.get(text, 0.0) + math.exp(score - best)
    shares = np.array(list(weights.values()))
    expected = _UTILITIES[utility](list(weights)) @ (shares / shares.sum())
    found = dict(zip(weights, expected.tolist(), strict=True))
    return [found[text] for text in texts]


def chrf(texts: Sequence[str]) -> Array:
    """Returns chrF2 of each text, by row, with each as the reference, by column: [N, N]."""
    counts = _counts(["".join(text.split()) for text in texts], 6)
    precision = recall = orders = np.zeros((len(texts), len(texts)))
    for matches, sizes in map(_matches, counts):
        given, right = sizes[:, None], sizes[None, :]
        both = (given > 0) & (right > 0)
        precision = precision + np.where(both, matches / np.maximum(given, 1), 0.0)
        recall = recall + np.where(both, matches / np.maximum(right, 1), 0.0)
        orders = orders + both
    precision, recall = (sums / np.maximum(orders, 1) for sums in (precision, recall))
    # Twice as much weight for recall.
    total = 4 * precision + recall
    return np.asarray(500 * precision * recall / np.where(total > 0, total, 1.0))


def bleu(texts: Sequence[str]) -> Array:
    """Returns BLEU of each text, by row, with each as the reference, by column: [N, N].

    As sacrebleu's of a sentence: with its tokenizer 13a, exponential smoothing and effective order.
    """
    from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a

    tokenize = Tokenizer13a()
    tokens = [tokenize(text).split() for text in texts]
    logs = orders = found = np.zeros((len(texts), len(texts)))
    smoothing = np.ones((len(texts), len(texts)))
    for matches, sizes in map(_matches, _counts(tokens, 4)):
        given = np.broadcast_to(sizes[:, None], matches.shape)
        smoothing = np.where((matches == 0) & (given > 0), 2 * smoothing, smoothing)
        shares = np.where(matches > 0, matches, 1 / smoothing) / np.maximum(given, 1)
        logs = logs + np.where(given > 0, np.log(shares), 0.0)
        orders, found = orders + (given > 0), found + matches
    lengths = np.array([len(row) for row in tokens], float)
    brevity = np.minimum(0.0, 1 - lengths[None, :] / np.maximum(lengths[:, None], 1))
    means = logs / np.maximum(orders, 1)
    return np.asarray(np.where(found > 0, 100 * np.exp(means + brevity), 0.0))


def exact(texts: Sequence[str]) -> Array:
    """Returns 100 for each text with itself, and 0 with the others: [N, N]."""
    return 100 * np.eye(len(texts))


_UTILITIES: dict[str, Callable[[Sequence[str]], Array]] = {
    "chrf": chrf,
    "bleu": bleu,
    "exact": exact,
}


def _counts(texts: Sequence[Sequence[Hashable]], orders: int) -> _Counts:
    """Returns how often each n-gram of all texts is in each: [N, n-grams] for each n."""
    counts = []
    for n in range(1, orders + 1):
        places: dict[Hashable, int] = {}
        rows = []
        for text in texts:
            grams = zip(*(text[i:] for i in range(n)), strict=False)
            rows.append({places.setdefault(g, len(places)): k for g, k in Counter(grams).items()})
        table = np.zeros((len(texts), len(places)), np.int32)
        for row, found in zip(table, rows, strict=True):
            row[list(found)] = list(found.values())
        counts.append(table)
    return counts


def _matches(counts: Array) -> tuple[Array, Array]:
    """Returns the n-grams that each two texts share, [N, N], and those of each text, [N]."""
    # Row by row: all at once could take gigabytes.
    shared = np.stack([np.minimum(row, counts).sum(axis=1) for row in counts])
    return shared, counts.sum(axis=1)
