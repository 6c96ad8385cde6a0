"""As `tensor2tensor.utils.trainer_lib`: creating hparams. Training is t2t-trainer's."""

from t2tlite.compat.tensor2tensor.utils.hparams_lib import (
    add_problem_hparams,
    create_hparams,
    create_hparams_from_json,
)
from t2tlite.plugins.stand_ins import absent_names

__getattr__ = absent_names(__name__)
