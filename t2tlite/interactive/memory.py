"""What a session leaves to the next one: the history of lines, and the settings for each model."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from prompt_toolkit.history import FileHistory, History, InMemoryHistory

from t2tlite.errors import OutputError
from t2tlite.files import atomic

# Models whose settings are kept, those that were changed last.
_MODELS = 100


def folder() -> Path:
    """Returns the folder of the user's state, which may not exist."""
    state = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    return state / "t2tlite"


def open_history() -> History:
    """Returns the history of all sessions, or an empty one if its file can't be written."""
    path = folder() / "history"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.open("ab").close()
    except OSError:
        return InMemoryHistory()
    return FileHistory(str(path))


class Memory:
    """The settings of sessions with one model, in a file of the user's state folder.

    Args:
      model: the model folder.

    Attributes:
      path: the file, which has the settings for all models.
    """

    def __init__(self, model: str | os.PathLike[str]):
        self.path = folder() / "settings.json"
        self._model = str(Path(model).resolve())

    def read(self) -> dict[str, Any]:
        """Returns settings by name; none if the file is missing or damaged."""
        found = self._read_all().get(self._model)
        return found if isinstance(found, dict) else {}

    def write(self, settings: dict[str, Any]) -> None:
        """Replaces the settings; where the file can't be written, nothing is remembered."""
        others = {name: one for name, one in self._read_all().items() if name != self._model}
        kept = dict(list(others.items())[1 - _MODELS :])
        if settings:
            kept[self._model] = settings
        try:
            with atomic(self.path, "w") as file:
                json.dump(kept, file, indent=1)
        except OutputError:
            return

    def _read_all(self) -> dict[str, Any]:
        try:
            found = json.loads(self.path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}
