"""`generate_data`: t2t-datagen as a function."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence

from t2tlite import cores, registry
from t2tlite.api.arguments import PathLike, checked, load_usr_dirs
from t2tlite.api.problems import ProblemLike, resolve
from t2tlite.checkpoint.data_size import data_sizes
from t2tlite.datagen import generate_data as datagen
from t2tlite.errors import DataError
from t2tlite.files import folder_path
from t2tlite.problem import Problem


@checked
def generate_data(
    problem: ProblemLike,
    data_dir: PathLike,
    tmp_dir: PathLike = "",
    random_seed: int = 0,
    overwrite: bool = False,
    task_id: int = -1,
    num_workers: int = 0,
    *,
    t2t_usr_dir: PathLike | Sequence[PathLike] = "",
    vocab_size: int | None = None,
    runner: str = "local",
    beam_options: str | Sequence[str] = "",
) -> dict[str, int]:
    """Generates vocabulary, shards and manifest of a problem, unless they are complete.

    >>> generate_data("reverse_digits", "digits", num_workers=1)
    {'train': 20000, 'eval': 500}

    Args:
      problem: a registered name, a class or an instance.
      data_dir: gets the data.
      tmp_dir: downloads and your own files; by default `data_dir`.
      random_seed: of the shuffle, and of Python's and NumPy's random numbers, which hooks may draw.
      overwrite: generate the data again even if it is complete.
      task_id: passed to problems that generate a part of their data per machine; -1: all parts.
      num_workers: processes that encode and write; the bytes don't depend on it. 0: one per core,
        or only this one in a script: with more, a script must call this below `if __name__ ==
        "__main__":`, because the processes import it.
      t2t_usr_dir: plugin folders to load first.
      vocab_size: about how many tokens the vocabulary of text2text_tmpdir gets; 0: bytes.
      runner: "local" or "beam"; see docs/datagen.md.
      beam_options: Beam's own options, with runner="beam".

    Returns:
      The numbers of examples by split.

    Raises:
      Error: a sample can't be used, a file is missing, or the disk is full.
    """
    load_usr_dirs(t2t_usr_dir)
    # The data of a problem are also those of its _rev and _copy.
    found = resolve(problem, data_dir)
    made = found if isinstance(found, Problem) else registry.problem(found)
    data_dir = folder_path(data_dir, "data_dir")
    tmp_dir = folder_path(tmp_dir, "tmp_dir", required=False)
    workers = num_workers or _default_workers()
    if runner == "local" and not beam_options:
        common = made, data_dir, tmp_dir, random_seed, overwrite
        datagen.generate_data(*common, task_id, workers, vocab_size)
    elif runner == "beam" and (task_id, vocab_size) == (-1, None) and isinstance(found, str):
        options = shlex.split(beam_options) if isinstance(beam_options, str) else beam_options
        given = made.name, data_dir, tmp_dir, random_seed, overwrite, workers
        datagen.generate_data_with_beam(*given, options)
    else:
        raise DataError(
            f"runner={runner!r} with {task_id=}, {vocab_size=}, {beam_options=}; expected "
            f"runner='beam' and a registered problem alone, or runner='local' without beam_options"
        )
    return {name: one.examples for name, one in data_sizes(made, data_dir).items()}


def _default_workers() -> int:
    """One process in a script, which others would import; otherwise one per core."""
    script = getattr(sys.modules["__main__"], "__file__", None)
    return 1 if script else cores.available()
