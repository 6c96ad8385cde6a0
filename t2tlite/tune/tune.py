"""The loop of a search: takes trials, runs them, gives hopeless ones up, until all have ended."""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import re
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from t2tlite.checkpoint import checkpoints, eval_log
from t2tlite.errors import HParamsError
from t2tlite.files import atomic, cannot_write
from t2tlite.tune import results, space
from t2tlite.tune.journal import Journal, Taken, Trial
from t2tlite.tune.processes import LOG, Place, Process, places
from t2tlite.tune.search import HPARAMS, Search

log = logging.getLogger(__name__)

# Seconds between looks at the trials.
POLL_SECONDS = 0.5
# If so many trials fail before any gets anywhere, or later one after the other for the same reason,
# the cause isn't their hparams.
FAILURES = 3
# What asks a training to save and stop.
_STOPS = (signal.SIGINT, signal.SIGTERM)

# Returns the command line of a trial for its folder, which holds hparams.json.
Command = Callable[[Path], Sequence[str]]


def tune(search: Search, command: Command, gpus_each: int = 1) -> tuple[list[Trial], bool]:
    """Searches, or goes on where a search in the same folder stopped.

    Args:
      search: for what.
      command: of a trial; it writes eval.jsonl and checkpoints into the folder, goes on where it
        was stopped, and ends with status 0 when it is done or SIGTERM asked it to.
      gpus_each: GPUs that a trial uses, where there are any.

    Returns:
      All trials, and whether the search is done; it isn't if Ctrl-C or SIGTERM stopped it.

    Raises:
      Error: the folder holds another search, or trials fail whatever their hparams; the message
        says what to do.
    """
    where = places(search.parallel_trials, gpus_each)
    with _told_errors(search):
        loop = _Loop(search, command, where)
        with _stopping(loop):
            try:
                loop.run()
            finally:
                loop.kill()
    trials = loop.journal.trials()
    results.write(search, trials)
    results.show(search, trials)
    results.draw(search, trials)
    if loop.stop_asked:
        ended = sum(one.state != "running" for one in trials)
        log.info(
            "stopped by %s with %d of %d trials done; the same command goes on",
            loop.stop_asked,
            ended,
            search.max_trials,
        )
    elif not any(one.state == "finished" for one in trials):
        raise _failure(search, trials, f"no trial of {len(trials)} got to its end")
    return trials, not loop.stop_asked


@contextlib.contextmanager
def _told_errors(search: Search) -> Iterator[None]:
    """Tells in one line why the journal, which is Optuna's to write, can't be written."""
    try:
        yield
    except OSError as error:
        known = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOLCK)
        if error.errno in known:
            raise cannot_write(search.output_dir, error) from error
        raise


def _failure(search: Search, trials: Sequence[Trial], what: str) -> HParamsError:
    last = [one for one in trials if one.state in ("failed", "pruned")][-1]
    again = "; then raise --autotune_max_trials" if len(trials) >= search.max_trials else ""
    return HParamsError(
        f"{what}; the last, {last.number}: {last.why} (all that it said is in "
        f"{search.folder(last.number) / LOG}); mend that and run the same command{again}"
    )


class _Loop:
    """Trials in their places.

    Attributes:
      stop_asked: name of the signal that asked to stop, or "".
    """

    def __init__(self, search: Search, command: Command, where: Sequence[Place]):
        self.search = search
        self.command = command
        self.journal = Journal(search)
        self.stop_asked = ""
        self._running: list[_Running | None] = [None] * len(where)
        self._where = where
        # Why trials failed here, since one didn't.
        self._failures: list[str] = []
        self._waits = False

    def run(self) -> None:
        """Runs trials until all have ended or a signal asked to stop.

        Raises:
          HParamsError: trials fail whatever their hparams.
        """
        told = False
        while True:
            if not self.stop_asked:
                self._fill()
            if not any(self._running) and (self.stop_asked or self._is_done()):
                return
            time.sleep(POLL_SECONDS)
            if self.stop_asked and not told:
                told = True
                log.info("%s: the trials save what they have and stop", self.stop_asked)
            for i, one in enumerate(self._running):
                if one and told:
                    one.stop("the search stops")
                if one and one.has_ended():
                    self._running[i] = None
                    self._tell(one)

    def _fill(self) -> None:
        for i, place in enumerate(self._where):
            while self._running[i] is None and (taken := self.journal.take()):
                one = _Running(self.search, taken)
                if one.starts(self.command, place):
                    self._running[i] = one
                else:
                    self._tell(one)

    def _is_done(self) -> bool:
        elsewhere = [str(one.number) for one in self.journal.trials() if one.state == "running"]
        if elsewhere and not self._waits:
            log.info("waiting for what runs in another process: trial %s", ", ".join(elsewhere))
            self._waits = True
        return not elsewhere

    def _tell(self, ended: _Running) -> None:
        trials = self.journal.trials()
        trial = trials[ended.number]
        if trial.state == "running":
            return
        log.info("trial %d %s", trial.number, results.in_words(self.search, trial, trials))
        if trial.state == "finished":
            results.write_best(self.search, trials)
        if trial.state != "failed":
            self._failures = []
            return
        # But for numbers, such as that of the trial's folder.
        self._failures.append(re.sub(r"\d+", "", trial.why))
        if len(self._failures) < FAILURES:
            return
        if all(one.state in ("failed", "running") for one in trials):
            raise _failure(self.search, trials, f"no trial of {len(trials)} got to its end")
        if len(set(self._failures[-FAILURES:])) == 1:
            raise _failure(self.search, trials, f"{FAILURES} trials in a row failed alike")

    def kill(self) -> None:
        """Ends what still runs; a trial goes on from its newest checkpoint."""
        for one in self._running:
            if one:
                one.kill()


class _Running:
    """A trial that runs here."""

    def __init__(self, search: Search, taken: Taken):
        self.number = taken.number
        self._search = search
        self._taken = taken
        self._folder = search.folder(taken.number)
        self._process: Process | None = None
        self._stopped_for = ""
        self._step = self._saved()

    def starts(self, command: Command, place: Place) -> bool:
        """Starts or goes on; returns False where all was done before a kill but to note it."""
        hopeless = self._taken.report(self._reports())
        if hopeless or self._search.is_finished(self._rows()):
            self._stopped_for = "hopeless" if hopeless else ""
            self._note(0)
            return False
        drawn = space.assignment(self._search.dimensions, self._taken.values)
        with atomic(self._folder / HPARAMS, "w") as file:
            json.dump({**self._search.given, **drawn}, file, indent=1)
            file.write("\n")
        shown = results.assignments(self._taken.values)
        verb = f"goes on at step {self._step}" if self._step else "starts"
        log.info("trial %d %s: %s", self.number, verb, shown)
        self._process = Process(
            command(self._folder), self._folder, place, self._taken.lease.of_process
        )
        return True

    def _saved(self) -> int:
        return max(checkpoints.steps(self._folder), default=0)

    def _rows(self) -> list[dict[str, Any]]:
        return eval_log.read_evaluations(self._folder)

    def _reports(self) -> dict[int, float]:
        name = self._search.objective
        return {row["step"]: row[name] for row in self._rows() if name in row}

    def has_ended(self) -> bool:
        """Notes what was evaluated since the last look, and how it ended if it has."""
        assert self._process is not None
        # Before the evaluations are read: none comes after it.
        status = self._process.status()
        # One that has only to draw its curves ends by itself.
        if self._taken.report(self._reports()) and not self._search.is_finished(self._rows()):
            self.stop("hopeless")
        if status is None:
            return False
        self._note(status)
        return True

    def _note(self, status: int) -> None:
        rows, best = self._rows(), self._search.best(self._reports())
        taken, stopped_for = self._taken, self._stopped_for
        if status == 0 and self._search.is_finished(rows):
            if best:
                taken.end("finished", best)
            else:
                taken.end("failed", best, f"{self._search.objective} never was a finite number")
        elif stopped_for == "hopeless":
            taken.end("pruned", best, f"worse than most were at step {rows[-1]['step']}")
        elif stopped_for:
            taken.lease.close()
        elif any(self._folder.glob("not_finite-*")):
            # Not a failure: the sampler should learn of it.
            taken.end("pruned", best, "the loss was not finite")
        elif (status == 0 or -status in _STOPS) and self._saved() > self._step:
            log.info("trial %d was stopped by somebody else; it goes on", self.number)
            taken.lease.close()
        else:
            assert self._process is not None
            taken.end("failed", best, self._process.why())

    def stop(self, why: str) -> None:
        """Asks it to save and end, unless it was asked before."""
        if self._process and not self._stopped_for:
            self._stopped_for = why
            self._process.stop()

    def kill(self) -> None:
        """Ends it at once."""
        if self._process:
            self._process.kill()
        self._taken.lease.close()


@contextlib.contextmanager
def _stopping(loop: _Loop) -> Iterator[None]:
    """Lets SIGINT and SIGTERM end the search, its trials saved; a second one ends it at once."""

    def stop(number: int, frame: Any) -> None:
        loop.stop_asked = signal.Signals(number).name
        for one, old in before.items():
            signal.signal(one, old)

    before = {one: signal.signal(one, stop) for one in _STOPS}
    try:
        yield
    finally:
        for one, old in before.items():
            signal.signal(one, old)
