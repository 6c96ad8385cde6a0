"""A file translated with each checkpoint of a model, after training or while it lasts."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from t2tlite.checkpoint import checkpoints, run_record
from t2tlite.errors import CheckpointError, Error

log = logging.getLogger(__name__)

# Seconds between checks for a new file; T2T's number.
POLL_SECONDS = 10.0

# Writes the translation by a checkpoint: its step, its weights file, the file to write.
Translate = Callable[[int, Path, Path], None]


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


def translate_all(
    model_dir: str | os.PathLike[str],
    translations_dir: str | os.PathLike[str],
    translate: Translate,
    min_steps: int = 0,
    wait_minutes: float = 0,
) -> list[Path]:
    """Writes TRANSLATIONS_DIR/PROBLEM-STEP, T2T's names, for each checkpoint; returns the paths.

    An existing file is skipped. A new one gets the modification time of its checkpoint, so that
    scores drawn over time show when the model reached them.

    Args:
      model_dir: the model folder; it may have no checkpoint yet.
      translations_dir: created if absent.
      min_steps, wait_minutes: as for `as_they_appear`.

    Raises:
      CheckpointError: there is no checkpoint of at least `min_steps`.
    """

    def list_weights() -> dict[int, Path]:
        steps = checkpoints.steps(model_dir)
        return {step: checkpoints.weights_path(model_dir, step) for step in steps}

    missing = CheckpointError(
        f"{model_dir} has no checkpoint of {min_steps} steps or more; train first, or give "
        f"--wait_minutes"
    )
    written = []
    for step, weights in as_they_appear(list_weights, min_steps, wait_minutes, missing):
        target = Path(translations_dir) / f"{run_record.read(model_dir).problem}-{step}"
        if target.exists():
            log.info("%s exists already", target)
            continue
        try:
            stamp = weights.stat()
            translate(step, weights, target)
        except (CheckpointError, FileNotFoundError):
            if weights.exists():
                raise
            log.warning("%s is gone: the trainer keeps --keep_checkpoint_max of them", weights)
            continue
        os.utime(target, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
        log.info("wrote %s", target)
        written.append(target)
    return written


def translations(folder: str | os.PathLike[str]) -> dict[int, Path]:
    """Returns the files of a folder named NAME-STEP, by step; hidden files aren't finished yet."""
    files = [path for path in sorted(Path(folder).glob("[!.]*-*")) if path.is_file()]
    steps = [path.name.rpartition("-")[2] for path in files]
    return {int(step): path for step, path in zip(steps, files, strict=True) if step.isdecimal()}
