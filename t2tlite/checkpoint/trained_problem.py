"""The problem of a trained model: made from its description, or the plugin's if code is needed.

A run.json may be anybody's: a plugin folder is imported only if the user gives it, or has loaded it
before on this machine, and never if the description is enough.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path

from t2tlite import buckets, plugins, registry
from t2tlite.checkpoint.described_problem import DescribedProblem
from t2tlite.checkpoint.description import DECODING, EVALUATION, VERBS
from t2tlite.checkpoint.run_record import NAME, RunRecord
from t2tlite.errors import PluginError, UnknownNameError
from t2tlite.problem import Problem

log = logging.getLogger(__name__)


def load(
    run: RunRecord,
    folder: str | os.PathLike[str],
    usr_dirs: Sequence[str] = (),
    use: str = DECODING,
) -> Problem:
    """Returns the problem of a trained model.

    Args:
      run: its record.
      folder: the model folder.
      usr_dirs: plugin folders, imported if the model needs code.
      use: what the problem is used for: DECODING, HOOKS or EVALUATION.

    Raises:
      PluginError: that needs a plugin that can't be loaded.
      UnknownNameError: a model folder of format 1 needs a problem that no plugin has.
    """
    if run.description is not None and not run.needs(use):
        return DescribedProblem.make(run.description, folder)
    load_plugins(run, usr_dirs, use)
    return run.trained_problem()


def load_for_data(
    run: RunRecord, folder: str | os.PathLike[str], data_dir: str | os.PathLike[str]
) -> Problem:
    """Returns the problem of a trained model, which reads the data in `data_dir`.

    Args:
      run, folder: as for `load`.
      data_dir: a data folder with the vocabularies of the model.

    Raises:
      VocabularyError: it has others, or none.
      PluginError: as `load`.
    """
    problem = load(run, folder, (), EVALUATION)
    run.check_vocabularies(data_dir, is_data=True)
    return problem


def load_plugins(run: RunRecord, usr_dirs: Sequence[str], use: str = DECODING) -> None:
    """Imports `usr_dirs` or, if there are none, the plugin folders of the run that are trusted.

    Raises:
      PluginError: the model needs a plugin folder that doesn't exist any more, can't be imported,
        or isn't trusted.
    """
    for folder in usr_dirs:
        plugins.load_usr_dir(folder)
    if not usr_dirs:
        _load_trusted(run, use)
    if run.needs(use) and not _is_registered(run):
        raise PluginError(
            f"{VERBS[use]} needs code of a plugin: {run.reasons(use)}; give its folder as "
            f"--t2t_usr_dir, or as usr_dirs in Python"
        )


def _load_trusted(run: RunRecord, use: str) -> None:
    untrusted = []
    reasons = f" for {run.reasons(use)}" if run.needs(use) else ""
    for folder in run.usr_dirs:
        is_url = buckets.is_url(folder)
        if not plugins.is_trusted(buckets.copy_path(folder) if is_url else folder):
            untrusted.append(folder if folder.isprintable() else ascii(folder))
            continue
        folder = buckets.local("t2t_usr_dir", folder)
        if not Path(folder).exists():
            raise PluginError(
                f"the model's plugin folder {folder} doesn't exist any more; give the new path as "
                f"--t2t_usr_dir: the model needs it{reasons}"
            )
        plugins.load_usr_dir(folder)
    names = " and ".join(untrusted)
    if names and not _is_registered(run):
        raise PluginError(
            f"the model needs the plugin folder {names}{reasons}, and you have loaded no plugin "
            f"from there on this machine; if you trust its code, give its path as --t2t_usr_dir, "
            f"or as usr_dirs in Python"
        )
    if names and not plugins.loaded_folders():
        log.warning(
            "the plugin folder %s isn't loaded, though %s names it; --t2t_usr_dir loads it",
            *(names, NAME),
        )


def _is_registered(run: RunRecord) -> bool:
    """Whether problem and model of a run are known without further plugins."""
    try:
        registry.problem(run.problem)
    except UnknownNameError:
        return False
    return run.model in registry.models
