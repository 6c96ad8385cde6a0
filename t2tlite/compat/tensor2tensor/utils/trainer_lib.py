"""As `tensor2tensor.utils.trainer_lib`: reading hparams; t2tlite.train trains."""

from t2tlite import registry
from t2tlite.compat.t2t_hparams import HParams
from t2tlite.plugins.absent import names_of

__getattr__ = names_of(__name__)


def create_hparams(
    hparams_set: str,
    hparams_overrides_str: str = "",
    data_dir: str | None = None,
    problem_name: str | None = None,
    hparams_path: str | None = None,
) -> HParams:
    """Returns a registered set with changes; the other arguments belong to T2T's models."""
    made = HParams.of(registry.hparams(hparams_set))
    made.override(hparams_overrides_str)
    return made
