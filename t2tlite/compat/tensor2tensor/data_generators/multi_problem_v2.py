"""As `tensor2tensor.data_generators.multi_problem_v2`."""

from t2tlite.compat import mixtures as _mixtures
from t2tlite.compat.mixtures import MultiProblemV2 as MultiProblemV2
from t2tlite.compat.mixtures import MultiText2TextProblem as MultiText2TextProblem
from t2tlite.compat.problems import names_of
from t2tlite.compat.tensor2tensor.data_generators import problem, text_problems

__getattr__ = names_of(_mixtures, __name__)
