"""Waits for files that another process writes: checkpoints of a training, translations."""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from t2tlite import buckets
from t2tlite.checkpoint import checkpoints
from t2tlite.errors import CheckpointError, DataError, Error

log = logging.getLogger(__name__)

# Seconds between checks for a new file; T2T's number.
POLL_SECONDS = 10.0


def as_they_appear(
    list_files: Callable[[], dict[int, Path]], min_steps: int, wait_minutes: float, missing: Error
) -> Iterator[tuple[int, Path]]:
    """Yields files by their steps, the lowest first, each once.

    Args:
      list_files: returns the existing files by step.
      min_steps: files of fewer steps are skipped.
      wait_minutes: time without a new file after which it ends.
      missing: raised if there was none.
    """
    done: set[int] = set()
    deadline: float | None = None
    while True:
        files = list_files()
        if new := [step for step in files if step >= min_steps and step not in done]:
            step = min(new)
            done.add(step)
            yield step, files[step]
            # The caller's work takes time, in which another file may have appeared.
            deadline = None
            continue
        now = time.monotonic()
        if deadline is None:
            deadline = now + 60 * wait_minutes
            if wait_minutes:
                log.info("waiting up to %g minutes for a new file", wait_minutes)
        if now >= deadline:
            break
        time.sleep(min(POLL_SECONDS, deadline - now))
    if not done:
        raise missing


def weights_as_they_appear(
    model_dir: str | os.PathLike[str], min_steps: int, wait_minutes: float
) -> Iterator[tuple[int, Path]]:
    """Yields the steps and weights files of a model folder's checkpoints, the lowest step first.

    Training may delete a checkpoint while the caller waits or works.

    Args:
      model_dir: the model folder; it may not exist yet.
      min_steps, wait_minutes: as for `as_they_appear`.

    Raises:
      CheckpointError: there is no checkpoint of at least `min_steps`.
    """

    def list_weights() -> dict[int, Path]:
        buckets.refresh(model_dir)
        steps = checkpoints.steps(model_dir)
        return {step: checkpoints.weights_path(model_dir, step) for step in steps}

    waited = f" after {wait_minutes:g} minutes" if wait_minutes else ""
    missing = CheckpointError(
        f"{model_dir} has no checkpoint of {min_steps} steps or more{waited}; train first, or wait "
        f"longer for one"
    )
    return as_they_appear(list_weights, min_steps, wait_minutes, missing)


@contextlib.contextmanager
def unless_deleted(weights: Path) -> Iterator[None]:
    """Context for work with a checkpoint, which ends early if training has deleted the file."""
    try:
        buckets.fetch(weights)
        yield
    except (CheckpointError, DataError, FileNotFoundError) as error:
        is_gone = not weights.exists()
        if isinstance(error, DataError):
            # Of the bucket that the file was in.
            is_gone = is_gone and isinstance(error.__cause__, FileNotFoundError)
        if not is_gone:
            raise
        log.warning("%s is gone: the trainer keeps --keep_checkpoint_max of them", weights)
