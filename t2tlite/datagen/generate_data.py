"""Making a problem's data, or finding it complete."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from t2tlite import plugins, registry
from t2tlite.data import manifest
from t2tlite.errors import DataError, VocabularyError
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

    def make(problem: Problem, data_dir: str, tmp_dir: str) -> None:
        problem.num_workers = num_workers
        problem.generate_data(data_dir, tmp_dir, task_id)

    _generate(name, data_dir, tmp_dir, seed, overwrite, make)


def generate_data_with_beam(
    name: str,
    data_dir: str,
    tmp_dir: str = "",
    seed: int = 0,
    overwrite: bool = False,
    num_workers: int = 1,
    beam_options: Sequence[str] = (),
) -> None:
    """Does as `generate_data` with an Apache Beam pipeline; the data are the same.

    Args:
      name: the registered problem; all workers must have its plugin in the same place.
      data_dir: gets the data; all workers must share it.
      tmp_dir: likewise; by default `data_dir`.
      seed: as of `generate_data`.
      overwrite: likewise.
      num_workers: processes here, where `beam_options` says nothing.
      beam_options: Beam's own: ["--runner=FlinkRunner", "--flink_master=..."].

    Raises:
      Error: as `generate_data`; or Beam isn't installed, or its pipeline failed.
    """
    # Beam warns, while it is imported, of libraries that it doesn't need here.
    logging.disable(logging.WARNING)
    try:
        from t2tlite.datagen import apache_beam
    except ModuleNotFoundError as error:
        if error.name != "apache_beam":
            raise
        raise DataError(
            "--runner=beam needs Apache Beam; get it with: pip install 't2tlite[beam]'"
        ) from None
    finally:
        logging.disable(logging.NOTSET)
    pipeline = apache_beam.pipeline_of(beam_options, num_workers)

    def make(problem: Problem, data_dir: str, tmp_dir: str) -> None:
        # Workers have other current folders.
        data_dir, tmp_dir = (str(Path(one).expanduser().resolve()) for one in (data_dir, tmp_dir))
        work = apache_beam.Work(name, data_dir, tmp_dir, seed, tuple(plugins.loaded_folders()))
        apache_beam.write(work, pipeline)

    _generate(name, data_dir, tmp_dir, seed, overwrite, make)


def _generate(
    name: str,
    data_dir: str,
    tmp_dir: str,
    seed: int,
    overwrite: bool,
    make: Callable[[Problem, str, str], None],
) -> None:
    """Calls `make` with the problem and its folders, unless the data are complete."""
    problem = registry.problem(name)
    problem.random_seed = seed
    tmp_dir = tmp_dir or data_dir
    make_folder(data_dir)
    make_folder(tmp_dir)
    stem = problem.dataset_filename()
    paths = [path for shards in problem.data_filepaths(data_dir).values() for path in shards]
    if not overwrite and manifest.is_complete(data_dir, stem, paths):
        log.info("%s is complete in %s; --overwrite makes it anew", name, data_dir)
        _tell_what_changed(problem, data_dir, tmp_dir)
        return
    started = time.monotonic()
    make(problem, data_dir, tmp_dir)
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
    changed = manifest.changed_files(tmp_dir, made.sources)
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
