"""t2tlite: from pairs of text to a trained, servable Transformer.

    from t2tlite import Decoder
    Decoder("model").decode(["the woods are lovely dark and deep"])

Importing it is cheap: each public name loads its module on first use, so nothing here costs a
TensorFlow import.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

# Finding plugins is part of looking a name up, so it's wired in wherever anything is imported.
from t2tlite import plugins as plugins

if TYPE_CHECKING:
    from t2tlite import errors, problem, registry, testing, text, text_problems, translate
    from t2tlite.config import HParams
    from t2tlite.data import download
    from t2tlite.ranged_hparams import RangedHParams
    from t2tlite.run.decoding import Decoder
    from t2tlite.run.training import train

_PUBLIC = {
    "Decoder": "t2tlite.run.decoding:Decoder",
    "HParams": "t2tlite.config:HParams",
    "download": "t2tlite.data.download",
    "RangedHParams": "t2tlite.ranged_hparams:RangedHParams",
    "train": "t2tlite.run.training:train",
    "errors": "t2tlite.errors",
    "problem": "t2tlite.problem",
    "registry": "t2tlite.registry",
    "testing": "t2tlite.testing",
    "text": "t2tlite.text",
    "text_problems": "t2tlite.text_problems",
    "translate": "t2tlite.translate",
}

__all__ = [
    "Decoder",
    "HParams",
    "RangedHParams",
    "download",
    "errors",
    "plugins",
    "problem",
    "registry",
    "testing",
    "text",
    "text_problems",
    "train",
    "translate",
]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 't2tlite' has no attribute {name!r}")
    module, _, attribute = _PUBLIC[name].partition(":")
    loaded = importlib.import_module(module)
    return getattr(loaded, attribute) if attribute else loaded


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
