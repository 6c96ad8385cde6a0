"""A file translated with every checkpoint of a model, while they are trained or afterwards."""

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

# Between looks for a new file; T2T's number.
POLL_SECONDS = 10.0

# Writes the translation by a checkpoint: its step, its file, the file to write.
Translate = Callable[[int, Path, Path], None]


def as_they_appear(
    look: Callable[[], dict[int, Path]], wait_minutes: float = 0
) -> Iterator[tuple[int, Path]]:
    """Yields files by their steps, the lowest first, each once.

    Args:
      look: returns what is there now, by step.
      wait_minutes: ends when nothing new has come for so long; 0: with what is there.
    """
    done: set[int] = set()
    waited_since: float | None = None
    while True:
        new = {step: path for step, path in look().items() if step not in done}
        if new:
            step = min(new)
            done.add(step)
            yield step, new[step]
            # It took its time, in which another may have come.
            waited_since = None
            continue
        now = time.monotonic()
        if waited_since is None:
            waited_since = now
            if wait_minutes:
                log.info("waiting up to %g minutes for a new one", wait_minutes)
        left = waited_since + 60 * wait_minutes - now
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
    """Writes TRANSLATIONS_DIR/PROBLEM-STEP for each checkpoint, T2T's names.

    A file that is there already is left as it is. Each gets the time of its checkpoint, so that
    what is drawn over time shows when the model was that good.

    Args:
      model_dir: the model folder; it may have no checkpoint yet.
      translations_dir: is made if need be.
      translate: writes one.
      min_steps: checkpoints of fewer steps are left out.
      wait_minutes: ends when there was no new checkpoint for so long.

    Returns:
      The paths written.

    Raises:
      CheckpointError: there is no checkpoint of so many steps.
    """
    written = []
    any_came = False
    for step, weights in as_they_appear(lambda: _checkpoints(model_dir, min_steps), wait_minutes):
        any_came = True
        target = Path(translations_dir) / f"{run_record.read(model_dir).problem}-{step}"
        if target.exists():
            log.info("%s is there already", target)
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
    if not any_came:
        raise CheckpointError(
            f"{model_dir} has no checkpoint of {min_steps} steps or more; train first, or give "
            f"--wait_minutes"
        )
    return written


def _checkpoints(model_dir: str | os.PathLike[str], min_steps: int) -> dict[int, Path]:
    return {
        step: checkpoints.weights_path(model_dir, step)
        for step in checkpoints.steps(model_dir)
        if step >= min_steps
    }


def translations(folder: str | os.PathLike[str], min_steps: int = 0) -> dict[int, Path]:
    """Returns the files of a folder whose names end in -STEP, by step.

    Hidden ones, which are being written, are none of them.
    """
    found = {}
    for path in sorted(Path(folder).glob("[!.]*")):
        match = re.search(r"-(\d+)$", path.name)
        if match and path.is_file() and int(match[1]) >= min_steps:
            found[int(match[1])] = path
    return found
