"""What a new training is described by: hparams, and the run record that they are part of."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from typing import Any

from t2tlite import registry
from t2tlite.assignments import parse_assignments, shown
from t2tlite.checkpoint import run_record
from t2tlite.config import AUTO, HParams
from t2tlite.errors import CheckpointError, HParamsError
from t2tlite.model import CLASSIFIERS, GAINED
from t2tlite.problem import Problem

log = logging.getLogger(__name__)

# The hparam that a training which goes on takes from its record.
_OPEN = ("activation_dtype", AUTO)


def read_hparams(
    hparams_set: str,
    hparams: str | Mapping[str, Any] | HParams = "",
    hparams_json_path: str | os.PathLike[str] = "",
    output_dir: str | os.PathLike[str] = "",
    precision: str = AUTO,
) -> tuple[HParams, dict[str, Any]]:
    """Returns the checked hparams of a training, and those of them that change the set, by name.

    A training that goes on keeps the hparams of its folder where they aren't changed, as in T2T.

    Args:
      hparams_set: a registered name; not read if `hparams` is an HParams.
      hparams: changes, as "name=value,name=value" or a dict; or all hparams, as an HParams.
      hparams_json_path: a JSON file of changes; `hparams` wins over it.
      output_dir: the model folder, whose hparams win over the set; "": the training is new.
      precision: "float32" or "bfloat16", for the hparam activation_dtype; "auto": not given.

    Raises:
      UnknownNameError: the set isn't registered.
      HParamsError: an hparam doesn't exist or isn't possible.
    """
    if isinstance(hparams, HParams):
        whole = hparams.copy().check()
        _set_precision(whole, precision, whole.activation_dtype)
        return whole, {}
    changed: HParams = registry.hparams(hparams_set)
    kept = _keep_recorded(changed, output_dir)
    names = [*(changed.assign_json(hparams_json_path) if hparams_json_path else [])]
    changed.override(hparams).check()
    pairs = parse_assignments(hparams) if isinstance(hparams, str) else hparams.items()
    names += [name for name, _ in pairs]
    given = changed.activation_dtype if "activation_dtype" in names else AUTO
    names += _set_precision(changed, precision, given)
    if kept := {name: text for name, text in kept.items() if name not in names}:
        told = ", ".join(f"{name}={text}" for name, text in kept.items())
        log.info("goes on with the hparams of %s: %s", output_dir, told)
    return changed, {name: changed.value_of(name) for name in names}


def _set_precision(hparams: HParams, precision: str, given: str) -> list[str]:
    """Assigns a precision, unless another was `given` beside it; returns the hparams' names."""
    if precision not in (AUTO, "float32", "bfloat16"):
        raise HParamsError(f"precision={shown(precision)} is not one of: {AUTO}, float32, bfloat16")
    if precision == AUTO:
        return []
    if given not in (AUTO, precision):
        raise HParamsError(
            f"precision={precision} contradicts the hparam activation_dtype={given}; give one of "
            f"them"
        )
    hparams.activation_dtype = precision  # type: ignore[assignment]
    return ["activation_dtype"]


def _keep_recorded(hparams: HParams, output_dir: str | os.PathLike[str]) -> dict[str, str]:
    """Assigns the values of the model in a folder; returns those that differ, as text, by name."""
    try:
        recorded = run_record.read(output_dir).hparams if output_dir else {}
    except CheckpointError:
        # There is no model yet, or `describe_run` reports what is wrong with it.
        return {}
    values = hparams.values()
    if "transformer_block" in recorded:
        recorded = {**GAINED, **recorded}
    # Records of earlier versions, and of an earlier version of a plugin, have other names, too.
    other = {n: value for n, value in recorded.items() if n in values and value != values[n]}
    hparams.assign(other)
    # The precision that was chosen for this training isn't another than the set's; the start-up
    # panel shows it.
    if values["activation_dtype"] == AUTO:
        other.pop("activation_dtype", None)
    return {name: f"{other[name]} (the set has {values[name]})" for name in other}


def check_names(problem: str | Problem, model: str) -> None:
    """Raises UnknownNameError unless problem and model are registered; imports no model."""
    if isinstance(problem, str):
        registry.problem(problem)
    if model not in registry.models:
        registry.model(model)


def describe_run(
    problem: str | Problem,
    model: str,
    hparams: HParams,
    hparams_set: str,
    output_dir: str,
    usr_dirs: Sequence[str] = (),
) -> run_record.RunRecord:
    """Returns the record of a run that is about to start or to go on in `output_dir`.

    Args:
      problem: a registered name, or an instance.
      model: a registered name.
      hparams, hparams_set: of the model, and the set's name.
      output_dir: the model folder.
      usr_dirs: plugin folders that were loaded.

    Raises:
      UnknownNameError: problem or model isn't registered.
      CheckpointError: `output_dir` has a model of another problem, or another model.
    """
    check_names(problem, model)
    run = run_record.RunRecord.describe(problem, model, hparams, list(usr_dirs))
    run.hparams_set = hparams_set
    run.decode_hparams = dict(run.trained_problem().decode_defaults)
    try:
        previous = run_record.read(output_dir)
    except CheckpointError:
        return run
    _check_same(previous, output_dir, {"problem": run.problem, "model": run.model})
    run.decode_hparams = previous.decode_hparams
    changed = {
        name: f"{previous.hparams[name]} -> {value}"
        for name, value in run.hparams.items()
        if previous.hparams.get(name, value) != value and (name, value) != _OPEN
    }
    if changed:
        log.info("hparams changed since the last run: %s", changed)
    return run


def recorded_run(
    output_dir: str,
    hparams: str | Mapping[str, Any] = "",
    problem: str = "",
    model: str = "",
) -> run_record.RunRecord:
    """Returns the record in a model folder, for an evaluation.

    Args:
      output_dir: the model folder.
      hparams: changes to the recorded ones.
      problem, model: what the folder must have; "": anything.

    Raises:
      CheckpointError: there is no model, or one of another problem, or another model.
      HParamsError: an hparam doesn't exist or isn't possible.
    """
    run = run_record.read(output_dir)
    given = {"problem": registry.recorded_name(problem), "model": model}
    _check_same(run, output_dir, {name: value for name, value in given.items() if value})
    if hparams:
        changed = HParams.from_values(run.hparams).override(hparams).check()
        if changed.activation_dtype != run.precision:
            log.warning("hparam activation_dtype has no effect: evaluation computes in float32")
        run.hparams = changed.values()
    return run


def _check_same(previous: run_record.RunRecord, output_dir: str, names: Mapping[str, str]) -> None:
    for name, new in names.items():
        old = getattr(previous, name)
        # The classifier is trained in place of a model that generates text.
        if old != new and not (name == "model" and CLASSIFIERS.get(new) == old):
            raise CheckpointError(
                f"{output_dir} holds a model with {name} {old}, not {new}; choose a new "
                f"--output_dir"
            )
