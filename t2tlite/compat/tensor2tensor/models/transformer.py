"""As `tensor2tensor.models.transformer`: the built-in sets, and models that can't be subclassed."""

import importlib
from typing import Any

from t2tlite.compat.t2t_hparams import sets_of
from t2tlite.plugins.absent import names_of

_FAMILIES = ["transformer", "transformer_relative", "transformer_tpu"]
_SETS = {name: made for family in _FAMILIES for name, made in sets_of(family).items()}
update_hparams_for_tpu = importlib.import_module(
    "t2tlite.hparams.transformer_tpu"
).update_hparams_for_tpu
_MODELS = ["Transformer", "TransformerEncoder", "TransformerScorer"]

__all__ = [*_SETS, *_MODELS, "update_hparams_for_tpu"]  # noqa: PLE0604 - the names that `import *` gives


def __getattr__(name: str) -> Any:
    return _SETS[name] if name in _SETS else names_of(__name__)(name)
