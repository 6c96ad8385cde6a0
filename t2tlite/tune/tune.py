"""The search loop: starts trials, prunes those that fall behind, until all have ended."""

from __future__ import annotations

import logging
import re
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from optuna.trial import FrozenTrial, Trial, TrialState

from t2tlite.checkpoint import checkpoints, eval_log
from t2tlite.errors import HParamsError, OutputError
from t2tlite.files import locked
from t2tlite.training.signals import stop_on_signals
from t2tlite.tune import processes, results
from t2tlite.tune.journal import AGAIN, REASON, VALUES, Journal
from t2tlite.tune.search import HPARAMS, Search

log = logging.getLogger(__name__)

POLL_SECONDS = 0.5
# The search ends when this many trials in a row fail for the same reason: their hparams aren't it.
MAX_FAILURES = 3

# Returns the command line of a trial for its folder, which holds hparams.json.
Command = Callable[[Path], Sequence[str]]


def tune(search: Search, command: Command, gpus_each: int = 1) -> tuple[list[FrozenTrial], bool]:
    """Runs a search, or resumes the one in the same folder.

    Args:
      search: what to search.
      command: of a trial. It writes eval.jsonl and checkpoints into the folder, resumes from them,
        and exits with status 0 when training is done or SIGTERM stopped it.
      gpus_each: GPUs of each trial, if there are any.

    Returns:
      All trials, as `Journal.trials` returns them, and whether the search is done; it isn't if
      Ctrl-C or SIGTERM stopped it.

    Raises:
      Error: there are too few GPUs, the folder can't be written, another process searches in it, it
        holds another search or a damaged journal, or no trial finishes.
    """
    folder = search.output_dir
    slots = processes.divide_machine(search.parallel_trials, gpus_each)
    busy = OutputError(f"another search runs in {folder}; wait for it or choose a new --output_dir")
    saving = f"waiting for trials of a killed search in {folder} to save and exit"
    with (
        locked(folder / ".tuning.lock", busy),
        checkpoints.locked_folder(folder),
        # The trials' processes hold it: they may outlive a killed search by seconds.
        locked(folder / ".trials.lock", waiting=saving) as trials_lock,
    ):
        driver = _Driver(search, Journal(search), command, slots, trials_lock)
        with stop_on_signals(driver.stop):
            driver.run()
        trials = driver.journal.trials()
        results.write_best(search, trials)
        results.show(search, trials)
        results.draw_plots(search, trials)
    if driver.stop_signal:
        log.info(
            "stopped by %s with %d of %d trials done; the same command resumes the search",
            driver.stop_signal,
            sum(trial.state.is_finished() for trial in trials),
            search.max_trials,
        )
    elif not results.best(search, trials):
        raise _failure(search, trials, f"none of {len(trials)} trials finished")
    elif again := [str(trial.number) for trial in trials if trial.user_attrs.get(AGAIN)]:
        log.info(
            "failed for a reason of the machine: %s; the same command runs them again",
            ", ".join(again),
        )
    return trials, not driver.stop_signal


def _failure(search: Search, trials: Sequence[FrozenTrial], message: str) -> HParamsError:
    last = [trial for trial in trials if trial.user_attrs.get(REASON)][-1]
    more = ""
    if len(trials) >= search.max_trials and not last.user_attrs.get(AGAIN):
        more = "; then raise --autotune_max_trials"
    return HParamsError(
        f"{message}; the last, {last.number}: {last.user_attrs[REASON]} (its whole output is in "
        f"{search.folder(last.number) / processes.LOG}); fix that and run the same command{more}"
    )


@dataclass
class _Driver:
    """Runs trials, one in each slot.

    Attributes:
      running: the trials by the index of their slot.
      ended: the numbers of those that have ended, in that order.
    """

    search: Search
    journal: Journal
    command: Command
    slots: Sequence[processes.Slot]
    trials_lock: IO[bytes]
    stop_signal: str = ""
    running: dict[int, _RunningTrial] = field(default_factory=dict)
    ended: list[int] = field(default_factory=list)

    def stop(self, signal_name: str) -> None:
        """Makes `run` return as soon as the running trials have saved."""
        log.info("%s: the trials save and stop", signal_name)
        self.stop_signal = signal_name

    def run(self) -> None:
        """Runs trials until all have ended or `stop` is called."""
        try:
            while True:
                if self.stop_signal:
                    for trial in self.running.values():
                        trial.stop("search stops")
                else:
                    self._fill_slots()
                if not self.running:
                    return
                time.sleep(POLL_SECONDS)
                for index, trial in list(self.running.items()):
                    if trial.has_ended():
                        del self.running[index]
                        self._report_end(trial.number)
        finally:
            # After an error or a second Ctrl-C. They resume from their newest checkpoints.
            for trial in self.running.values():
                trial.kill()

    def _fill_slots(self) -> None:
        for index, slot in enumerate(self.slots):
            if index in self.running:
                continue
            started = [*self.ended, *(trial.number for trial in self.running.values())]
            if trial := self.journal.next_trial(started):
                self.running[index] = _RunningTrial(
                    self.search, trial, self.command, slot, self.trials_lock
                )

    def _report_end(self, number: int) -> None:
        trials = self.journal.trials()
        trial = trials[number]
        if trial.state == TrialState.RUNNING:
            return
        self.ended.append(number)
        log.info("trial %d %s", number, results.describe_end(self.search, trial, trials))
        results.write_best(self.search, trials)
        latest = [trials[number] for number in self.ended[-MAX_FAILURES:]]
        # Without numbers, such as that of the trial's folder.
        reasons = [
            re.sub(r"\d+", "", trial.user_attrs[REASON])
            for trial in latest
            if trial.state == TrialState.FAIL
        ]
        if len(reasons) == MAX_FAILURES and len(set(reasons)) == 1:
            message = f"{MAX_FAILURES} trials in a row failed for the same reason"
            raise _failure(self.search, trials, message)


class _RunningTrial:
    """A trial and its process, which starts at once."""

    def __init__(
        self, search: Search, trial: Trial, command: Command, slot: processes.Slot, lock: IO[bytes]
    ):
        self.number = trial.number
        self._search, self._trial = search, trial
        self._folder = search.folder(trial.number)
        self._stopped_because = ""
        self._first_step = self._saved_step()
        values = trial.user_attrs[VALUES]
        results.write_hparams(search, values, self._folder / HPARAMS)
        verb = f"resumes at step {self._first_step}" if self._first_step else "starts"
        shown = ",".join(f"{name}={results.format_value(values[name])}" for name in values)
        log.info("trial %d %s: %s", self.number, verb, shown)
        self._process = processes.start(command(self._folder), self._folder, slot, lock)

    def _saved_step(self) -> int:
        return max(checkpoints.steps(self._folder), default=0)

    def has_ended(self) -> bool:
        """Stores new evaluations, prunes the trial if it falls behind, and stores its end."""
        # First the status: a process that has ended writes no more evaluations.
        status = self._process.poll()
        evaluations, name = eval_log.read_evaluations(self._folder), self._search.objective
        objective = {row["step"]: row[name] for row in evaluations if name in row}
        stored = self._trial.study.get_trials(deepcopy=False)[self.number].intermediate_values
        for step in objective.keys() - stored.keys():
            self._trial.report(objective[step], step)
        # Training may be done while the process still draws its curves.
        if self._trial.should_prune() and not self._search.is_finished(evaluations):
            self.stop("pruned")
        if status is not None:
            self._store_end(status, evaluations, self._search.best(objective))
        return status is not None

    def _store_end(
        self, status: int, evaluations: list[dict[str, Any]], best: tuple[float, int] | None
    ) -> None:
        if status == 0 and self._search.is_finished(evaluations):
            if best:
                self._finish(TrialState.COMPLETE, value=best[0])
            else:
                objective = self._search.objective
                self._finish(TrialState.FAIL, f"{objective} was never a finite number")
        elif self._stopped_because == "pruned":
            step = evaluations[-1]["step"]
            self._finish(TrialState.PRUNED, f"worse than the median at step {step}")
        elif self._stopped_because:
            pass
        elif any(self._folder.glob("not_finite-*")):
            # Not FAIL: Optuna's sampler learns nothing from failed trials.
            self._finish(TrialState.PRUNED, "the loss was not finite")
        elif status in (0, -signal.SIGTERM) and self._saved_step() > self._first_step:
            log.info("trial %d was stopped by another process; it resumes", self.number)
        elif (failure := processes.failure(status, self._folder)).of_machine:
            # Optuna can't run a failed trial again, so it stays unfinished in the journal.
            self._trial.set_user_attr(REASON, failure.reason)
            self._trial.set_user_attr(AGAIN, True)
        else:
            self._finish(TrialState.FAIL, failure.reason)

    def _finish(self, state: TrialState, reason: str = "", value: float | None = None) -> None:
        self._trial.set_user_attr(REASON, reason)
        self._trial.study.tell(self._trial, value, state)

    def stop(self, reason: str) -> None:
        """Asks the process to save and exit, unless it was asked before."""
        if not self._stopped_because:
            self._stopped_because = reason
            self._process.terminate()

    def kill(self) -> None:
        """Kills the process and waits for its end."""
        self._process.kill()
        self._process.wait()
