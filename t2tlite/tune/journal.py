"""The trials of a search: an Optuna study in a file, which survives a kill."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Collection
from typing import Any

import numpy as np
import optuna
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from t2tlite.errors import CheckpointError, DataError, OutputError
from t2tlite.files import cannot_write
from t2tlite.tune.search import HPARAMS, Search

NAME = "tuning.journal"
# Optuna's user attributes: of the study, what is searched; of a trial, its values by dimension
# name, why it was pruned or failed, and whether the next search runs it again.
_DESCRIPTION, VALUES, REASON, AGAIN = "description", "hparams", "why", "again"
# What Optuna raises for a file that isn't its own.
_DAMAGE = (
    *(ArithmeticError, AssertionError, AttributeError),
    *(LookupError, RecursionError, TypeError, ValueError),
)
# Trials that must finish before a later one can be pruned.
PRUNING_STARTS = 4


class _JournalFile(JournalFileBackend):
    """Turns failures to write into errors of one line."""

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        try:
            super().append_logs(logs)
        except OSError as error:
            raise cannot_write(self._file_path, error) from error


class Journal:
    """All trials of a search. One process at a time may use the file; `tune` holds a lock for it.

    Raises:
      CheckpointError: the folder holds another search.
      DataError: the journal is damaged.
    """

    def __init__(self, search: Search):
        # Optuna would log each trial in a format of its own.
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.search = search
        path = search.output_dir / NAME
        # Optuna would append to a line that a kill or a full disk cut off.
        content = path.read_bytes() if path.exists() else b""
        if content and not content.endswith(b"\n"):
            os.truncate(path, content.rfind(b"\n") + 1)
        # A thread lock is enough. Optuna's file lock outlives a killed process, and the next search
        # would wait 30 s for it.
        try:
            backend = _JournalFile(str(path), threading.Lock())
            self._study = optuna.create_study(
                study_name="tuning",
                storage=optuna.storages.JournalStorage(backend),
                direction="maximize" if search.maximize else "minimize",
                load_if_exists=True,
                pruner=optuna.pruners.MedianPruner(
                    n_startup_trials=PRUNING_STARTS,
                    n_warmup_steps=search.train_args.train_steps // 5,
                    n_min_trials=PRUNING_STARTS,
                ),
            )
            self._check_description()
            # Reads all values.
            self.trials()
        except _DAMAGE as error:
            reason = " ".join(str(error).split())[:200]
            raise DataError(f"{path} is damaged ({reason}); choose a new --output_dir") from None

    def _check_description(self) -> None:
        # The journal is JSON, which has no tuples.
        new = json.loads(json.dumps(self.search.description))
        old = self._study.user_attrs.get(_DESCRIPTION)
        if old is None:
            self._study.set_user_attr(_DESCRIPTION, new)
            return
        for name, value in new.items():
            before, now = old.get(name), value
            if isinstance(before, dict) and before != now:
                key = next(key for key in {**before, **now} if before.get(key) != now.get(key))
                name, before, now = f"{name} {key}", before.get(key), now.get(key)
            if before != now:
                raise CheckpointError(
                    f"{self.search.output_dir} holds a search with {name}={before}, not {now}; "
                    f"use the old value or choose a new --output_dir"
                )

    def next_trial(self, active: Collection[int]) -> optuna.trial.Trial | None:
        """Returns a trial to run, with values drawn: an unfinished one, or else a new one.

        Returns None if no more are to be started. `active` has the numbers of those that run now,
        or aren't to be run for another reason.

        Raises:
          OutputError: the folder of a new trial holds a trial of another search.
        """
        trials = self._study.get_trials(deepcopy=False)
        unfinished = [t for t in trials if t.state == TrialState.RUNNING and t.number not in active]
        number = unfinished[0].number if unfinished else len(trials)
        # Seeded by the trial's number, so that interruptions don't change what is drawn.
        seed = np.random.SeedSequence([self.search.train_args.seed, number]).generate_state(1)
        self._study.sampler = optuna.samplers.TPESampler(
            n_startup_trials=max(3, min(10, self.search.max_trials // 3)), seed=int(seed[0])
        )
        if unfinished:
            # Optuna has no public way to resume a trial.
            trial = optuna.trial.Trial(self._study, unfinished[0]._trial_id)
        elif number >= self.search.max_trials:
            return None
        elif (self.search.folder(number) / HPARAMS).exists():
            raise OutputError(
                f"{self.search.folder(number)} holds a trial that isn't in {NAME}; choose a new "
                f"--output_dir, or remove the folder"
            )
        else:
            trial = self._study.ask()
        values = {dimension.name: dimension.draw(trial) for dimension in self.search.dimensions}
        trial.set_user_attr(VALUES, values)
        if trial.user_attrs.get(AGAIN):
            trial.set_user_attr(AGAIN, False)
        return trial

    def trials(self) -> list[FrozenTrial]:
        """Returns a copy of all trials, by number, for tables and plots.

        Their `params` are the hparams' values, where the journal has positions in ranges, and the
        `value` of a trial that is complete or pruned is its best one. A trial that failed has the
        state FAIL, also if it is unfinished in the journal because it will run again.
        """
        copy = optuna.create_study(direction=self._study.direction)
        for trial in self._study.get_trials(deepcopy=False):
            values = trial.user_attrs.get(VALUES, {})
            distributions = {d.name: d.value_distribution for d in self.search.dimensions}
            best = self.search.best(trial.intermediate_values)
            has_value = trial.state in (TrialState.COMPLETE, TrialState.PRUNED)
            copy.add_trial(
                optuna.trial.create_trial(
                    state=TrialState.FAIL if trial.user_attrs.get(AGAIN) else trial.state,
                    value=best[0] if best and has_value else None,
                    params=values,
                    distributions={name: distributions[name] for name in values},
                    user_attrs=trial.user_attrs,
                    intermediate_values=trial.intermediate_values,
                )
            )
        return copy.trials
