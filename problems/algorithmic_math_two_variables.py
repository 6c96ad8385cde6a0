"""Mathematical language understanding (Wangperawong 2018): expressions of two variables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from t2tlite import registry, text_problems
from t2tlite.errors import DataError

from . import archive, splits


@registry.register_problem
class AlgorithmicMathTwoVariables(text_problems.Text2TextProblem):
    """An expression such as y=691,x=-999,y*x -> its value, in characters.

    Downloads mathematical_language_understanding_train.tar.gz, unless symbolic_math_train.txt is in
    tmp_dir. One of eleven lines is for evaluation.
    """

    URL = "https://art.wangperawong.com/mathematical_language_understanding_train.tar.gz"
    FILE = "symbolic_math_train.txt"

    dataset_splits = splits.TRAIN_EVAL
    is_generate_per_split = False
    vocab_type = text_problems.VocabType.CHARACTER

    def generate_samples(
        self, data_dir: str, tmp_dir: str, dataset_split: str
    ) -> Iterator[dict[str, Any]]:
        (path,) = archive.obtain(tmp_dir, self.URL, [self.FILE])
        for row, line in enumerate(text_problems.txt_line_iterator(path), 1):
            expression, _, value = line.partition(":")
            if not value:
                raise DataError(
                    f"{path}, line {row}: found {line!r}; expected an expression, a colon and its "
                    f"value"
                )
            yield {"inputs": expression, "targets": value}
