"""The file that keeps what trials there are: it survives a kill, and several machines share it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from t2tlite.errors import CheckpointError, DataError, OutputError
from t2tlite.files import make_folder
from t2tlite.tune import space
from t2tlite.tune.locks import Busy, FileLock, Lease, Leaving
from t2tlite.tune.search import HPARAMS, Search

if TYPE_CHECKING:
    import optuna

NAME = "tuning.journal"
_LOCK = ".tuning.lock"
_JOURNAL_LOCK = ".tuning.journal.lock"
# What the journal notes of a trial beside what Optuna does.
_VALUES, _STEP, _WHY = "hparams", "step", "why"
# Trials that finish before others are given up for being worse than their median.
PRUNING_STARTS = 4


@dataclass(frozen=True)
class Trial:
    """What is known of a trial.

    Attributes:
      number: counts from 0; the name of its folder.
      state: "running", "finished", "pruned" or "failed".
      values: drawn, by the names of the dimensions.
      reports: the objective by step.
      value: its best; None: there is none.
      step: of the best.
      why: it failed or was pruned; "" otherwise.
    """

    number: int
    state: str
    values: Mapping[str, Any]
    reports: Mapping[int, float] = field(default_factory=dict)
    value: float | None = None
    step: int | None = None
    why: str = ""


class Taken:
    """A trial that this process runs, and nobody else while `lease` is open."""

    def __init__(self, trial: optuna.trial.Trial, values: dict[str, Any], lease: Lease):
        self.number = trial.number
        self.values = values
        self.lease = lease
        self._trial = trial
        noted = trial.study.get_trials(deepcopy=False)[trial.number]
        self._reported = set(noted.intermediate_values)
        self._hopeless: bool | None = None

    def report(self, values: Mapping[int, float]) -> bool:
        """Notes the objective by step; returns whether the trial is hopeless."""
        new = values.keys() - self._reported
        for step in sorted(new):
            self._trial.report(values[step], step)
        self._reported |= new
        # A kill may have come before a trial was given up, so what was noted then counts, too.
        if values and (new or self._hopeless is None):
            self._hopeless = self._trial.should_prune()
        return bool(self._hopeless)

    def end(self, state: str, best: tuple[float, int] | None, why: str = "") -> None:
        """Notes how the trial ended, and lets go of it.

        Args:
          state: "finished", "pruned" or "failed".
          best: value and step.
          why: it didn't finish.
        """
        from optuna.trial import TrialState

        ends = {"pruned": TrialState.PRUNED, "failed": TrialState.FAIL}
        self._trial.set_user_attr(_STEP, best and best[1])
        self._trial.set_user_attr(_WHY, why)
        if state == "finished":
            assert best is not None
            self._trial.study.tell(self._trial, best[0])
        else:
            self._trial.study.tell(self._trial, state=ends[state])
        self.lease.close()


class Journal:
    """All trials of a search, those of other processes included.

    Args:
      search: what is searched.

    Raises:
      OutputError: Optuna isn't installed, or the folder can't be written.
      CheckpointError: the folder holds another search.
      DataError: the journal is damaged.
    """

    def __init__(self, search: Search):
        optuna = _optuna()
        self.search = search
        make_folder(search.output_dir)
        path = search.output_dir / NAME
        schedule = search.schedule
        self._lock = FileLock(search.output_dir / _LOCK)
        lock = _JournalLock(search.output_dir / _JOURNAL_LOCK, path)
        with self._lock:
            try:
                backend = optuna.storages.journal.JournalFileBackend(str(path), lock)
                self._study = optuna.create_study(
                    study_name="tuning",
                    storage=optuna.storages.JournalStorage(backend),
                    direction="maximize" if search.maximize else "minimize",
                    load_if_exists=True,
                    pruner=optuna.pruners.MedianPruner(
                        n_startup_trials=PRUNING_STARTS,
                        n_warmup_steps=schedule.train_steps // 5,
                        n_min_trials=PRUNING_STARTS,
                    ),
                )
            except (ValueError, KeyError) as error:
                raise DataError(f"{path} is damaged ({error}); choose a new --output_dir") from None
            self._check_description()

    def _check_description(self) -> None:
        # As the journal has it: JSON knows no tuples.
        now = json.loads(json.dumps(self.search.description))
        before = self._study.user_attrs.get("description")
        if before is None:
            self._study.set_user_attr("description", now)
            return
        for name, value in now.items():
            old, new = before.get(name), value
            if isinstance(old, dict) and old != new:
                changed = next(one for one in {**old, **new} if old.get(one) != new.get(one))
                name, old, new = f"{name} {changed}", old.get(changed), new.get(changed)
            if old != new:
                raise CheckpointError(
                    f"{self.search.output_dir} holds a search with {name}={old}, not {new}; go on "
                    f"with that or choose a new --output_dir"
                )

    def take(self) -> Taken | None:
        """Takes a trial to run: one that was left behind, or a new one.

        Returns:
          The trial; None if there is none to take now.
        """
        import optuna

        running = (optuna.trial.TrialState.RUNNING,)
        with self._lock:
            leaving = False
            for left in self._study.get_trials(deepcopy=False, states=running):
                try:
                    lease = Lease(self.search.folder(left.number))
                except Busy:
                    continue
                except Leaving:
                    # Soon to be taken: a new one before it would be drawn without its results.
                    leaving = True
                    continue
                if self._study.get_trials(deepcopy=False)[left.number].state.is_finished():
                    # Whoever ran it has just noted its end.
                    lease.close()
                    continue
                return self._taken(optuna.trial.Trial(self._study, left._trial_id), lease)
            number = len(self._study.get_trials(deepcopy=False))
            if leaving or number >= self.search.max_trials:
                return None
            try:
                lease = Lease(self.search.folder(number))
            except (Busy, Leaving):
                raise OutputError(
                    f"{self.search.folder(number)} is in use by another search; choose a new "
                    f"--output_dir"
                ) from None
            if (self.search.folder(number) / HPARAMS).exists():
                raise OutputError(
                    f"{self.search.folder(number)} holds a trial that {NAME} doesn't know; choose "
                    f"a new --output_dir, or remove the folder"
                )
            self._study.sampler = self._sampler(number)
            return self._taken(self._study.ask(), lease)

    def _taken(self, trial: optuna.trial.Trial, lease: Lease) -> Taken:
        # A kill may have come between a new trial and its values.
        trial.study.sampler = self._sampler(trial.number)
        values = space.draw(self.search.dimensions, trial)
        trial.set_user_attr(_VALUES, values)
        return Taken(trial, values, lease)

    def _sampler(self, number: int) -> optuna.samplers.BaseSampler:
        """The sampler for a trial: what it draws doesn't depend on how often the search stopped."""
        import numpy as np
        import optuna

        # A third is drawn blindly, as what is learned from fewer misleads.
        blind = max(3, min(10, self.search.max_trials // 3))
        seed = np.random.SeedSequence([self.search.schedule.seed, number]).generate_state(1)
        return optuna.samplers.TPESampler(n_startup_trials=blind, seed=int(seed[0]))

    def trials(self) -> list[Trial]:
        """Returns all trials, by number."""
        from optuna.trial import TrialState

        states = {
            TrialState.COMPLETE: "finished",
            TrialState.PRUNED: "pruned",
            TrialState.FAIL: "failed",
        }
        found = []
        for one in self._study.get_trials(deepcopy=False):
            best = self.search.best(one.intermediate_values)
            found.append(
                Trial(
                    number=one.number,
                    state=states.get(one.state, "running"),
                    values=one.user_attrs.get(_VALUES, {}),
                    reports=one.intermediate_values,
                    value=best and best[0],
                    step=best and best[1],
                    why=one.user_attrs.get(_WHY, ""),
                )
            )
        return found


def _optuna() -> Any:
    """Returns Optuna, which only tuning needs.

    Raises:
      OutputError: it isn't installed.
    """
    try:
        import optuna
    except ImportError:
        raise OutputError(
            "--hparams_range needs Optuna; get it with: pip install 't2tlite[tune]'"
        ) from None
    # It tells each trial in its own form.
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


class _JournalLock(FileLock):
    """The lock of a journal: who gets it finds whole lines, and writes behind them.

    A crash, or a disk that was full for a while, may leave a last line unfinished.

    Args:
      path: of the lock.
      journal: the file that it protects.
    """

    def __init__(self, path: Path, journal: Path):
        super().__init__(path)
        self._journal = journal

    def acquire(self) -> bool:
        super().acquire()
        if self._journal.exists() and not _ends_a_line(self._journal):
            os.truncate(self._journal, self._journal.read_bytes().rfind(b"\n") + 1)
        return True


def _ends_a_line(path: Path) -> bool:
    with open(path, "rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(size - 1, 0))
        return file.read() in (b"", b"\n")
