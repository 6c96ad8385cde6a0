"""A file translated with each checkpoint of a model, after training or while it lasts."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path

from t2tlite.checkpoint import run_record
from t2tlite.checkpoint.waiting import unless_deleted, weights_as_they_appear

log = logging.getLogger(__name__)

# Writes the translation by a checkpoint: its step, its weights file, the file to write.
Translate = Callable[[int, Path, Path], None]


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
      min_steps: checkpoints of fewer steps are skipped.
      wait_minutes: time without a new checkpoint after which it ends.

    Raises:
      CheckpointError: there is no checkpoint of at least `min_steps`.
    """
    written = []
    for step, weights in weights_as_they_appear(model_dir, min_steps, wait_minutes):
        target = Path(translations_dir) / f"{run_record.read(model_dir).problem}-{step}"
        if target.exists():
            log.info("%s exists already", target)
            continue
        with unless_deleted(weights):
            stamp = weights.stat()
            translate(step, weights, target)
            os.utime(target, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
            log.info("wrote %s", target)
            written.append(target)
    return written


def translations(folder: str | os.PathLike[str]) -> dict[int, Path]:
    """Returns the files of a folder named NAME-STEP, by step; hidden files aren't finished yet."""
    files = [path for path in sorted(Path(folder).glob("[!.]*-*")) if path.is_file()]
    steps = [path.name.rpartition("-")[2] for path in files]
    return {int(step): path for step, path in zip(steps, files, strict=True) if step.isdecimal()}
