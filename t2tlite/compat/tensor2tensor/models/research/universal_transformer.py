"""As `tensor2tensor.models.research.universal_transformer`: the built-in sets."""

import importlib
from typing import Any

from t2tlite.compat.t2t_hparams import sets_of
from t2tlite.plugins.absent import names_of

_FAMILY = "universal_transformer"
_SETS = sets_of(_FAMILY)
update_hparams_for_universal_transformer = importlib.import_module(
    f"t2tlite.hparams.{_FAMILY}"
).update_hparams_for_universal_transformer
_MODELS = ["UniversalTransformer", "UniversalTransformerEncoder"]

__all__ = [*_SETS, *_MODELS, "update_hparams_for_universal_transformer"]  # noqa: PLE0604 - the names that `import *` gives


def __getattr__(name: str) -> Any:
    return _SETS[name] if name in _SETS else names_of(__name__)(name)
