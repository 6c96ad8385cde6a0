"""As `tensor2tensor.utils.trainer_lib`: creating hparams."""

from t2tlite import registry
from t2tlite.compat.t2t_hparams import HParams, with_t2t_methods
from t2tlite.plugins.stand_ins import absent_names

__getattr__ = absent_names(__name__)


def create_hparams(
    hparams_set: str,
    hparams_overrides_str: str = "",
    data_dir: str | None = None,
    problem_name: str | None = None,
    hparams_path: str | None = None,
) -> HParams:
    """Returns a registered set with overrides; the other arguments are unused."""
    return with_t2t_methods(registry.hparams(hparams_set)).parse(hparams_overrides_str)
