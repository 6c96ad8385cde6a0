"""As `tensor2tensor.utils.registry`, with the names of versions before 1.12."""

import itertools
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from t2tlite import config, registry
from t2tlite.compat.problems import with_t2t_names
from t2tlite.compat.registries import Registry, View, two_arguments
from t2tlite.compat.registries import snake_name as default_name
from t2tlite.compat.t2t_hparams import with_t2t_methods
from t2tlite.plugins.stand_ins import absent_names
from t2tlite.registry import (
    help_string,
    list_models,
    list_problems,
    model,
    ranged_hparams,
    register_hparams,
    register_model,
    register_problem,
    register_ranged_hparams,
)

__getattr__ = absent_names(__name__)

list_base_problems = list_problems
register_base_problem = register_problem


class Modalities:
    """Kinds of features, as `p.input_modality` names them."""

    SYMBOL = "symbol"
    CLASS_LABEL = "class_label"
    GENERIC = "generic"
    IMAGE = "image"
    AUDIO = "audio"
    VIDEO = "video"
    REAL = "real"


class ProblemSpec(NamedTuple):
    """A problem's name and suffixes."""

    base_name: str
    was_reversed: bool
    was_copy: bool


def parse_problem_name(name: str) -> ProblemSpec:
    """Splits off the suffixes `_rev` and `_copy`."""
    return ProblemSpec(*registry.parse_problem_name(name))


def get_problem_name(base_name: str, was_reversed: bool = False, was_copy: bool = False) -> str:
    """Returns a name with its suffixes."""
    return f"{base_name}{'_copy' * was_copy}{'_rev' * was_reversed}"


def base_problem(name: str) -> type:
    """Returns the class of a problem, with T2T's further names.

    Raises:
      UnknownNameError: the name isn't registered.
    """
    return with_t2t_names(registry.problems.get(name))


def problem(problem_name: str) -> Any:
    """Returns a new problem of this name with T2T's further names.

    Raises:
      UnknownNameError: the name isn't registered.
      PluginError: a plugin's class can't be instantiated.
    """
    return registry.problem(problem_name, with_t2t_names)


def hparams(name: str) -> Any:
    """Returns a new HParams of the set registered as `name`, with T2T's methods.

    Raises:
      UnknownNameError: the name isn't registered.
    """
    made = registry.hparams(name)
    return with_t2t_methods(made) if isinstance(made, config.HParams) else made


def list_hparams(prefix: str | None = None) -> list[str]:
    """Returns the names of all hparams sets that start with `prefix`, sorted."""
    return [name for name in registry.list_hparams() if name.startswith(prefix or "")]


def list_ranged_hparams() -> list[str]:
    """Returns the names of all hparams ranges, sorted."""
    return list(registry.ranged_hparams_sets)


class Registries:
    """The registries as tables."""

    models = View(registry.models, model)
    hparams = View(registry.hparams_sets, hparams)
    ranged_hparams = View(registry.ranged_hparams_sets, ranged_hparams)
    problems = View(registry.problems, base_problem)
    # TF1's; the hparam `optimizer` knows only t2tlite's names.
    optimizers = Registry("optimizers", validator=two_arguments)


optimizer = Registries.optimizers.__getitem__
register_optimizer = Registries.optimizers.register


def list_optimizers() -> list[str]:
    """Returns the names of all registered optimizers, sorted."""
    return sorted(Registries.optimizers)


def default_object_name(obj: Any) -> str:
    """Returns the default name of an object's class."""
    return default_name(type(obj))


def display_list_by_prefix(names_list: Iterable[str], starting_spaces: int = 0) -> str:
    """Returns names as lines, below what stands before their first underscore."""
    indent = " " * starting_spaces
    groups = itertools.groupby(sorted(names_list), lambda name: name.partition("_")[0])
    lines = ([f"{prefix}:", *(f"  * {name}" for name in names)] for prefix, names in groups)
    return "\n".join(indent + line for group in lines for line in group)


def register_symbol_modality(name: Any = None) -> Callable[[Any], Any] | Any:
    """Accepts a modality class, with or without a name; only custom models would use it."""
    return name if isinstance(name, type) else lambda modality: modality


register_class_label_modality = register_generic_modality = register_symbol_modality
