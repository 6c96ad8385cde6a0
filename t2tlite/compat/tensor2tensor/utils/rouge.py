"""As `tensor2tensor.utils.rouge`: ROUGE of token ids."""

import statistics
from collections.abc import Iterable

from t2tlite import metrics
from t2tlite.metrics import Ids
from t2tlite.plugins.stand_ins import absent_names

__getattr__ = absent_names(__name__)


def rouge_n(eval_sentences: Iterable[Ids], ref_sentences: Iterable[Ids], n: int = 2) -> float:
    """Returns the mean F1 of the sets of n-grams of each pair."""
    pairs = zip(eval_sentences, ref_sentences, strict=False)
    return statistics.fmean(metrics.rouge_n_f(predicted, true, n) for predicted, true in pairs)


def rouge_l_sentence_level(eval_sentences: Iterable[Ids], ref_sentences: Iterable[Ids]) -> float:
    """Returns the mean F-measure of the longest common subsequences of each pair."""
    pairs = zip(eval_sentences, ref_sentences, strict=False)
    return statistics.fmean(metrics.rouge_l_f(predicted, true) for predicted, true in pairs)
