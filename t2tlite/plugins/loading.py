"""Loads plugins, which register problems, models and hparams sets.

Installed packages, and the built-in problems, sets and models, are found by the entry-point group
`t2tlite.plugins`. An entry point names a package, of which all modules are imported, or a function,
which is called. A folder passed as `--t2t_usr_dir` needs no installation.
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
from importlib.machinery import PathFinder
from pathlib import Path
from types import ModuleType

from t2tlite import buckets, user_code
from t2tlite.errors import PluginError
from t2tlite.files import split_paths
from t2tlite.plugins import alias, trust
from t2tlite.registry import Registry

GROUP = "t2tlite.plugins"

_loaded: list[str] = []
_entry_points_done = False
_lock = threading.RLock()


def load_entry_points() -> None:
    """Imports all installed plugins, once per process.

    Raises:
      PluginError: a plugin failed to import; the message has its traceback.
    """
    global _entry_points_done
    with _lock:
        if _entry_points_done:
            return
        # Set first: a plugin may look up a name while it is imported.
        _entry_points_done = True
        entry_points = importlib.metadata.entry_points(group=GROUP)
        if not entry_points:
            raise PluginError(
                "t2tlite isn't installed, so its problems and hparams sets can't be found; run: "
                "pip install -e ."
            )
        for entry_point in sorted(entry_points, key=lambda entry_point: entry_point.name):
            with user_code.reported(f"plugin {entry_point.value}"):
                target = entry_point.load()
                _import_all(target) if isinstance(target, ModuleType) else target()
            _loaded.append(entry_point.value)


def load_usr_dir(usr_dir: str | os.PathLike[str]) -> None:
    """Imports a folder with a plugin, all modules in it included, or a single `.py` file.

    The folder becomes a package of the same name. The folder and its parent are appended to
    `sys.path`, so that worker processes can import the plugin, and its modules each other. It is
    trusted from now on: a model folder that names it may load it.

    Args:
      usr_dir: the folder or file, as in T2T's `--t2t_usr_dir`, or its URL in a bucket; several are
        separated by commas.

    Raises:
      PluginError: the path doesn't exist, its name is that of another module, or the import failed.
    """
    for name in split_paths(buckets.local("t2t_usr_dir", str(usr_dir))):
        path = Path(name).expanduser().resolve()
        _load_path(path)
        trust.remember(path)


def _load_path(path: Path) -> None:
    if str(path) in _loaded:
        return
    if not path.exists():
        raise PluginError(f"--t2t_usr_dir={path} doesn't exist; give the folder of your problem")
    name = path.stem if path.is_file() else path.name
    # Appended, not inserted: a user's folder must not hide the standard library.
    for folder in [path.parent, *([path] if path.is_dir() else [])]:
        if str(folder) not in sys.path:
            sys.path.append(str(folder))
    # A notebook may have written the files just now.
    importlib.invalidate_caches()
    before = set(sys.modules)
    try:
        with alias.names_available(path), user_code.reported(f"plugin {path}"):
            module = _import_plugin(name, path)
            _import_all(module, _file_filter(path))
    except BaseException:
        # So that the next call imports all of it again, mended.
        for new in set(sys.modules) - before:
            file = getattr(sys.modules[new], "__file__", None)
            if new == name or (file and Path(file).is_relative_to(path)):
                del sys.modules[new]
        raise
    _loaded.append(str(path))


def _file_filter(path: Path) -> Callable[[Path], bool]:
    """Returns which files of an imported plugin to import, too: all, unless it is one of T2T's.

    T2T imports the package and what the package imports; other files are often scripts. If the
    package imports nothing, the files that register something are imported.
    """
    if not alias.used_by(path):
        return lambda file: True
    files = [getattr(module, "__file__", None) for module in list(sys.modules.values())]
    imported = [Path(file) for file in files if file and Path(file).is_relative_to(path)]
    if any(file.name != "__init__.py" or alias.used_by(file) for file in imported):
        return lambda file: False
    return lambda file: file.is_dir() or b"register_" in file.read_bytes()


def _import_plugin(name: str, path: Path) -> ModuleType:
    """Imports the module at `path`, though another one of Python may have its name.

    Raises:
      PluginError: another module of this name has been imported.
    """
    spec = PathFinder.find_spec(name, [str(path.parent)])
    if name in sys.modules or spec is None:
        module = importlib.import_module(name)
        _check_origin(module, path)
        return module
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    # A folder without __init__.py has no loader.
    if spec.loader is not None:
        spec.loader.exec_module(module)
    return sys.modules[name]


def _check_origin(module: ModuleType, path: Path) -> None:
    """Raises unless `module` is the one at `path`; a folder may be named as a module of Python."""
    origins = list(getattr(module, "__path__", [])) or [module.__file__ or ""]
    if not any(Path(origin).resolve() == path for origin in origins):
        raise PluginError(
            f"--t2t_usr_dir={path}: Python has another module named {module.__name__!r} "
            f"({origins[0] or 'built in'}); rename the folder"
        )


def _import_all(module: ModuleType, accept: Callable[[Path], bool] = lambda file: True) -> None:
    """Imports all accepted modules of a package and its subpackages, sorted by name."""
    for info in pkgutil.iter_modules(getattr(module, "__path__", [])):
        # setup.py and tests aren't part of the plugin and may exit when they are imported.
        if info.name in ("setup", "conftest") or info.name.startswith("test_"):
            continue
        # Another module may have imported this file by its bare name; it must not register twice.
        if info.name in sys.modules and _same_file(sys.modules[info.name], module, info.name):
            continue
        path = Path(getattr(info.module_finder, "path", ""), info.name)
        if accept(path if info.ispkg else path.with_suffix(".py")):
            _import_all(importlib.import_module(f"{module.__name__}.{info.name}"), accept)


def _same_file(loaded: ModuleType, package: ModuleType, name: str) -> bool:
    spec = importlib.util.find_spec(f"{package.__name__}.{name}")
    return spec is not None and spec.origin == getattr(loaded, "__file__", None)


def read_command_line() -> bool:
    """Returns whether a loaded T2T plugin parses the command line itself."""
    return any(alias.reads_command_line(Path(path)) for path in _loaded if os.path.exists(path))


def loaded_folders() -> list[str]:
    """Returns the folders and files that `load_usr_dir` has loaded, for other processes."""
    return [path for path in _loaded if os.path.isabs(path)]


def raised(error: BaseException) -> bool:
    """Returns whether code of a plugin raised an exception, itself or in a library it called."""
    packages = {name.partition(".")[0] for name in _loaded if not os.path.isabs(name)}
    for frame, _ in reversed(list(traceback.walk_tb(error.__traceback__))):
        module = str(frame.f_globals.get("__name__"))
        # Not the file name of the code object: AutoGraph runs a copy of a plugin's function.
        file = str(frame.f_globals.get("__file__") or frame.f_code.co_filename)
        package = module.partition(".")[0]
        if package == "t2tlite":
            # Who reads an hparam that doesn't exist has made the error.
            if isinstance(error, AttributeError) and module == "t2tlite.config":
                continue
            return False
        if package in packages or any(
            file == path or file.startswith(path + os.sep) for path in loaded_folders()
        ):
            return True
    return False


def is_trusted(folder: str) -> bool:
    """Whether a folder that a file names may be imported: this user has loaded it before.

    The path is compared as text; a relative one is never trusted.
    """
    return folder in loaded_folders() or trust.is_trusted(folder)


def searched() -> str:
    """Returns a list of what is loaded, for messages."""
    return ", ".join(_loaded) or "no plugin at all"


Registry.load_plugins = staticmethod(load_entry_points)
Registry.searched = staticmethod(searched)
