"""The plugin folders that this user has loaded on this machine: a model folder may name only those.

A run.json may be anybody's, and importing a plugin runs its code. So the folders that are given as
`--t2t_usr_dir`, or in Python, are remembered in $XDG_STATE_HOME/t2tlite/plugin_folders.json, by
default in ~/.local/state, and no other folder is imported because a file names it.
"""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path

from t2tlite.errors import OutputError
from t2tlite.files import atomic, locked, read_json

log = logging.getLogger(__name__)


def is_trusted(folder: str) -> bool:
    """Whether the user has loaded this path before, and it still has the owner that it had.

    The path is compared as text: relative paths are never resolved. One that doesn't exist any more
    is trusted, too.
    """
    owners = _read_owners()
    return folder in owners and _owner(folder) in (owners[folder], None)


def remember(folder: Path) -> None:
    """Adds a folder or file, an absolute path, to those that this user trusts on this machine."""
    owner = _owner(folder)
    # Several folders in one string are separated by commas.
    if owner is None or "," in str(folder) or _read_owners().get(str(folder)) == owner:
        return
    path = _state_file()
    try:
        with locked(path.with_name(f".{path.name}.lock")):
            owners = {**_read_owners(), str(folder): owner}
            with atomic(path, "w") as file:
                json.dump(owners, file, indent=1)
    except (OutputError, ValueError) as error:
        log.info("model folders will need --t2t_usr_dir=%s on this machine: %s", folder, error)


def _state_file() -> Path:
    state = os.environ.get("XDG_STATE_HOME", "")
    # A relative path is invalid by the XDG standard.
    folder = state if os.path.isabs(state) else os.path.expanduser("~/.local/state")
    return Path(folder, "t2tlite", "plugin_folders.json")


def _read_owners() -> dict[str, int]:
    """Returns the number of the owner of each trusted path; none if the file is damaged."""
    try:
        content = read_json(_state_file())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _owner(path: str | Path) -> int | None:
    """Returns the number of a path's owner, None if it doesn't exist."""
    try:
        return os.stat(path).st_uid
    except (OSError, ValueError):
        return None
