"""As `tensor2tensor.data_generators.problem_hparams`: the problem of T2T's tests of models."""

from typing import Any

from t2tlite.compat.problems import Problem
from t2tlite.config import HParams, ProblemHParams
from t2tlite.plugins.stand_ins import absent_names

__getattr__ = absent_names(__name__)


class TestProblem(Problem):
    """A problem without data.

    Args:
      input_vocab_size, target_vocab_size: of its features.
    """

    def __init__(self, input_vocab_size: int, target_vocab_size: int):
        super().__init__(False, False)
        self.input_vocab_size = input_vocab_size
        self.target_vocab_size = target_vocab_size

    def hparams(self, defaults: ProblemHParams, model_hparams: HParams) -> None:
        defaults.modality = {"inputs": "symbol", "targets": "symbol"}
        defaults.vocab_size = {"inputs": self.input_vocab_size, "targets": self.target_vocab_size}


def test_problem_hparams(
    input_vocab_size: int | None = None,
    target_vocab_size: int | None = None,
    model_hparams: HParams | None = None,
) -> Any:
    """Returns the hparams of a `TestProblem`."""
    problem = TestProblem(input_vocab_size or 0, target_vocab_size or 0)
    return problem.get_hparams(model_hparams)
