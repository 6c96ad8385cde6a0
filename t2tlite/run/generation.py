"""Making a problem's data, or finding it complete."""

from __future__ import annotations

import logging
import random
import time

from t2tlite import registry
from t2tlite.data import generate, manifest
from t2tlite.files import make_folder
from t2tlite.run import devices, inspecting

log = logging.getLogger(__name__)


def generate_data(
    name: str,
    data_dir: str,
    tmp_dir: str = "",
    seed: int = 0,
    overwrite: bool = False,
    task_id: int = -1,
) -> None:
    """Makes vocabulary, shards and manifest of a problem, unless they are complete.

    Args:
      name: the registered problem.
      data_dir: gets the data.
      tmp_dir: downloads and the user's own files; by default `data_dir`.
      seed: of the shuffle, and of Python's random module, which hooks may use.
      overwrite: make the data anew, also where it is complete.
      task_id: part of a problem's work on many machines; -1: all.

    Raises:
      Error: a sample can't be used, a file is missing, the disk is full: the message says which.
    """
    problem = registry.problem(name)
    problem.random_seed = seed
    tmp_dir = tmp_dir or data_dir
    make_folder(data_dir)
    make_folder(tmp_dir)
    stem = problem.dataset_filename()
    paths = [path for shards in problem.data_filepaths(data_dir).values() for path in shards]
    if not overwrite and generate.is_complete(data_dir, stem, paths):
        log.info("%s is complete in %s; --overwrite makes it anew", name, data_dir)
        return
    if overwrite:
        manifest.path_of(data_dir, stem).unlink(missing_ok=True)
    devices.import_tensorflow()
    random.seed(seed)
    started = time.monotonic()
    problem.generate_data(data_dir, tmp_dir, task_id)
    made = manifest.read(data_dir, stem)
    for split, sizes in made.splits.items() if made else ():
        tokens = ", ".join(f"{count:,} of {kind}" for kind, count in sizes.tokens.items())
        log.info("%s %s: %s examples, tokens: %s", name, split, f"{sizes.examples:,}", tokens)
    if made:
        inspecting.warn_of_data(problem, data_dir)
    log.info("%s is in %s, made in %.1f s", name, data_dir, time.monotonic() - started)
