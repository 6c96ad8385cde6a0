"""As `tensor2tensor.utils.registry`, with the names of versions before 1.12."""

from collections.abc import Callable
from typing import Any

from t2tlite import registry
from t2tlite.compat.problems import with_t2t_names
from t2tlite.compat.t2t_hparams import HParams, with_t2t_methods
from t2tlite.plugins.stand_ins import absent_names
from t2tlite.registry import (
    help_string,
    list_hparams,
    list_models,
    list_problems,
    model,
    parse_problem_name,
    ranged_hparams,
    register_hparams,
    register_model,
    register_problem,
    register_ranged_hparams,
    snake_case,
)

__getattr__ = absent_names(__name__)


class Modalities:
    """Kinds of features, as `p.input_modality` names them."""

    SYMBOL = "symbol"
    CLASS_LABEL = "class_label"
    GENERIC = "generic"
    IMAGE = "image"
    AUDIO = "audio"
    VIDEO = "video"
    REAL = "real"


def problem(problem_name: str) -> Any:
    """Returns a new problem of this name with T2T's further names.

    Raises:
      UnknownNameError: the name isn't registered.
    """
    base, was_reversed, was_copy = parse_problem_name(problem_name)
    problem_class = with_t2t_names(registry.problems.get(base))
    instance = problem_class(was_reversed=was_reversed, was_copy=was_copy)
    registry.set_name(instance, base)
    return instance


def hparams(name: str) -> HParams:
    """Returns a new HParams of the set registered as `name`, with T2T's methods.

    Raises:
      UnknownNameError: the name isn't registered.
    """
    return with_t2t_methods(registry.hparams(name))


def default_name(thing: type) -> str:
    """Returns the default name of a registered class."""
    return snake_case(thing.__name__)


def register_symbol_modality(name: Any = None) -> Callable[[Any], Any] | Any:
    """Accepts a modality class, with or without a name; only custom models would use it."""
    return name if isinstance(name, type) else lambda modality: modality


register_class_label_modality = register_generic_modality = register_symbol_modality
