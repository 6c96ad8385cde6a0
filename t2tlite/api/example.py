"""The examples that come with the package."""

from __future__ import annotations

import difflib
import shutil
import tempfile
from importlib import resources
from pathlib import Path

from t2tlite.errors import OutputError, UnknownNameError
from t2tlite.files import cannot_write, make_folder

# The folders of examples/ in the checkout that are part of the package, with what is in them.
EXAMPLES = {
    "dates": "pairs in text files, without any Python: dates in many spellings -> ISO dates",
    "notebooks": "two Jupyter notebooks: the whole pipeline; a DataFrame to a served model",
    "poetry": "a problem and an hparams set of your own: a line of verse -> the next line",
}


def copy_example(name: str, parent: Path) -> Path:
    """Copies the folder of an example; returns the copy, whose README.md says how to go on.

    Args:
      name: a key of `EXAMPLES`.
      parent: the folder that the copy is made in.

    Raises:
      UnknownNameError: there is no such example.
      OutputError: the copy exists already, or can't be written.
    """
    if name not in EXAMPLES:
        close = difflib.get_close_matches(name, EXAMPLES, n=1)
        hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(EXAMPLES)}"
        raise UnknownNameError(f"no example is named {name[:80]!r}: {hint}")
    target = parent / name
    if target.exists():
        raise OutputError(
            f"{target} exists, and nothing was copied; remove it, or name another folder: "
            f"t2t-example {name} FOLDER"
        )
    source = resources.files("t2tlite.examples") / name
    make_folder(parent)
    try:
        with (
            resources.as_file(source) as folder,
            tempfile.TemporaryDirectory(prefix=".t2t-example.", dir=parent) as made,
        ):
            complete = Path(made, name)
            shutil.copytree(folder, complete, ignore=shutil.ignore_patterns("__pycache__"))
            complete.rename(target)
    except OSError as error:
        raise cannot_write(target, error) from None
    return target
