"""As `tensor2tensor.utils.hparams_lib`: creating hparams."""

import json
import logging
import os
from pathlib import Path
from typing import Any

from t2tlite import problem
from t2tlite.compat.hparam import HParams
from t2tlite.compat.tensor2tensor.utils import registry
from t2tlite.plugins.stand_ins import absent_names

__getattr__ = absent_names(__name__)

log = logging.getLogger(__name__)

# What a file of T2T's may hold of a problem, and doesn't change given hparams.
_OF_PROBLEM = ("bottom", "loss", "name", "top", "weights_fn")
_ATTACHED = ("problem", "problem_hparams")


def create_hparams(
    hparams_set: str,
    hparams_overrides_str: str = "",
    data_dir: str | None = None,
    problem_name: str | None = None,
    hparams_path: str | None = None,
) -> Any:
    """Returns a registered set with overrides.

    Args:
      hparams_set: its name.
      hparams_overrides_str: "name=value,name=value".
      data_dir: becomes the hparam `data_dir`.
      problem_name: the problem whose hparams become the attribute `problem_hparams`.
      hparams_path: a JSON file of hparams that replace those of the set, if it exists.
    """
    hparams = registry.hparams(hparams_set)
    if hparams_path and os.path.exists(hparams_path):
        hparams = create_hparams_from_json(hparams_path, hparams)
    if data_dir:
        hparams.add_hparam("data_dir", data_dir)
    if hparams_overrides_str:
        hparams.parse(hparams_overrides_str)
    if problem_name:
        add_problem_hparams(hparams, problem_name)
    return hparams


def create_hparams_from_json(json_path: str, hparams: Any = None) -> Any:
    """Returns the hparams of a JSON file; of given ones, those that exist are replaced."""
    values = json.loads(Path(json_path).read_text(encoding="utf-8-sig"))
    if hparams is None:
        return HParams(**values)
    for name, value in sorted(values.items()):
        if name in _OF_PROBLEM or not hasattr(hparams, name) or getattr(hparams, name) == value:
            continue
        log.info("%s: %s instead of %s", name, value, getattr(hparams, name))
        setattr(hparams, name, value)
    return hparams


def add_problem_hparams(hparams: Any, problem_name_or_instance: Any) -> None:
    """Attaches a problem, and its hparams, to those of a model."""
    attached = problem_name_or_instance
    if not isinstance(attached, problem.Problem):
        attached = registry.problem(attached)
    _attach(hparams, "problem_hparams", attached.get_hparams(hparams))
    _attach(hparams, "problem", attached)


def copy_hparams(hparams: Any) -> Any:
    """Returns a copy with what `add_problem_hparams` attached."""
    copied = hparams.copy()
    for name in _ATTACHED:
        if (value := getattr(hparams, name, None)) is not None:
            _attach(copied, name, value)
    return copied


def _attach(hparams: Any, name: str, value: Any) -> None:
    # As an attribute: it is no hparam.
    object.__setattr__(hparams, name, value)
