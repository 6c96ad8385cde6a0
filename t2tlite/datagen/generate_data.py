"""Generates a problem's data, unless the data folder is complete."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from t2tlite import buckets, plugins, problem_vocabulary, registry
from t2tlite.data import manifest
from t2tlite.errors import DataError, VocabularyError
from t2tlite.files import make_folder, plain_name
from t2tlite.mixtures.mixture import Mixture
from t2tlite.problem import Problem
from t2tlite.text.vocabulary import vocabulary_sha256

log = logging.getLogger(__name__)


def generate_data(
    name: str | Problem,
    data_dir: str,
    tmp_dir: str = "",
    seed: int = 0,
    overwrite: bool = False,
    task_id: int = -1,
    num_workers: int = 1,
    vocab_size: int | None = None,
) -> None:
    """Generates vocabulary, shards and manifest of a problem, unless they are complete.

    Args:
      name: the registered problem, or an instance.
      data_dir: gets the data.
      tmp_dir: downloads and the user's own files; by default `data_dir`.
      seed: of the shuffle, and of Python's and NumPy's random numbers, which hooks may draw.
      overwrite: generate the data again even if it is complete.
      task_id: passed to problems that generate a part of their data per machine; -1: all parts.
      num_workers: processes that encode and write; the bytes don't depend on it. With more than
        one, a script of yours must call this below `if __name__ == "__main__":`, because the
        processes import the script.
      vocab_size: about how many tokens the vocabulary gets, for a problem that
        `takes_vocab_size`; 0: bytes; None: as many as the problem says.

    Raises:
      Error: a sample can't be used, a file is missing, or the disk is full.
    """

    def write(problem: Problem, data_dir: str, tmp_dir: str) -> None:
        problem.num_workers = num_workers
        tasks: Iterable[int] = [task_id]
        if task_id < 0 and problem.multiprocess_generate:
            problem.prepare_to_generate(data_dir, tmp_dir)
            tasks = range(problem.num_generate_tasks)
        for task in tasks:
            problem.generate_data(data_dir, tmp_dir, task)
            if manifest.read(data_dir, problem.dataset_filename()):
                # It doesn't write its shards itself, so all parts are there.
                break

    problem: Problem = registry.problem(name) if isinstance(name, str) else name
    if vocab_size is not None:
        _set_vocab_size(problem, vocab_size, data_dir, overwrite)
    _generate(problem, data_dir, tmp_dir, seed, overwrite, num_workers, write)


def _set_vocab_size(problem: Any, vocab_size: int, data_dir: str, overwrite: bool) -> None:
    """Raises DataError if the problem has a size of its own, or its data were made with another."""
    if not getattr(problem, "takes_vocab_size", False):
        raise DataError(
            f"vocab_size={vocab_size}: {problem.name} says the size of its vocabulary itself "
            f"(approx_vocab_size in its class); leave it out"
        )
    earlier = problem_vocabulary.size_in(data_dir, problem.dataset_filename())
    if earlier not in (None, vocab_size) and not overwrite:
        raise DataError(
            f"vocab_size={vocab_size}, but {problem.name} in {data_dir} has a vocabulary of "
            f"{earlier or 'bytes'}; give --overwrite to generate it again, or another --data_dir"
        )
    problem.vocab_size = vocab_size


def generate_data_with_beam(
    name: str | Problem,
    data_dir: str,
    tmp_dir: str = "",
    seed: int = 0,
    overwrite: bool = False,
    num_workers: int = 1,
    beam_options: Sequence[str] = (),
) -> None:
    """Does as `generate_data` with Apache Beam; the bytes are the same.

    Args:
      name: the registered problem; all workers must have its plugin under the same path. Or an
        instance of one that the data folder will describe.
      data_dir: gets the data; all workers must share it under the same path.
      tmp_dir: downloads and the user's own files, shared likewise; by default `data_dir`.
      seed, overwrite: as of `generate_data`.
      num_workers: processes on this machine, if `beam_options` is empty.
      beam_options: Beam's own: ["--runner=FlinkRunner", "--flink_master=..."].

    Raises:
      Error: as `generate_data`; or Beam isn't installed, or its pipeline failed.
    """
    # While it is imported, Beam warns of libraries that it doesn't need here.
    logging.disable(logging.WARNING)
    try:
        from t2tlite.datagen import apache_beam
    except ModuleNotFoundError as error:
        if error.name != "apache_beam":
            raise
        raise DataError(
            "--runner=beam needs Apache Beam; install it with: pip install 't2tlite[beam]'"
        ) from None
    finally:
        logging.disable(logging.NOTSET)
    options = apache_beam.parse_options(beam_options, num_workers)

    def write(problem: Problem, data_dir: str, tmp_dir: str) -> None:
        # Workers have other working directories.
        data_dir, tmp_dir = (str(Path(d).expanduser().resolve()) for d in (data_dir, tmp_dir))
        data_dir, tmp_dir, *folders = map(
            buckets.shown, (data_dir, tmp_dir, *plugins.loaded_folders())
        )
        known, member = problem.name, ""
        mixture = getattr(problem, "use_vocab_from_other_problem", None)
        if isinstance(mixture, Mixture) and problem in mixture.members.values():
            # A member with the vocabulary of the mixture.
            known, member = name if isinstance(name, str) else mixture.name, problem.full_name
        job = apache_beam.BeamJob(known, data_dir, tmp_dir, seed, tuple(folders), member)
        apache_beam.write(job, options)

    _generate(name, data_dir, tmp_dir, seed, overwrite, num_workers, write)


def _generate(
    name: str | Problem,
    data_dir: str,
    tmp_dir: str,
    seed: int,
    overwrite: bool,
    num_workers: int,
    write: Callable[[Problem, str, str], None],
) -> None:
    """Calls `write` with the problem, data_dir and tmp_dir, unless the data are complete."""
    problem: Problem = registry.problem(name) if isinstance(name, str) else name
    if isinstance(problem, Mixture):
        for member in problem.distinct_members:
            _generate(member, data_dir, tmp_dir, seed, overwrite, num_workers, write)
        # A mixture with members that have their own data may lack a tag in their vocabulary.
        problem.get_or_create_vocab(data_dir, None, force_get=True)
        return
    name = problem.name
    problem.random_seed = seed
    tmp_dir = tmp_dir or data_dir
    stem = plain_name(problem.dataset_filename(), f"{name}: dataset_filename", DataError)
    manifest.make_data_folder(data_dir, stem)
    if not buckets.is_read_only(tmp_dir):
        make_folder(tmp_dir)
    problem.check_data_folder(data_dir, overwrite)
    paths = [path for shards in problem.filepaths_by_split(data_dir).values() for path in shards]
    if not overwrite and manifest.is_complete(data_dir, stem, paths):
        log.info("%s is complete in %s; --overwrite generates it again", name, data_dir)
        _warn_of_changes(problem, data_dir, tmp_dir)
        return
    started = time.monotonic()
    with problem.prepared(data_dir, num_workers):
        write(problem, data_dir, tmp_dir)
    written = manifest.read(data_dir, stem)
    for split, counts in written.splits.items() if written else ():
        tokens = ", ".join(f"{n:,} of {kind}" for kind, n in counts.tokens.items()) or "none"
        log.info("%s %s: %s examples, tokens: %s", name, split, f"{counts.examples:,}", tokens)
    log.info("%s is in %s, generated in %.1f s", name, data_dir, time.monotonic() - started)


def _warn_of_changes(problem: Problem, data_dir: str, tmp_dir: str) -> None:
    """Warns if complete data were generated from something else than there is now.

    Raises:
      VocabularyError: the vocabulary changed since.
    """
    written = manifest.read(data_dir, problem.dataset_filename())
    if written is None:
        return
    for filename, sha256 in written.vocabularies.items():
        path = Path(data_dir, filename)
        if not path.exists() or vocabulary_sha256(path) != sha256:
            raise VocabularyError(
                f"{path} {'changed' if path.exists() else 'was removed'} since the data of "
                f"{problem.name} was generated with it; restore it, or generate the data again "
                f"with --overwrite"
            )
    changed = manifest.changed_files(tmp_dir, written.sources)
    if written.seed != problem.random_seed:
        changed.append(f"the seed, {written.seed} then and {problem.random_seed} now")
    if written.source != problem.source_sha256():
        changed.append("the problem's code")
    if changed:
        log.warning(
            "%s: changed since the data was generated: %s; --overwrite generates it again",
            problem.name,
            ", ".join(changed),
        )
