"""A file translated with each checkpoint of a model, after training or while it lasts."""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from t2tlite.checkpoint import checkpoints, run_record
from t2tlite.errors import CheckpointError

log = logging.getLogger(__name__)

# Seconds between checks for a new file; T2T's number.
POLL_SECONDS = 10.0

# Writes the translation by a checkpoint: its step, its weights file, the file to write.
Translate = Callable[[int, Path, Path], None]


def as_they_appear(
    list_files: Callable[[], dict[int, Path]], wait_minutes: float = 0
) -> Iterator[tuple[int, Path]]:
    """Yields files by their steps, the lowest first, each once.

    Args:
      list_files: returns the existing files by step.
      wait_minutes: time without a new file after which it ends.
    """
    done: set[int] = set()
    waiting_since: float | None = None
    while True:
        new = {step: path for step, path in list_files().items() if step not in done}
        if new:
            step = min(new)
            done.add(step)
            yield step, new[step]
            # The caller's work takes time, in which another file may have appeared.
            waiting_since = None
            continue
        now = time.monotonic()
        if waiting_since is None:
            waiting_since = now
            if wait_minutes:
                log.info("waiting up to %g minutes for a new file", wait_minutes)
        left = waiting_since + 60 * wait_minutes - now
        if left <= 0:
            return
        time.sleep(min(POLL_SECONDS, left))


def translate_all(
    model_dir: str | os.PathLike[str],
    translations_dir: str | os.PathLike[str],
    translate: Translate,
    min_steps: int = 0,
    wait_minutes: float = 0,
) -> list[Path]:
    """Writes TRANSLATIONS_DIR/PROBLEM-STEP, T2T's names, for each checkpoint.

    An existing file is skipped. A new one gets the modification time of its checkpoint, so that
    scores drawn over time show when the model reached them.

    Args:
      model_dir: the model folder; it may have no checkpoint yet.
      translations_dir: created if absent.
      translate: writes the translation by one checkpoint.
      min_steps: checkpoints of fewer steps are skipped.
      wait_minutes: time without a new checkpoint after which it ends.

    Returns:
      The paths written.

    Raises:
      CheckpointError: there is no checkpoint of at least `min_steps`.
    """
    written = []
    is_empty = True
    for step, weights in as_they_appear(lambda: _checkpoints(model_dir, min_steps), wait_minutes):
        is_empty = False
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
    if is_empty:
        raise CheckpointError(
            f"{model_dir} has no checkpoint of {min_steps} steps or more; train first, or give "
            f"--wait_minutes"
        )
    return written


def _checkpoints(model_dir: str | os.PathLike[str], min_steps: int) -> dict[int, Path]:
    steps = [step for step in checkpoints.steps(model_dir) if step >= min_steps]
    return {step: checkpoints.weights_path(model_dir, step) for step in steps}


def translations(folder: str | os.PathLike[str], min_steps: int = 0) -> dict[int, Path]:
    """Returns the files of a folder named NAME-STEP, by step; hidden files aren't finished yet."""
    files = {}
    for path in sorted(Path(folder).glob("[!.]*")):
        match = re.search(r"-(\d+)$", path.name)
        if match and path.is_file() and int(match[1]) >= min_steps:
            files[int(match[1])] = path
    return files
