"""As `tensor2tensor.utils.bleu_hook`: BLEU of token lists and of files."""

import os
from collections.abc import Sequence
from typing import Any

from t2tlite import metrics
from t2tlite.plugins.stand_ins import absent_names
from t2tlite.sources.text_files import read_lines

__getattr__ = absent_names(__name__)


def compute_bleu(
    reference_corpus: Sequence[Sequence[Any]],
    translation_corpus: Sequence[Sequence[Any]],
    max_order: int = 4,
    use_bp: bool = True,
) -> float:
    """Returns BLEU, from 0 to 1, of tokens.

    Args:
      reference_corpus, translation_corpus: the tokens of each sentence.
      max_order: longest n-grams that are compared.
      use_bp: whether translations that are too short are penalized.
    """
    pairs = list(zip(translation_corpus, reference_corpus, strict=False))
    return metrics.approx_bleu(pairs, max_order, use_bp)


def bleu_tokenize(string: str) -> list[str]:
    """Splits off punctuation and symbols, as mteval-v14's international tokenization."""
    from sacrebleu.tokenizers.tokenizer_intl import TokenizerV14International

    make_tokenizer: Any = TokenizerV14International
    return list(make_tokenizer()(string).split())


def bleu_wrapper(
    ref_filename: str | os.PathLike[str],
    hyp_filename: str | os.PathLike[str],
    case_sensitive: bool = False,
) -> float:
    """Returns BLEU, from 0 to 1, of a file of translations.

    Raises:
      AssertionError: the files differ in their number of lines.
    """
    references, translations = read_lines(ref_filename), read_lines(hyp_filename)
    assert len(references) == len(translations), "the files differ in their number of lines"
    if not case_sensitive:
        references = [line.lower() for line in references]
        translations = [line.lower() for line in translations]
    return compute_bleu(
        [bleu_tokenize(line) for line in references],
        [bleu_tokenize(line) for line in translations],
    )
