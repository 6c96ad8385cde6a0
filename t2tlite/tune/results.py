"""The results of a search: a table, the best hparams as a file, and plots."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from t2tlite import console
from t2tlite.files import atomic
from t2tlite.tune.journal import REASON
from t2tlite.tune.search import Search

log = logging.getLogger(__name__)

BEST = "best.json"
TABLE = "trials.tsv"
# In the order of tables.
STATES = {
    TrialState.COMPLETE: "finished",
    TrialState.PRUNED: "pruned",
    TrialState.RUNNING: "running",
    TrialState.FAIL: "failed",
}
# File -> Optuna's name of the plot.
PLOTS = {
    "history.png": "optimization_history",
    "importances.png": "param_importances",
    "parallel_coordinates.png": "parallel_coordinate",
    "trial_curves.png": "intermediate_values",
}
# Most rows on the screen; the file has all.
_SCREEN_ROWS = 30


def best(search: Search, trials: Sequence[FrozenTrial]) -> FrozenTrial | None:
    """Returns the finished trial with the best value; None if none has finished."""
    finished = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    winner: FrozenTrial | None = search.optimum(finished, key=lambda t: t.value, default=None)
    return winner


def write_hparams(search: Search, values: Mapping[str, Any], path: Path) -> None:
    """Writes the file for --hparams_json_path of a trial, from its values by dimension name."""
    with atomic(path, "w") as file:
        json.dump(search.hparams(values), file, indent=1)
        file.write("\n")


def write_best(search: Search, trials: Sequence[FrozenTrial]) -> None:
    """Writes best.json, if a trial has finished."""
    if winner := best(search, trials):
        write_hparams(search, winner.params, search.output_dir / BEST)


def format_value(value: Any) -> str:
    """Returns a value for tables and messages, floats rounded."""
    return "-" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


def describe_end(search: Search, trial: FrozenTrial, trials: Sequence[FrozenTrial]) -> str:
    """Returns one line on how a trial ended, and which trial is best so far."""
    if trial.state != TrialState.COMPLETE:
        return f"{STATES[trial.state]}: {trial.user_attrs[REASON]}"
    _, step = search.best(trial.intermediate_values) or (None, 0)
    winner = best(search, trials) or trial
    return (
        f"finished: {search.objective} {trial.value:.4f} at step {step}; the best so far is "
        f"{winner.value:.4f} of trial {winner.number}"
    )


def show(search: Search, trials: Sequence[FrozenTrial]) -> None:
    """Writes trials.tsv, and shows the trials as a table, the best first."""
    names = [dimension.name for dimension in search.dimensions]
    columns = ["trial", "state", search.objective, "step", *names]
    rows = []
    with atomic(search.output_dir / TABLE, "w") as file:
        file.write("\t".join([*columns, "why"]) + "\n")
        for trial in trials:
            value, step = search.best(trial.intermediate_values) or (None, None)
            row = [trial.number, STATES[trial.state], value, step]
            row += [trial.params.get(name) for name in names]
            rows.append(row)
            cells = ["" if cell is None else str(cell) for cell in row[:4]]
            cells += map(json.dumps, row[4:])
            reason = trial.user_attrs.get(REASON, "").replace("\t", " ")
            file.write("\t".join([*cells, reason]) + "\n")
    sign = -1.0 if search.maximize else 1.0
    order = list(STATES.values())
    rows.sort(key=lambda row: (order.index(row[1]), row[2] is None, sign * (row[2] or 0), row[0]))
    more = len(rows) - _SCREEN_ROWS
    console.table(
        "trials, the best first",
        {name: "left" if name == "state" else "right" for name in columns},
        [[format_value(cell) for cell in row] for row in rows[:_SCREEN_ROWS]],
        f"{more} more are in {TABLE}" if more > 0 else "",
    )
    if winner := best(search, trials):
        log.info(
            "trial %d is best; train with --hparams_json_path=%s, or continue training in %s",
            *(winner.number, search.output_dir / BEST, search.folder(winner.number)),
        )


def draw_plots(search: Search, trials: Sequence[FrozenTrial]) -> None:
    """Writes Optuna's plots of the trials, if any has finished."""
    finished = {trial.value for trial in trials if trial.state == TrialState.COMPLETE}
    if not finished:
        return
    # Imported here, as it takes a second.
    from matplotlib import pyplot
    from optuna.visualization import matplotlib as plots

    study = optuna.create_study(direction="maximize" if search.maximize else "minimize")
    study.add_trials(trials)
    pyplot.switch_backend("Agg")
    label = f"{search.objective} ({'higher' if search.maximize else 'lower'} is better)"
    for file_name, name in PLOTS.items():
        # These two need different values.
        if name in ("param_importances", "parallel_coordinate") and len(finished) < 2:
            continue
        labels = {} if name == "intermediate_values" else {"target_name": label}
        with warnings.catch_warnings():
            # Optuna warns that these plots are experimental, matplotlib about flat ones.
            warnings.simplefilter("ignore")
            axes = getattr(plots, f"plot_{name}")(study, **labels)
        with atomic(search.output_dir / file_name) as file:
            axes.figure.savefig(file, format="png", dpi=120, bbox_inches="tight")
        pyplot.close(axes.figure)
