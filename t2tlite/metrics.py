"""T2T's evaluation metrics, teacher forced: each position is predicted from the true prefix.

Padding is ignored, and a value is of all examples together. T2T counts padding in
`approx_bleu_score` and rouge and averages both over batches, so that they depend on how examples
are batched; of one batch without padding the values are equal.

`approx_bleu_score` and rouge compare token ids, EOS included; t2t-bleu compares decoded text. They
are high for a model that repeats the token that it is given, as an untrained one with a shared
embedding does: its predictions are the targets shifted by one, so most n-grams match although
hardly a position is right. `accuracy` is what to look at early in training.

`rmse` and `pearson` are of models that predict numbers, whose loss is the mean squared error.

The metrics of `Decoded` aren't teacher forced: they compare answers as the user gets them.

Perplexities per word (separated by white space) and per UTF-8 byte are comparable between
vocabularies, unlike those per token. The end of a text is predicted, too, so it counts as one word
and as one byte (a line break).
"""

from __future__ import annotations

import itertools
import math
import statistics
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from t2tlite.config import EOS_ID, PAD_ID

# Before the name of a metric of the weights themselves, in a training that averages them.
RAW_METRIC = "raw_"


class Metrics:
    """Names of the evaluation metrics."""

    ACC = "accuracy"
    ACC_TOP5 = "accuracy_top5"
    ACC_PER_SEQ = "accuracy_per_sequence"
    NEG_LOG_PERPLEXITY = "neg_log_perplexity"
    BITS_PER_CHAR = "bits_per_char"
    APPROX_BLEU = "approx_bleu_score"
    ROUGE_2_F = "rouge_2_fscore"
    ROUGE_L_F = "rouge_L_fscore"
    RMSE = "rmse"
    PEARSON = "pearson"
    # Not T2T's.
    WORD_PERPLEXITY = "word_perplexity"
    BYTE_PERPLEXITY = "byte_perplexity"


class Decoded:
    """Names of the metrics of decoded answers, from 0 to 100; see `t2tlite.decode.quality`."""

    BLEU = "bleu"
    CHRF = "chrf"
    EXACT_MATCH = "exact_match"
    SEQUENCE_ERROR_RATE = "sequence_error_rate"
    TOKEN_ERROR_RATE = "token_error_rate"
    CHARACTER_ERROR_RATE = "character_error_rate"


Ids = Sequence[int]
_Symbol = TypeVar("_Symbol", bound=Hashable)


@dataclass
class Scores:
    """Sums over an evaluation."""

    loss: float = 0.0  # cross-entropy without label smoothing, in nats; or squared error
    tokens: float = 0.0  # target tokens, class labels, or numbers
    correct: float = 0.0  # tokens predicted correctly
    top5: float = 0.0  # tokens among the five most probable
    sequences: int = 0  # examples
    whole: int = 0  # examples with all tokens correct
    # Predicted and true ids, or numbers, of each example, for metrics in NEED_PAIRS.
    pairs: list[tuple[Ids, Ids]] = field(default_factory=list)
    words: int = 0  # of the targets, for metrics in NEED_TEXT
    bytes: int = 0  # UTF-8 bytes of the targets, for metrics in NEED_TEXT

    def result(self, names: Sequence[str]) -> dict[str, float]:
        """Returns the loss per token and the named metrics."""
        tokens, pairs = max(self.tokens, 1.0), max(len(self.pairs), 1)
        known = {
            Metrics.ACC: lambda: self.correct / tokens,
            Metrics.ACC_TOP5: lambda: self.top5 / tokens,
            Metrics.ACC_PER_SEQ: lambda: self.whole / max(self.sequences, 1),
            Metrics.NEG_LOG_PERPLEXITY: lambda: -self.loss / tokens,
            # Per token, which is a character only in a CHARACTER problem.
            Metrics.BITS_PER_CHAR: lambda: self.loss / tokens / math.log(2),
            Metrics.WORD_PERPLEXITY: lambda: perplexity(self.loss, self.words),
            Metrics.BYTE_PERPLEXITY: lambda: perplexity(self.loss, self.bytes),
            Metrics.APPROX_BLEU: lambda: approx_bleu(self.pairs),
            Metrics.ROUGE_2_F: lambda: sum(rouge_n_f(*pair) for pair in self.pairs) / pairs,
            Metrics.ROUGE_L_F: lambda: sum(rouge_l_f(*pair) for pair in self.pairs) / pairs,
            Metrics.RMSE: lambda: math.sqrt(self.loss / tokens),
            Metrics.PEARSON: lambda: pearson(self.pairs),
        }
        return {"loss": self.loss / tokens, **{name: known[name]() for name in names}}


# Metrics that compare whole sequences of ids, or all numbers.
NEED_PAIRS = {Metrics.APPROX_BLEU, Metrics.ROUGE_2_F, Metrics.ROUGE_L_F, Metrics.PEARSON}
# Metrics of models that predict numbers.
OF_NUMBERS = {Metrics.RMSE, Metrics.PEARSON}
# Metrics that need the text of the targets.
NEED_TEXT = {Metrics.WORD_PERPLEXITY, Metrics.BYTE_PERPLEXITY}
KNOWN = {value for name, value in vars(Metrics).items() if name.isupper()}
# Metrics of decoded answers, and those of them that are better when lower.
OF_DECODING = [value for name, value in vars(Decoded).items() if name.isupper()]
ERROR_RATES = {name for name in OF_DECODING if name.endswith("_error_rate")}


def strip_problem(name: str) -> str:
    """Returns a metric's NAME from T2T's form metrics-PROBLEM/NAME; any other name unchanged."""
    return name.rsplit("/", 1)[-1]


def member_metric(member: str, name: str) -> str:
    """Returns the name of a metric of one member of a mixture, MEMBER:NAME."""
    return f"{member}:{name}"


def split_member(name: str) -> tuple[str, str]:
    """Returns the member, "" if it is of none, and the plain name of a metric."""
    member, _, plain = name.rpartition(":")
    return member, plain


def raw_metric(name: str) -> str:
    """Returns the name of a metric of the weights themselves, in a training that averages them."""
    member, plain = split_member(name)
    raw = f"{RAW_METRIC}{plain}"
    return member_metric(member, raw) if member else raw


def lower_is_better(name: str) -> bool:
    """Whether a metric, or the loss, is better when lower."""
    name = split_member(name)[1].removeprefix(RAW_METRIC)
    return name in ("loss", Metrics.BITS_PER_CHAR, Metrics.RMSE, *NEED_TEXT, *ERROR_RATES)


def has_direction(name: str) -> bool:
    """Whether it is known if a metric is better when higher or when lower."""
    return split_member(name)[1].removeprefix(RAW_METRIC) in ("loss", *KNOWN, *OF_DECODING)


def minimizes(name: str, given: bool | None = None) -> bool:
    """Whether the lowest value of a metric is the best: as `given`, or as the metric is meant.

    Of a metric whose direction isn't known, the lowest is the best, T2T's default.
    """
    if given is None:
        return lower_is_better(name) or not has_direction(name)
    return given


def is_decoded(name: str) -> bool:
    """Whether a metric, also by T2T's form of its name, is one of decoded answers."""
    return split_member(strip_problem(name))[1].removeprefix(RAW_METRIC) in OF_DECODING


def perplexity(loss: float, units: int) -> float:
    """Returns the perplexity per unit of a loss in nats, at most 1e304: JSON has no infinity."""
    return math.exp(min(loss / max(units, 1), 700.0))


def text_units(ids: Ids, encoder: Any) -> tuple[int, int]:
    """Returns the number of words and UTF-8 bytes of a row of texts.

    Args:
      ids: one or more texts, each followed by EOS except perhaps the last; padding is ignored.
      encoder: of the ids.
    """
    words, size = 0, 0
    tokens = [int(token) for token in ids if token != PAD_ID]
    for is_end, group in itertools.groupby(tokens, EOS_ID.__eq__):
        part = list(group)
        text = "" if is_end else encoder.decode(part)
        ends = len(part) if is_end else 0
        words += len(text.split()) + ends
        size += len(text.encode(errors="replace")) + ends
    return words, size


def approx_bleu(
    pairs: Sequence[tuple[Ids, Ids]], max_order: int = 4, brevity_penalty: bool = True
) -> float:
    """BLEU over token ids, from 0 to 1, of all pairs together (Papineni et al. 2002).

    It is T2T's `bleu_hook.compute_bleu`: exp(sum of log p_n / N) for n from 1 to N, times the
    brevity penalty exp(1 - true length / predicted length) if that is below 1. p_n is the share of
    predicted n-grams that match, each at most as often as it is in the true ids. The k-th p_n
    without a match is 1 / (2**k * predicted n-grams); an n without predicted n-grams adds 0 to the
    sum.

    Args:
      pairs: predicted and true ids of each example.
      max_order: N.
      brevity_penalty: whether it is applied.
    """
    matches, counts = [0] * max_order, [0] * max_order
    for predicted, true in pairs:
        for n in range(max_order):
            ngrams, true_ngrams = (
                Counter(zip(*(ids[i:] for i in range(n + 1)), strict=False))
                for ids in (predicted, true)
            )
            matches[n] += (ngrams & true_ngrams).total()
            counts[n] += ngrams.total()
    if not counts[0]:
        return 0.0
    smoothing, log_sum = 1.0, 0.0
    for match, count in zip(matches, counts, strict=True):
        if count and not match:
            smoothing *= 2.0
        if count:
            log_sum += math.log((match or 1.0 / smoothing) / count)
    ratio = sum(len(true) for _, true in pairs) / counts[0]
    penalty = min(0.0, 1.0 - ratio) if brevity_penalty else 0.0
    return math.exp(log_sum / max_order + penalty)


def pearson(pairs: Sequence[tuple[Sequence[float], Sequence[float]]]) -> float:
    """Pearson's correlation of predicted and true numbers; 0 if all of either are equal.

    Args:
      pairs: predicted and true numbers of each example.
    """
    predicted = [number for pair in pairs for number in pair[0]]
    true = [number for pair in pairs for number in pair[1]]
    try:
        return statistics.correlation(predicted, true)
    except statistics.StatisticsError:
        return 0.0


def rouge_n_f(predicted: Ids, true: Ids, n: int = 2) -> float:
    """F1 of the sets of n-grams (ROUGE-N, Lin 2004): 2 P R / (P + R + 1e-8), T2T's `rouge_n`."""
    ngrams, true_ngrams = (
        set(zip(*(ids[i:] for i in range(n)), strict=False)) for ids in (predicted, true)
    )
    if not ngrams or not true_ngrams:
        return 0.0
    overlap = len(ngrams & true_ngrams)
    precision, recall = overlap / len(ngrams), overlap / len(true_ngrams)
    return 2.0 * precision * recall / (precision + recall + 1e-8)


def rouge_l_f(predicted: Ids, true: Ids) -> float:
    """F-measure of the longest common subsequence (ROUGE-L, Lin 2004), T2T's `_f_lcs`.

    With its length L, R = L / true length, P = L / predicted length and beta = P / R, it is
    (1 + beta^2) R P / (R + beta^2 P).
    """
    if not len(predicted) or not len(true):
        return 0.0
    row = [0] * (len(true) + 1)
    for token in predicted:
        diagonal = 0
        for i, true_token in enumerate(true):
            above = row[i + 1]
            row[i + 1] = diagonal + 1 if token == true_token else max(above, row[i])
            diagonal = above
    common = row[-1]
    recall, precision = common / len(true), common / len(predicted)
    beta = precision / (recall + 1e-12)
    return (1 + beta**2) * recall * precision / (recall + beta**2 * precision + 1e-12)


def edits(
    answer: Sequence[_Symbol], right: Sequence[_Symbol]
) -> list[tuple[_Symbol | None, _Symbol | None]]:
    """Returns the fewest changes between two sequences; their number is the Levenshtein distance.

    >>> edits("K AH T S".split(), "K AE T".split())
    [('AE', 'AH'), (None, 'S')]

    Args:
      answer, right: sequences of symbols, such as words, characters or ids.

    Returns:
      Pairs (right, answered) in order: two symbols for one in place of another, None on the left
      for one too many in the answer, None on the right for one that it lacks.
    """
    first, last = 0, 0
    shorter = min(len(answer), len(right))
    while first < shorter and answer[first] == right[first]:
        first += 1
    while last < shorter - first and answer[-1 - last] == right[-1 - last]:
        last += 1
    answer, right = answer[first : len(answer) - last], right[first : len(right) - last]
    # distances[i][j]: between the first i symbols of `right` and the first j of `answer`.
    distances = [list(range(len(answer) + 1))]
    for i, wanted in enumerate(right, 1):
        above, row = distances[-1], [i]
        for j, given in enumerate(answer):
            row.append(min(above[j] + (wanted != given), above[j + 1] + 1, row[j] + 1))
        distances.append(row)
    changes: list[tuple[_Symbol | None, _Symbol | None]] = []
    i, j = len(right), len(answer)
    while i or j:
        here = distances[i][j]
        if i and j and here == distances[i - 1][j - 1] + (right[i - 1] != answer[j - 1]):
            i, j = i - 1, j - 1
            if right[i] != answer[j]:
                changes.append((right[i], answer[j]))
        elif i and here == distances[i - 1][j] + 1:
            i -= 1
            changes.append((right[i], None))
        else:
            j -= 1
            changes.append((None, answer[j]))
    return changes[::-1]


def edit_distance(answer: Sequence[Hashable], right: Sequence[Hashable]) -> int:
    """Returns the number of `edits`, the Levenshtein distance, in much less time.

    Each row of the table of distances is one whole number, of which a bit says whether two
    neighbours differ by 1 (Myers 1999, in the form of Hyyro 2003).
    """
    if not right:
        return len(answer)
    places: dict[Hashable, int] = {}
    for i, symbol in enumerate(right):
        places[symbol] = places.get(symbol, 0) | 1 << i
    every, last, distance = (1 << len(right)) - 1, 1 << len(right) - 1, len(right)
    # Where the distance grows, and falls, from one place of `right` to the next.
    grows, falls = every, 0
    for symbol in answer:
        same = places.get(symbol, 0)
        zero = ((((same & grows) + grows) ^ grows) | same | falls) & every
        up, down = falls | (every & ~(zero | grows)), grows & zero
        distance += bool(up & last) - bool(down & last)
        up, down = (up << 1 | 1) & every, (down << 1) & every
        grows, falls = down | (every & ~(zero | up)), up & zero
    return distance
