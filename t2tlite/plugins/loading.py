"""Finds what registers problems, models and hparams sets: installed packages and user folders.

The built-in problems, sets and models are found by the same loop as a user's package: through the
entry-point group `t2tlite.plugins`. An entry point names a package, all of whose modules are
imported, or a function, which is called. A folder passed as `--t2t_usr_dir` needs no installation.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import os
import pkgutil
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from t2tlite.errors import DuplicateNameError, PluginError
from t2tlite.plugins import alias
from t2tlite.registry import Registry

GROUP = "t2tlite.plugins"

_loaded: list[str] = []
_entry_points_done = False
_lock = threading.RLock()


def load_entry_points() -> None:
    """Imports every installed plugin once; later calls return at once.

    Raises:
      PluginError: a plugin failed to import; its traceback is in the message.
    """
    global _entry_points_done
    with _lock:
        if _entry_points_done:
            return
        # Set first: a plugin that looks a name up while it is imported must not start over.
        _entry_points_done = True
        found = importlib.metadata.entry_points(group=GROUP)
        if not found:
            raise PluginError(
                "t2tlite isn't installed here, so its built-in problems and hparams sets can't be "
                "found; run: pip install -e ."
            )
        for entry_point in sorted(found, key=lambda one: one.name):
            before = Registry.adding_built_ins
            Registry.adding_built_ins = entry_point.dist is not None and (
                entry_point.dist.name == "t2tlite"
            )
            try:
                with _told(entry_point.value):
                    thing = entry_point.load()
                    if isinstance(thing, ModuleType):
                        _import_all(thing)
                    else:
                        thing()
            finally:
                Registry.adding_built_ins = before
            _loaded.append(entry_point.value)


def load_usr_dir(usr_dir: str | os.PathLike[str]) -> None:
    """Imports a user's folder of plugins, or a single `.py` file, and everything below it.

    The folder keeps its own name as a package, and its parent stays on `sys.path`, so that spawned
    workers can import it again; its siblings, and modules inside it by their bare names, are
    importable too.

    Args:
      usr_dir: the folder or file, as in T2T's `--t2t_usr_dir`; several joined by commas.

    Raises:
      PluginError: it doesn't exist, its name belongs to another module, or it failed to import.
    """
    for one in str(usr_dir).split(","):
        _load_one(Path(one).expanduser().resolve())


def _load_one(path: Path) -> None:
    if str(path) in _loaded:
        return
    if not path.exists():
        raise PluginError(f"--t2t_usr_dir={path} doesn't exist; give the folder of your problem")
    name = path.stem if path.is_file() else path.name
    # Appended, not inserted: a user's folder must not hide the standard library.
    for place in [path.parent, *([path] if path.is_dir() else [])]:
        if str(place) not in sys.path:
            sys.path.append(str(place))
    with alias.lent(path), _told(str(path)):
        module = importlib.import_module(name)
        _check_origin(module, path)
        _import_all(module, _wanted(module, path))
    _loaded.append(str(path))


def _wanted(module: ModuleType, path: Path) -> Callable[[Path], bool]:
    """Which files of a plugin to import: all; of T2T's plugins not those that T2T left out.

    T2T imported the package and what that imports. The rest are scripts, as often as not: where
    the package itself imports nothing, only files that register something are wanted.
    """
    if not alias.used_by(path):
        return lambda file: True
    files = [getattr(one, "__file__", None) for one in list(sys.modules.values())]
    below = [Path(file) for file in files if file and Path(file).is_relative_to(path)]
    if any(file.name != "__init__.py" or alias.used_by(file) for file in below):
        return lambda file: False
    return lambda file: file.is_dir() or b"register_" in file.read_bytes()


def _check_origin(module: ModuleType, path: Path) -> None:
    """Raises unless `module` is what lies at `path`: a folder named `json` would lose silently."""
    origins = list(getattr(module, "__path__", [])) or [module.__file__ or ""]
    if not any(Path(origin).resolve() == path for origin in origins):
        raise PluginError(
            f"--t2t_usr_dir={path}: Python has another module named {module.__name__!r} "
            f"({origins[0] or 'built in'}); rename the folder"
        )


def _import_all(module: ModuleType, wanted: Callable[[Path], bool] = lambda file: True) -> None:
    """Imports every wanted module below a package, in the order of their names."""
    for found in pkgutil.iter_modules(getattr(module, "__path__", [])):
        child = f"{module.__name__}.{found.name}"
        # A folder's setup.py or tests are not part of the plugin and may exit when imported.
        if found.name in ("setup", "conftest") or found.name.startswith("test_"):
            continue
        # A module that a sibling imported by its bare name is the same file: registering its
        # contents again under the package's name would be a duplicate.
        if found.name in sys.modules and _same_file(sys.modules[found.name], module, found.name):
            continue
        place = Path(getattr(found.module_finder, "path", ""), found.name)
        if wanted(place if found.ispkg else place.with_suffix(".py")):
            _import_all(importlib.import_module(child), wanted)


def _same_file(loaded: ModuleType, package: ModuleType, name: str) -> bool:
    spec = importlib.util.find_spec(f"{package.__name__}.{name}")
    return spec is not None and spec.origin == getattr(loaded, "__file__", None)


class _told:
    """Turns an exception of a plugin's import into a PluginError that shows its traceback."""

    def __init__(self, source: str):
        self.source = source

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is None or not isinstance(error, Exception):
            return
        if isinstance(error, (PluginError, DuplicateNameError)):
            return
        shown = "".join(traceback.format_exception(error)).rstrip()
        raise PluginError(
            f"plugin {self.source} failed to import: {error}; mend it:\n{shown}"
        ) from None


def read_command_line() -> bool:
    """Whether a loaded T2T plugin reads the command line by itself, past the commands' flags."""
    return any(alias.reads_command_line(Path(one)) for one in _loaded if os.path.exists(one))


def loaded_folders() -> list[str]:
    """The folders and files that `load_usr_dir` has loaded, for other processes to load them."""
    return [one for one in _loaded if os.path.isabs(one)]


def searched() -> str:
    """Where plugins were looked for, for messages."""
    return ", ".join(_loaded) or "no plugin at all"


Registry.load_plugins = staticmethod(load_entry_points)
Registry.searched = staticmethod(searched)
