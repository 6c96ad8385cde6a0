"""Stand-ins for names of Tensor2Tensor and TF1 that have no counterpart here.

A plugin may import such a name and never use it, or use it in code that never runs. So importing
costs nothing; calling or computing with it raises one line that names the file, the line, the name
and what to do instead. A class that builds on one can be defined, and told in a warning; making an
instance of it raises.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any, NoReturn

from t2tlite.errors import PluginError

log = logging.getLogger(__name__)

_OWN_MODEL = "train with --model=transformer, or write the model as a keras.Model and register that"
_NO_BASE = (
    "can't be built on: write the model as a keras.Model and register that, or train with the "
    "--model of that name"
)
_NO_TEXT = "is no text problem, and t2tlite has text alone; train it with Tensor2Tensor itself"
_PROBLEM = (
    "is a problem that t2tlite doesn't have; copy its file from Tensor2Tensor into your "
    "--t2t_usr_dir"
)
_GRAPH = f"is TF1 graph code, which TensorFlow 2 can't run; {_OWN_MODEL}"
_ELSE = "has no counterpart in t2tlite; leave it out"

# The first prefix that fits says why a name is absent.
_REASONS = {
    "tensor2tensor.layers.": _GRAPH,
    "tensor2tensor.models.lstm.LSTM": f"{_NO_BASE} (lstm_seq2seq_attention)",
    "tensor2tensor.models.research.universal_transformer.Un": f"{_NO_BASE} (universal_transformer)",
    "tensor2tensor.models.": f"isn't part of t2tlite; {_OWN_MODEL}",
    "tensor2tensor.utils.t2t_model": _GRAPH,
    "tensor2tensor.utils.beam_search": _GRAPH,
    "tensor2tensor.utils.expert_utils": _GRAPH,
    "tensor2tensor.utils.modality": _GRAPH,
    **{
        f"tensor2tensor.data_generators.{word}": _NO_TEXT
        for word in [
            "allen_brain",
            "audio",
            "celeba",
            "cifar",
            "common_voice",
            "fsns",
            "gene_expression",
            "gym",
            "image",
            "librispeech",
            "mnist",
            "mscoco",
            "ocr",
            "speech",
            "timeseries",
            "video",
            "vqa",
        ]
    },
    "tensor2tensor.data_generators.problem": _ELSE,
    "tensor2tensor.data_generators.text_": _ELSE,
    "tensor2tensor.data_generators.generator_utils": _ELSE,
    "tensor2tensor.data_generators.": _PROBLEM,
    "tensorflow.contrib": "left TensorFlow with version 2; use what took its place in tf or keras",
    "tensorflow.": f"left TensorFlow with version 2; {_OWN_MODEL}",
}


def reason(name: str) -> str:
    """Why there is no `name`, and what to do instead."""
    return next((why for prefix, why in _REASONS.items() if name.startswith(prefix)), _ELSE)


class AbsentBase:
    """What a class gets as its base in place of an absent one."""

    _absent_name = ""
    _defined = ""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__()
        if "_absent_name" in vars(cls):
            return
        cls._defined = _users_place()
        log.warning("%s: %s", cls._defined, cls._message())

    def __new__(cls, *args: Any, **kwargs: Any) -> NoReturn:
        """Raises: the class can't be used."""
        raise PluginError(f"{cls._defined}: {cls._message()}")

    @classmethod
    def _message(cls) -> str:
        name = cls._absent_name
        return f"class {cls.__name__} can't be used: its base {name} {reason(name)}"


class AbsentName:
    """An absent name, with all names below it."""

    _name: str

    def __init__(self, name: str) -> None:
        # Past __setattr__, which is a use.
        self.__dict__["_name"] = name

    def __getattr__(self, attribute: str) -> AbsentName:
        if attribute.startswith("__"):
            raise AttributeError(attribute)
        return AbsentName(f"{self._name}.{attribute}")

    def __repr__(self) -> str:
        return self._name

    def __mro_entries__(self, bases: tuple[Any, ...]) -> tuple[type, ...]:
        return (type("Absent", (AbsentBase,), {"_absent_name": self._name}),)

    def __instancecheck__(self, thing: Any) -> bool:
        return False

    def _used(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise PluginError(f"{_users_place()}: {self._name} {reason(self._name)}")

    __call__ = __getitem__ = __iter__ = __len__ = __bool__ = __contains__ = _used
    __add__ = __radd__ = __sub__ = __mul__ = __rmul__ = __setattr__ = _used


def names_of(module: str) -> Callable[[str], AbsentName]:
    """The `__getattr__` of a module that stands for one of T2T's: what it lacks is absent.

    Args:
      module: its own name, below t2tlite.compat.
    """
    t2ts = module.removeprefix("t2tlite.compat.")

    def find(name: str) -> AbsentName:
        if name.startswith("__"):
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        return AbsentName(f"{t2ts}.{name}")

    return find


class AbsentModule(ModuleType):
    """A module of absent names."""

    __path__: list[str] = []
    __all__: list[str] = []

    def __getattr__(self, attribute: str) -> AbsentName:
        return names_of(self.__name__)(attribute)


def _users_place() -> str:
    """File and line of the code that uses a name: the innermost outside this package."""
    here = os.path.dirname(__file__)
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith((here, "<frozen")):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}, line {frame.f_lineno}"
