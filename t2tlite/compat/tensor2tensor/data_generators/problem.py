"""As `tensor2tensor.data_generators.problem`."""

from typing import Any

from t2tlite import config
from t2tlite.compat.problems import Problem, Text2TextProblem
from t2tlite.compat.reading import FeatureInfo
from t2tlite.compat.t2t_hparams import HParams
from t2tlite.compat.tensor2tensor.data_generators import generator_utils, text_encoder
from t2tlite.compat.tensor2tensor.utils import metrics, registry
from t2tlite.plugins.stand_ins import absent_names
from t2tlite.problem import DatasetSplit, SpaceID

__getattr__ = absent_names(__name__)
default_model_hparams = HParams


class TaskID:
    """T2T's numbers of tasks."""

    EN_CHR, EN_CHR_SENT, EN_PR_HYP, EN_NLI, COLA = range(2, 7)
    EN_Q_CONT, EN_SIM, EN_SENT_PAIR, THREE_CL_NLI = range(7, 11)


def preprocess_example_common(example: dict[str, Any], mode: Any, hparams: Any) -> Any:
    """Truncates inputs and targets; `mode` and `hparams` may come in either order."""
    if isinstance(mode, config.HParams):
        mode, hparams = hparams, mode
    return Problem().preprocess_example(example, mode, hparams)
