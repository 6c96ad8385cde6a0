"""t2tlite: from pairs of text to a trained, servable Transformer.

    model = t2tlite.fit(pairs, "model", hparams_set="transformer_small", train_steps=2000)
    model.decode("one line")
    t2tlite.Decoder("model")  # the same object later

Importing t2tlite loads no TensorFlow: each public name imports its module on first use. The names
in `__all__` are the public interface; CHANGELOG.md says what a version number promises for them.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

# Looking a name up in the registry finds plugins, so every import of t2tlite sets that up.
from t2tlite import plugins as plugins
from t2tlite.version import __version__ as __version__

if TYPE_CHECKING:
    from t2tlite import (
        compat,
        errors,
        metrics,
        mixtures,
        problem,
        registry,
        testing,
        text,
        text_problems,
        translate,
    )
    from t2tlite.api.datagen import generate_data
    from t2tlite.api.exporting import export
    from t2tlite.api.fit import fit
    from t2tlite.api.result import TrainResult
    from t2tlite.api.serving import serve
    from t2tlite.api.tables import table_problem
    from t2tlite.api.training import evaluate, find_learning_rate, train
    from t2tlite.back_translation import back_translate
    from t2tlite.bulk.files import decode_file
    from t2tlite.checkpoint.run_record import RunRecord
    from t2tlite.config import HParams
    from t2tlite.decode.decode_hparams import DecodeHookArgs, DecodeHParams, Hypothesis
    from t2tlite.decode.decoder import Decoder
    from t2tlite.distillation import distill
    from t2tlite.ranged_hparams import RangedHParams
    from t2tlite.sources import download
    from t2tlite.training.train_args import TrainArgs

# Where the public names are that aren't modules of t2tlite themselves.
_DEFINED_IN = {
    "DecodeHParams": "t2tlite.decode.decode_hparams:DecodeHParams",
    "DecodeHookArgs": "t2tlite.decode.decode_hparams:DecodeHookArgs",
    "Decoder": "t2tlite.decode.decoder:Decoder",
    "HParams": "t2tlite.config:HParams",
    "Hypothesis": "t2tlite.decode.decode_hparams:Hypothesis",
    "RangedHParams": "t2tlite.ranged_hparams:RangedHParams",
    "RunRecord": "t2tlite.checkpoint.run_record:RunRecord",
    "TrainArgs": "t2tlite.training.train_args:TrainArgs",
    "TrainResult": "t2tlite.api.result:TrainResult",
    "back_translate": "t2tlite.back_translation:back_translate",
    "decode_file": "t2tlite.bulk.files:decode_file",
    "distill": "t2tlite.distillation:distill",
    "download": "t2tlite.sources.download",
    "evaluate": "t2tlite.api.training:evaluate",
    "export": "t2tlite.api.exporting:export",
    "find_learning_rate": "t2tlite.api.training:find_learning_rate",
    "fit": "t2tlite.api.fit:fit",
    "generate_data": "t2tlite.api.datagen:generate_data",
    "serve": "t2tlite.api.serving:serve",
    "table_problem": "t2tlite.api.tables:table_problem",
    "train": "t2tlite.api.training:train",
}

__all__ = [
    "DecodeHParams",
    "DecodeHookArgs",
    "Decoder",
    "HParams",
    "Hypothesis",
    "RangedHParams",
    "RunRecord",
    "TrainArgs",
    "TrainResult",
    "back_translate",
    "compat",
    "decode_file",
    "distill",
    "download",
    "errors",
    "evaluate",
    "export",
    "find_learning_rate",
    "fit",
    "generate_data",
    "metrics",
    "mixtures",
    "plugins",
    "problem",
    "registry",
    "serve",
    "table_problem",
    "testing",
    "text",
    "text_problems",
    "train",
    "translate",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 't2tlite' has no attribute {name!r}")
    module, _, attribute = _DEFINED_IN.get(name, f"t2tlite.{name}").partition(":")
    loaded = importlib.import_module(module)
    return getattr(loaded, attribute) if attribute else loaded


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
