"""What a search has found: a table, the best hparams as a file, and plots."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from t2tlite import console
from t2tlite.files import atomic
from t2tlite.tune import space
from t2tlite.tune.journal import Trial
from t2tlite.tune.search import Search

log = logging.getLogger(__name__)

BEST = "best.json"
TABLE = "trials.tsv"
# File -> Optuna's name of the plot.
PLOTS = {
    "history.png": "optimization_history",
    "importances.png": "param_importances",
    "parallel_coordinates.png": "parallel_coordinate",
    "trial_curves.png": "intermediate_values",
}
# Most rows of the table on the screen; the file has all.
TABLE_ROWS = 30


def ranked(search: Search, trials: Sequence[Trial]) -> list[Trial]:
    """Returns the trials, the best first, those without a value last."""
    order = ["finished", "pruned", "running", "failed"]
    sign = -1.0 if search.maximize else 1.0

    def key(one: Trial) -> tuple[int, bool, float, int]:
        value = 0.0 if one.value is None else sign * one.value
        return order.index(one.state), one.value is None, value, one.number

    return sorted(trials, key=key)


def best(search: Search, trials: Sequence[Trial]) -> Trial | None:
    """Returns the finished trial with the best value; None if none has finished."""
    first = ranked(search, trials)[:1]
    return first[0] if first and first[0].state == "finished" else None


def best_hparams(search: Search, trials: Sequence[Trial]) -> dict[str, Any]:
    """Returns what the best trial's hparams change in the set; nothing if none has finished."""
    winner = best(search, trials)
    if winner is None:
        return {}
    return {**search.given, **space.assignment(search.dimensions, winner.values)}


def assignments(values: Mapping[str, Any]) -> str:
    """Returns values in the form of --hparams."""
    return ",".join(f"{name}={_shown(value)}" for name, value in values.items())


def in_words(search: Search, trial: Trial, trials: Sequence[Trial]) -> str:
    """Says how a trial ended, and which is best so far."""
    if trial.state != "finished":
        return f"{trial.state}: {trial.why}"
    winner = best(search, trials)
    if winner is None or winner.number == trial.number:
        than = "the best so far"
    else:
        than = f"the best is {winner.value:.4f} of trial {winner.number}"
    return f"finished: {search.objective} {trial.value:.4f} at step {trial.step}; {than}"


def write_best(search: Search, trials: Sequence[Trial]) -> None:
    """Writes best.json, which t2t-trainer takes as --hparams_json_path."""
    if hparams := best_hparams(search, trials):
        with atomic(search.output_dir / BEST, "w") as file:
            json.dump(hparams, file, indent=1)
            file.write("\n")


def write(search: Search, trials: Sequence[Trial]) -> None:
    """Writes best.json, if a trial has finished, and trials.tsv."""
    write_best(search, trials)
    names = [one.name for one in search.dimensions]
    with atomic(search.output_dir / TABLE, "w") as file:
        file.write("\t".join(["trial", "state", search.objective, "step", *names, "why"]) + "\n")
        for one in trials:
            values = [json.dumps(one.values.get(name)) for name in names]
            value = "" if one.value is None else repr(one.value)
            step = "" if one.step is None else str(one.step)
            why = one.why.replace("\t", " ")
            file.write("\t".join([str(one.number), one.state, value, step, *values, why]) + "\n")


def show(search: Search, trials: Sequence[Trial]) -> None:
    """Shows the trials as a table, the best first."""
    rows = [
        [
            str(one.number),
            one.state,
            "-" if one.value is None else f"{one.value:.4f}",
            "-" if one.step is None else f"{one.step:,}",
            *(_shown(one.values.get(dimension.name, "-")) for dimension in search.dimensions),
        ]
        for one in ranked(search, trials)
    ]
    more = len(rows) - TABLE_ROWS
    columns = ["trial", "state", search.objective, "step", *(one.name for one in search.dimensions)]
    console.table(
        "trials, the best first",
        {name: "left" if name == "state" else "right" for name in columns},
        rows[:TABLE_ROWS],
        f"{more} more are in {TABLE}" if more > 0 else "",
    )
    if winner := best(search, trials):
        log.info(
            "trial %d is best; train with --hparams_json_path=%s, or go on in %s",
            winner.number,
            search.output_dir / BEST,
            search.folder(winner.number),
        )


def _shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def draw(search: Search, trials: Sequence[Trial]) -> None:
    """Writes the plots, as far as there is something to plot."""
    finished = [one.value for one in trials if one.state == "finished"]
    if not finished:
        return
    # Imported only here, as it takes a second.
    from matplotlib import pyplot
    from optuna.visualization import matplotlib as plots

    study = _study_of_values(search, trials)
    pyplot.switch_backend("Agg")
    label = f"{search.objective} ({'higher' if search.maximize else 'lower'} is better)"
    for file_name, name in PLOTS.items():
        # Nothing can be told from trials that are all the same.
        if name in ("param_importances", "parallel_coordinate") and len(set(finished)) < 2:
            continue
        labels = {} if name == "intermediate_values" else {"target_name": label}
        with warnings.catch_warnings():
            # Optuna calls these plots experimental, and matplotlib has its own about flat ones.
            warnings.simplefilter("ignore")
            axes = getattr(plots, f"plot_{name}")(study, **labels)
        with atomic(search.output_dir / file_name) as file:
            axes.figure.savefig(file, format="png", dpi=120, bbox_inches="tight")
        pyplot.close(axes.figure)


def _study_of_values(search: Search, trials: Sequence[Trial]) -> Any:
    """A study in memory of the hparams' values, where the journal has numbers of places."""
    import optuna

    states = {
        "finished": optuna.trial.TrialState.COMPLETE,
        "pruned": optuna.trial.TrialState.PRUNED,
    }
    study = optuna.create_study(direction="maximize" if search.maximize else "minimize")
    for one in trials:
        if one.state in states and one.value is not None:
            study.add_trial(
                optuna.trial.create_trial(
                    state=states[one.state],
                    value=one.value,
                    params=dict(one.values),
                    distributions={each.name: each.shown_in for each in search.dimensions},
                    intermediate_values=dict(one.reports),
                )
            )
    return study
