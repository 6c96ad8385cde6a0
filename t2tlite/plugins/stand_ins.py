"""Placeholders for names of Tensor2Tensor and TF1 that have no counterpart here.

Plugins often import names that they never use, or use in a model that isn't trained. So importing
such a name works, and so does a call while a module is imported, of a decorator for example. Any
other use raises a PluginError that names the file, the line, the name and the alternative. Defining
a subclass of one logs a warning; creating an instance of it raises.
"""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import Callable
from types import FrameType, ModuleType
from typing import Any, NoReturn

from t2tlite.errors import PluginError
from t2tlite.plugins import t2t_only

log = logging.getLogger(__name__)

_OWN_MODEL = "train with --model=transformer, or write a keras.Model and register it"
_NO_BASE = (
    "can't be subclassed: write a keras.Model and register it, or train with the built-in --model"
)
_NO_TEXT = "isn't a text problem, and t2tlite only has those; train it with Tensor2Tensor"
_PROBLEM = (
    "is a problem that isn't part of t2tlite; copy its file from Tensor2Tensor into your "
    "--t2t_usr_dir"
)
_GRAPH = f"is TF1 graph code, which TensorFlow 2 can't run; {_OWN_MODEL}"
_OTHER = "has no counterpart in t2tlite; remove it"

# Why a name is absent, by the first regular expression that matches its start; names of T2T are
# without "tensor2tensor.".
_REASONS = {
    r"layers\.": _GRAPH,
    r"models\.lstm\.LSTM": f"{_NO_BASE}=lstm_seq2seq_attention",
    r"models\.research\.universal_transformer\.Un": f"{_NO_BASE}=universal_transformer",
    r"models\.": f"isn't part of t2tlite; {_OWN_MODEL}",
    r"serving\.serving_utils": "speaks gRPC or to a service that no longer exists; send the "
    "examples to the REST port of TensorFlow Serving or t2t-server",
    r"utils\.(t2t_model|beam_search|expert_utils|modality)": _GRAPH,
    r"data_generators\.(allen_brain|audio|celeba|cifar|common_voice|fsns|gene_expression|gym|"
    r"image|librispeech|mnist|mscoco|ocr|speech|timeseries|video|vqa)": _NO_TEXT,
    r"utils\.trainer_lib": "trains with TF1's Estimator; train with t2t-trainer or t2tlite.train",
    r"data_generators\.generator_utils\.pack_": "packs the data, and here training packs; leave it "
    "out and train with --hparams=pack_dataset=true",
    r"data_generators\.text_encoder\.Image": "encodes images, and t2tlite has only text",
    r"data_generators\.multi_problem": "joins texts and classes to one sequence; mix problems of "
    "texts with mixtures.Mixture, or with --problem=a:0.7+b:0.3",
    r"data_generators\.(problem|text_|generator_utils|tokenizer)": _OTHER,
    r"data_generators\.": _PROBLEM,
    r"tensorflow\.contrib": "was removed in TensorFlow 2; use its replacement in tf or keras",
    r"tensorflow\.": f"was removed in TensorFlow 2; {_OWN_MODEL}",
}


def reason(name: str) -> str:
    """Returns why there is no `name`, and what to do instead."""
    path = name.removeprefix("tensor2tensor.")
    *_, last = path.split(".")
    if path.startswith("models.") and (what := t2t_only.family(last)):
        return f"is for {what}; start from {t2t_only.nearest_set(last)}"
    return next((text for pattern, text in _REASONS.items() if re.match(pattern, path)), _OTHER)


class AbsentBase:
    """Replaces an absent base class."""

    _absent_name = ""
    _defined = ""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__()
        if "_absent_name" in vars(cls):
            return
        cls._defined = _plugin_location()
        log.warning("%s: %s", cls._defined, cls._message())

    def __new__(cls, *args: Any, **kwargs: Any) -> NoReturn:
        """Raises a PluginError."""
        raise PluginError(f"{cls._defined}: {cls._message()}")

    @classmethod
    def _message(cls) -> str:
        name = cls._absent_name
        return f"class {cls.__name__} can't be used: its base {name} {reason(name)}"


class AbsentName:
    """An absent name; its attributes are absent names, too."""

    _name: str

    def __init__(self, name: str) -> None:
        # Not by __setattr__, which raises.
        self.__dict__["_name"] = name

    def __getattr__(self, attribute: str) -> AbsentName:
        if attribute.startswith("__"):
            raise AttributeError(attribute)
        return AbsentName(f"{self._name}.{attribute}")

    def __repr__(self) -> str:
        return self._name

    def __mro_entries__(self, bases: tuple[Any, ...]) -> tuple[type, ...]:
        return (type("Absent", (AbsentBase,), {"_absent_name": self._name}),)

    def __instancecheck__(self, instance: Any) -> bool:
        return False

    def __call__(self, *args: Any, **kwargs: Any) -> AbsentName:
        return self if _in_import() else self._raise()

    def _raise(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise PluginError(f"{_plugin_location()}: {self._name} {reason(self._name)}")

    __getitem__ = __iter__ = __len__ = __bool__ = __contains__ = _raise
    __add__ = __radd__ = __sub__ = __mul__ = __rmul__ = __setattr__ = _raise


def absent_names(module: str) -> Callable[[str], AbsentName]:
    """Returns the `__getattr__` of a module of the mirror, which returns absent names.

    Args:
      module: the module's name.
    """
    t2t_module = module.removeprefix("t2tlite.compat.")

    def absent_name(name: str) -> AbsentName:
        if name.startswith("__"):
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        return AbsentName(f"{t2t_module}.{name}")

    return absent_name


class AbsentModule(ModuleType):
    """A module of absent names."""

    __path__: list[str] = []
    __all__: list[str] = []

    def __getattr__(self, attribute: str) -> AbsentName:
        return absent_names(self.__name__)(attribute)


def _in_import() -> bool:
    """Whether a module that is being imported is among the callers."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        caller = frame.f_back
        imports = caller is not None and caller.f_code.co_filename.startswith("<frozen importlib")
        if imports and frame.f_code.co_name == "<module>":
            return True
        frame = caller
    return False


def _plugin_location() -> str:
    """Returns file and line of the innermost frame outside this package."""
    package = os.path.dirname(__file__)
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith((package, "<frozen")):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}, line {frame.f_lineno}"
