"""T2T's evaluation metrics, teacher forced: each position is predicted from the true ones before.

Padding never counts. `approx_bleu_score` is over token ids and teacher forced, so it is no BLEU of
decoded text; t2t-bleu computes that one.

Perplexities of a word and of a byte can be compared between vocabularies, one of a token can't:
they share out the same loss over the words (between white space) and the UTF-8 bytes of the text.
The end of a text is predicted, too, so it counts as one word and as one byte, the line break.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from t2tlite.text import EOS_ID, PAD_ID


class Metrics:
    """Names of the evaluation metrics; `t2tlite.metrics` says what each is."""

    ACC = "accuracy"
    ACC_TOP5 = "accuracy_top5"
    ACC_PER_SEQ = "accuracy_per_sequence"
    NEG_LOG_PERPLEXITY = "neg_log_perplexity"
    BITS_PER_CHAR = "bits_per_char"
    APPROX_BLEU = "approx_bleu_score"
    ROUGE_2_F = "rouge_2_fscore"
    ROUGE_L_F = "rouge_L_fscore"
    # Not T2T's.
    WORD_PERPLEXITY = "word_perplexity"
    BYTE_PERPLEXITY = "byte_perplexity"


Ids = Sequence[int]


@dataclass
class Scores:
    """Sums over an evaluation.

    Attributes:
      loss: cross-entropy without label smoothing, in nats.
      tokens: target tokens, or class labels.
      correct: tokens predicted right.
      top5: tokens among the five likeliest.
      sequences: examples.
      whole: examples whose tokens are all right.
      pairs: predicted and true ids of each example, where a metric needs them.
      words: of the targets, where a metric needs them.
      bytes: of the targets, the same.
    """

    loss: float = 0.0
    tokens: float = 0.0
    correct: float = 0.0
    top5: float = 0.0
    sequences: int = 0
    whole: int = 0
    pairs: list[tuple[Ids, Ids]] = field(default_factory=list)
    words: int = 0
    bytes: int = 0

    def result(self, names: Sequence[str]) -> dict[str, float]:
        """Returns the loss per token and the named metrics."""
        tokens = max(self.tokens, 1.0)
        known = {
            Metrics.ACC: lambda: self.correct / tokens,
            Metrics.ACC_TOP5: lambda: self.top5 / tokens,
            Metrics.ACC_PER_SEQ: lambda: self.whole / max(self.sequences, 1),
            Metrics.NEG_LOG_PERPLEXITY: lambda: -self.loss / tokens,
            # Of a token, which is a character only in a CHARACTER problem.
            Metrics.BITS_PER_CHAR: lambda: self.loss / tokens / math.log(2),
            Metrics.WORD_PERPLEXITY: lambda: perplexity(self.loss, self.words),
            Metrics.BYTE_PERPLEXITY: lambda: perplexity(self.loss, self.bytes),
            Metrics.APPROX_BLEU: lambda: approx_bleu(self.pairs),
            Metrics.ROUGE_2_F: lambda: _mean(rouge_2_f(*pair) for pair in self.pairs),
            Metrics.ROUGE_L_F: lambda: _mean(rouge_l_f(*pair) for pair in self.pairs),
        }
        return {"loss": self.loss / tokens, **{name: known[name]() for name in names}}


# Metrics that compare whole sequences of ids.
NEED_PAIRS = {Metrics.APPROX_BLEU, Metrics.ROUGE_2_F, Metrics.ROUGE_L_F}
# Metrics that look at the text of the targets.
NEED_TEXT = {Metrics.WORD_PERPLEXITY, Metrics.BYTE_PERPLEXITY}
KNOWN = {
    Metrics.ACC,
    Metrics.ACC_TOP5,
    Metrics.ACC_PER_SEQ,
    Metrics.NEG_LOG_PERPLEXITY,
    Metrics.BITS_PER_CHAR,
    *NEED_PAIRS,
    *NEED_TEXT,
}


def strip_problem(name: str) -> str:
    """Returns a metric's NAME from T2T's form metrics-PROBLEM/NAME; any other name unchanged."""
    return name.rsplit("/", 1)[-1]


def lower_is_better(name: str) -> bool:
    """Whether a metric, or the loss, is better when lower."""
    return name in ("loss", Metrics.BITS_PER_CHAR, *NEED_TEXT)


def perplexity(loss: float, units: int) -> float:
    """Returns the perplexity of each of so many units that share a loss, in nats.

    Where it is beyond 1e304 it is told as that: eval.jsonl can't hold infinity.
    """
    return math.exp(min(loss / max(units, 1), 700.0))


def text_units(ids: Ids, encoder: Any) -> tuple[int, int]:
    """Returns how many words and UTF-8 bytes the texts of a row of ids have.

    Args:
      ids: one text after the other, each but perhaps the last with its end; padding is no text.
      encoder: of the ids.
    """
    words, size = 0, 0
    tokens = [int(one) for one in ids if one != PAD_ID]
    for is_end, part in itertools.groupby(tokens, EOS_ID.__eq__):
        found = list(part)
        text = "" if is_end else encoder.decode(found)
        ends = len(found) if is_end else 0
        words += len(text.split()) + ends
        size += len(text.encode(errors="replace")) + ends
    return words, size


def _mean(values: object) -> float:
    listed = list(values)  # type: ignore[call-overload]
    return sum(listed) / len(listed) if listed else 0.0


def approx_bleu(pairs: Sequence[tuple[Ids, Ids]]) -> float:
    """BLEU-4 over token ids, from 0 to 1 (Papineni et al. 2002)."""
    import sacrebleu

    if not pairs:
        return 0.0
    predicted, true = (
        [" ".join(map(str, ids)) for ids in side] for side in zip(*pairs, strict=True)
    )
    return sacrebleu.corpus_bleu(predicted, [true], tokenize="none", force=True).score / 100.0


def rouge_2_f(predicted: Ids, true: Ids) -> float:
    """F1 of the sets of bigrams (ROUGE-2, Lin 2004, in T2T's form)."""
    ours, theirs = (set(zip(ids, ids[1:], strict=False)) for ids in (predicted, true))
    if not ours or not theirs:
        return 0.0
    overlap = len(ours & theirs)
    precision, recall = overlap / len(ours), overlap / len(theirs)
    return 2.0 * precision * recall / (precision + recall + 1e-8)


def rouge_l_f(predicted: Ids, true: Ids) -> float:
    """F-measure of the longest common subsequence (ROUGE-L, Lin 2004, in T2T's form)."""
    if not len(predicted) or not len(true):
        return 0.0
    row = [0] * (len(true) + 1)
    for one in predicted:
        diagonal = 0
        for i, other in enumerate(true):
            above = row[i + 1]
            row[i + 1] = diagonal + 1 if one == other else max(above, row[i])
            diagonal = above
    common = row[-1]
    recall, precision = common / len(true), common / len(predicted)
    beta = precision / (recall + 1e-12)
    return (1 + beta**2) * recall * precision / (recall + beta**2 * precision + 1e-12)
