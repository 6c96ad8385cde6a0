"""BLEU and chrF of whole files, by sacrebleu."""

from __future__ import annotations

from t2tlite.errors import DataError
from t2tlite.run.decoding import read_lines


def file_bleu(
    translation: str, reference: str, tokenize: str = "13a", lowercase: bool = False
) -> str:
    """Returns lines of BLEU, chrF and exact match of a file against its references.

    Args:
      translation: a file of decoded lines.
      reference: a file of right lines; several joined by commas.
      tokenize: sacrebleu's tokenizer.
      lowercase: whether to ignore case.

    Raises:
      DataError: a file is missing, or they have different numbers of lines.
    """
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF

    ours = read_lines(translation)
    references = [read_lines(path) for path in reference.split(",")]
    for path, lines in zip(reference.split(","), references, strict=True):
        if len(lines) != len(ours):
            raise DataError(
                f"{translation} has {len(ours)} lines and {path} has {len(lines)}; they must agree"
            )
    if not ours:
        raise DataError(f"{translation} is empty; decode a file first")
    if tokenize not in BLEU.TOKENIZERS:
        known = ", ".join(BLEU.TOKENIZERS)
        raise DataError(f"--tokenize={tokenize} is not one of: {known}")
    exact = sum(line in right for line, *right in zip(ours, *references, strict=True)) / len(ours)
    rows = []
    for metric in (BLEU(tokenize=tokenize, lowercase=lowercase), CHRF(lowercase=lowercase)):
        score = metric.corpus_score(ours, references)
        rows.append(f"{score}  [{metric.get_signature()}]")
    return "\n".join([*rows, f"exact match = {100 * exact:.2f} %"])
