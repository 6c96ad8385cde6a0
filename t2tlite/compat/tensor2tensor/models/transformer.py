"""As `tensor2tensor.models.transformer`: the built-in sets, and models that can't be subclassed."""

import importlib
from collections.abc import Callable
from types import FunctionType
from typing import Any

from t2tlite.compat.absent import names_of
from t2tlite.compat.t2t_hparams import HParams

# By its module, not through the registry: a plugin may register a set of the same name.
_ON_TPU = importlib.import_module("t2tlite.hparams.transformer_tpu")
_FAMILIES = ["transformer", "transformer_relative", "transformer_tpu"]
_SETS = {
    name: function
    for module in (importlib.import_module(f"t2tlite.hparams.{family}") for family in _FAMILIES)
    for name, function in vars(module).items()
    if isinstance(function, FunctionType) and name.startswith("transformer_")
}
update_hparams_for_tpu = _ON_TPU.update_hparams_for_tpu
_MODELS = ["Transformer", "TransformerEncoder", "TransformerScorer"]

__all__ = [*_SETS, *_MODELS, "update_hparams_for_tpu"]  # noqa: PLE0604 - the names that `import *` gives


def _with_t2ts_methods(function: Callable[[], Any]) -> Callable[[], HParams]:
    def made() -> HParams:
        return HParams.of(function())

    made.__name__ = function.__name__
    made.__doc__ = function.__doc__
    return made


def __getattr__(name: str) -> Any:
    if name not in _SETS:
        return names_of(__name__)(name)
    return _with_t2ts_methods(_SETS[name])
