"""How good decoded answers are: BLEU and chrF by sacrebleu, exact match, and error rates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from t2tlite.errors import DataError
from t2tlite.metrics import Decoded, edit_distance


@dataclass(frozen=True)
class Quality:
    """Scores of answers against references, from 0 to 100; error rates may be higher.

    Where an answer has several references, exact match is a match of any of them, and an error rate
    is measured against the one to which the answer is closest. An answer without text whose
    references have none counts in neither.

    Attributes:
      bleu: BLEU of the corpus.
      chrf: chrF of the corpus.
      exact: percentage of answers that equal a reference.
      token_error_rate: the fewest insertions, deletions and substitutions of tokens that make the
        answers right (Levenshtein distance), in percent of the tokens of the references. Tokens
        are separated by white space.
      character_error_rate: the same of characters, white space included.
      lowercase: whether BLEU and chrF ignored case.
      signatures: sacrebleu's lines of BLEU and chrF, which say how they were computed.
    """

    bleu: float
    chrf: float
    exact: float
    token_error_rate: float
    character_error_rate: float
    lowercase: bool
    signatures: Sequence[str]

    @property
    def sequence_error_rate(self) -> float:
        """Percentage of answers that equal no reference."""
        return 100.0 - self.exact

    @property
    def metrics(self) -> dict[str, float]:
        """The scores by the names in `t2tlite.metrics.Decoded`."""
        return {
            Decoded.BLEU: self.bleu,
            Decoded.CHRF: self.chrf,
            Decoded.EXACT_MATCH: self.exact,
            Decoded.SEQUENCE_ERROR_RATE: self.sequence_error_rate,
            Decoded.TOKEN_ERROR_RATE: self.token_error_rate,
            Decoded.CHARACTER_ERROR_RATE: self.character_error_rate,
        }

    @property
    def text(self) -> str:
        """The scores as lines."""
        rates = {
            "sequence": self.sequence_error_rate,
            "token": self.token_error_rate,
            "character": self.character_error_rate,
        }
        shown = ", ".join(f"{name} = {rate:.2f} %" for name, rate in rates.items())
        exact = f"exact match = {self.exact:.2f} %"
        return "\n".join([*self.signatures, exact, f"error rates: {shown}"])


def compare(
    answers: Sequence[str],
    references: Sequence[Sequence[str]],
    tokenize: str = "13a",
    lowercase: bool = False,
    warn: bool = True,
) -> Quality:
    """Compares answers with their references.

    Args:
      answers: texts, at least one.
      references: the first reference of each answer, then the second ones, and so on. Answers with
        fewer references than others repeat one.
      tokenize: sacrebleu's tokenizer for BLEU.
      lowercase: whether BLEU and chrF ignore case.
      warn: whether sacrebleu may warn of texts that look tokenized.

    Raises:
      DataError: there is no such tokenizer.
    """
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF

    if tokenize not in BLEU.TOKENIZERS:
        raise DataError(f"--tokenize={tokenize} is not one of: {', '.join(BLEU.TOKENIZERS)}")
    metrics = (
        BLEU(tokenize=tokenize, lowercase=lowercase, force=not warn),
        CHRF(lowercase=lowercase),
    )
    bleu, chrf = (metric.corpus_score(answers, references) for metric in metrics)
    rows = [row for row in zip(answers, *references, strict=True) if any(map(str.strip, row))]
    hits = sum(answer in lines for answer, *lines in rows)
    return Quality(
        bleu.score,
        chrf.score,
        100 * hits / max(len(rows), 1),
        _error_rate(rows, str.split),
        _error_rate(rows, list),
        lowercase,
        [f"{bleu}  [{metrics[0].get_signature()}]", f"{chrf}  [{metrics[1].get_signature()}]"],
    )


def _error_rate(rows: Sequence[Sequence[str]], split: Callable[[str], list[str]]) -> float:
    """Returns the edits of all answers in percent of the symbols of their closest references.

    Args:
      rows: an answer, then its references.
      split: returns the symbols of a text.
    """
    edits = symbols = 0
    for answer, *references in rows:
        given, best = split(answer), (0, 0)
        for i, right in enumerate(map(split, dict.fromkeys(references))):
            found = edit_distance(given, right), len(right)
            # Of the lowest rates, the first.
            if not i or found[0] * max(best[1], 1) < best[0] * max(found[1], 1):
                best = found
        edits, symbols = edits + best[0], symbols + best[1]
    return 100 * edits / max(symbols, 1)
