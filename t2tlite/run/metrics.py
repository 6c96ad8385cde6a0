"""T2T's evaluation metrics, teacher forced: each position is predicted from the true ones before.

Padding never counts. `approx_bleu_score` is over token ids and teacher forced, so it is no BLEU of
decoded text; t2t-bleu computes that one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from t2tlite.problem import Metrics

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
    """

    loss: float = 0.0
    tokens: float = 0.0
    correct: float = 0.0
    top5: float = 0.0
    sequences: int = 0
    whole: int = 0
    pairs: list[tuple[Ids, Ids]] = field(default_factory=list)

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
            Metrics.APPROX_BLEU: lambda: approx_bleu(self.pairs),
            Metrics.ROUGE_2_F: lambda: _mean(rouge_2_f(*pair) for pair in self.pairs),
            Metrics.ROUGE_L_F: lambda: _mean(rouge_l_f(*pair) for pair in self.pairs),
        }
        return {"loss": self.loss / tokens, **{name: known[name]() for name in names}}


# Metrics that compare whole sequences of ids.
NEED_PAIRS = {Metrics.APPROX_BLEU, Metrics.ROUGE_2_F, Metrics.ROUGE_L_F}
KNOWN = {
    Metrics.ACC,
    Metrics.ACC_TOP5,
    Metrics.ACC_PER_SEQ,
    Metrics.NEG_LOG_PERPLEXITY,
    Metrics.BITS_PER_CHAR,
    *NEED_PAIRS,
}


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
