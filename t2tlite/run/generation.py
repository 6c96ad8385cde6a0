"""Making a problem's data, or finding it complete."""

from __future__ import annotations

import logging
import time
from pathlib import Path

from t2tlite import registry
from t2tlite.data import dataset_files, manifest
from t2tlite.errors import VocabularyError
from t2tlite.files import make_folder
from t2tlite.problem import Problem
from t2tlite.text.vocabulary import vocabulary_sha256

log = logging.getLogger(__name__)


def generate_data(
    name: str,
    data_dir: str,
    tmp_dir: str = "",
    seed: int = 0,
    overwrite: bool = False,
    task_id: int = -1,
    num_workers: int = 1,
) -> None:
    """Makes vocabulary, shards and manifest of a problem, unless they are complete.

    Args:
      name: the registered problem.
      data_dir: gets the data.
      tmp_dir: downloads and the user's own files; by default `data_dir`.
      seed: of the shuffle, and of Python's and NumPy's random numbers, which hooks may draw.
      overwrite: make the data anew, also where it is complete.
      task_id: part of a problem's work on many machines; -1: all.
      num_workers: processes that encode and write. With more than one a script of your own must
        call this below `if __name__ == "__main__":`, as they import it. The data are the same.

    Raises:
      Error: a sample can't be used, a file is missing, the disk is full: the message says which.
    """
    problem = registry.problem(name)
    problem.random_seed = seed
    problem.num_workers = num_workers
    tmp_dir = tmp_dir or data_dir
    make_folder(data_dir)
    make_folder(tmp_dir)
    stem = problem.dataset_filename()
    paths = [path for shards in problem.data_filepaths(data_dir).values() for path in shards]
    if not overwrite and dataset_files.is_complete(data_dir, stem, paths):
        log.info("%s is complete in %s; --overwrite makes it anew", name, data_dir)
        _tell_what_changed(problem, data_dir, tmp_dir)
        return
    started = time.monotonic()
    problem.generate_data(data_dir, tmp_dir, task_id)
    made = manifest.read(data_dir, stem)
    for split, sizes in made.splits.items() if made else ():
        tokens = ", ".join(f"{count:,} of {kind}" for kind, count in sizes.tokens.items())
        log.info("%s %s: %s examples, tokens: %s", name, split, f"{sizes.examples:,}", tokens)
    log.info("%s is in %s, made in %.1f s", name, data_dir, time.monotonic() - started)


def _tell_what_changed(problem: Problem, data_dir: str, tmp_dir: str) -> None:
    """Warns where complete data were made from something else than there is now.

    Raises:
      VocabularyError: they were made with another vocabulary than lies beside them.
    """
    made = manifest.read(data_dir, problem.dataset_filename())
    if made is None:
        return
    for filename, sha256 in made.vocabularies.items():
        path = Path(data_dir, filename)
        if not path.exists() or vocabulary_sha256(path) != sha256:
            raise VocabularyError(
                f"{path} {'changed' if path.exists() else 'was removed'} since the data of "
                f"{problem.name} was made with it; bring it back, or make the data anew with "
                f"--overwrite"
            )
    changed = dataset_files.changed_files(tmp_dir, made.sources)
    if made.seed != problem.random_seed:
        changed.append(f"the seed, {made.seed} then and {problem.random_seed} now")
    if made.source != problem.source_sha256():
        changed.append("the problem's code")
    if changed:
        log.warning(
            "%s: since the data was made this changed: %s; --overwrite makes it anew",
            problem.name,
            ", ".join(changed),
        )
