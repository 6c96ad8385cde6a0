"""As `tensor2tensor.utils.registry`, with what it had before version 1.12."""

from collections.abc import Callable
from typing import Any

from t2tlite.plugins.absent import names_of
from t2tlite.registry import (
    help_string,
    hparams,
    list_hparams,
    list_models,
    list_problems,
    model,
    parse_problem_name,
    problem,
    ranged_hparams,
    register_hparams,
    register_model,
    register_problem,
    register_ranged_hparams,
    snake_case,
)

__getattr__ = names_of(__name__)

__all__ = [
    "Modalities",
    "default_name",
    "help_string",
    "hparams",
    "list_hparams",
    "list_models",
    "list_problems",
    "model",
    "parse_problem_name",
    "problem",
    "ranged_hparams",
    "register_class_label_modality",
    "register_generic_modality",
    "register_hparams",
    "register_model",
    "register_problem",
    "register_ranged_hparams",
    "register_symbol_modality",
]


class Modalities:
    """Kinds of features, as `p.input_modality` names them."""

    SYMBOL = "symbol"
    CLASS_LABEL = "class_label"
    GENERIC = "generic"
    IMAGE = "image"
    AUDIO = "audio"
    VIDEO = "video"
    REAL = "real"


def default_name(thing: type) -> str:
    """The name that a class gets when it is registered without one."""
    return snake_case(thing.__name__)


def register_symbol_modality(name: Any = None) -> Callable[[Any], Any] | Any:
    """Takes a modality class, which only a custom model would use; with or without a name."""
    return name if isinstance(name, type) else lambda modality: modality


register_class_label_modality = register_generic_modality = register_symbol_modality
