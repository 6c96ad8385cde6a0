"""The import name `tensor2tensor`, and TF1's names in `tensorflow`, for plugins and programs.

`tensor2tensor.utils.registry` is `t2tlite.compat.tensor2tensor.utils.registry`, and so on. A module
that the mirror lacks consists of names that raise when they are used (`stand_ins.py`).

Only plugins see these names: code that is imported while a `--t2t_usr_dir` loads, and later code
that has a plugin's code among its callers. In a program that calls `install`, all code sees them.
If the real tensor2tensor is installed, nothing changes.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType

from t2tlite.plugins import tf1
from t2tlite.plugins.stand_ins import AbsentModule

log = logging.getLogger(__name__)

ALIAS = "tensor2tensor"
# The modules that the mirror has, each with its submodules.
_MIRRORED = (ALIAS, *(f"tensorflow.{name}" for name in tf1.MIRRORED))
_V1 = "tensorflow.compat.v1."
_COMPAT = "t2tlite.compat."

# Folders of plugins' code, each with a trailing separator.
_plugin_folders: set[str] = set()
_loading = 0
# Names of the modules in sys.modules that are there for plugins only.
_found: set[str] = set()


def install() -> None:
    """Makes `tensor2tensor`, and TF1's names in `tensorflow`, available to this program for good.

    Call it before the first `import tensor2tensor`. If the real tensor2tensor is installed, nothing
    changes and a warning is logged.
    """
    global _loading
    if spec := _real_spec():
        log.warning("tensor2tensor is imported from %s, where it is installed", spec.origin)
        return
    _hook_imports()
    # As if a plugin were loading from now on.
    _loading += 1


@contextlib.contextmanager
def names_available(folder: Path) -> Iterator[None]:
    """Makes the names available to all code in this context, and to code in `folder` for good."""
    global _loading
    if _real_spec():
        yield
        return
    _hook_imports()
    before = set(sys.modules)
    _plugin_folders.add(str(folder) + os.sep)
    _loading += 1
    try:
        yield
    finally:
        _loading -= 1
        # Modules that it imported from outside its folder, by sys.path, are its code, too.
        for name in set(sys.modules) - before:
            # Built-in problems are looked up while a plugin is imported.
            module = None if name.startswith("t2tlite.") else sys.modules.get(name)
            file = getattr(module, "__file__", None)
            # multiprocessing gives the main module a second name.
            if file and module is not sys.modules["__main__"] and not _is_installed(file):
                _plugin_folders.add(os.path.dirname(os.path.abspath(file)) + os.sep)
        if not _loading:
            _forget_modules()


def _forget_modules() -> None:
    """Removes the modules that the finder found: other code must not see them."""
    for name in _found & set(sys.modules):
        del sys.modules[name]
        # Python has made it an attribute of its package.
        package, _, last = name.rpartition(".")
        if package in sys.modules and package not in _found:
            with contextlib.suppress(AttributeError):
                delattr(sys.modules[package], last)
    _found.clear()


def _hook_imports() -> None:
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        # First, because the folder of a plugin may be in a checkout of Tensor2Tensor.
        sys.meta_path.insert(0, _Finder())
    for name, add in tf1.ADDED.items():
        if module := sys.modules.get(name):
            add(module, _CALLERS)


def called_by_plugin() -> bool:
    """Returns whether the caller sees the names: a plugin is loading or among the callers."""
    if _loading:
        return True
    frame = sys._getframe(1)
    folders = tuple(_plugin_folders)
    while frame is not None:
        # Not the file name of the code object: AutoGraph runs a copy of a plugin's function.
        file = frame.f_globals.get("__file__") or ""
        # A program is no plugin, though it may lie in the folder of one.
        is_program = frame.f_globals.get("__name__") == "__main__"
        if file.startswith(folders) and not is_program and not _is_installed(file):
            return True
        frame = frame.f_back  # type: ignore[assignment]
    return False


def _called_by_plugin_itself() -> bool:
    frame = sys._getframe(1)
    # Between them are the import system and tensorflow.compat.v1, which wraps another module.
    while frame.f_back is not None and (
        frame.f_code.co_filename.startswith((os.path.dirname(__file__), "<frozen importlib"))
        or frame.f_globals.get("__name__") == "tensorflow.python.util.module_wrapper"
    ):
        frame = frame.f_back
    return not _is_installed(frame.f_globals.get("__file__") or "") and called_by_plugin()


_CALLERS = tf1.Callers(called_by_plugin, _called_by_plugin_itself)


def used_by(path: Path) -> bool:
    """Returns whether the code of a plugin, a folder or file, mentions tensor2tensor."""
    return ALIAS.encode() in _source(path)


def reads_command_line(path: Path) -> bool:
    """Returns whether a T2T plugin parses the command line itself."""
    source = _source(path)
    return ALIAS.encode() in source and (b"argparse" in source or b"sys.argv" in source)


def _source(path: Path) -> bytes:
    files = [path] if path.is_file() else [*path.glob("*.py"), *path.glob("*/*.py")]
    return b"\n".join(file.read_bytes() for file in files)


def _real_spec() -> ModuleSpec | None:
    """Returns the import spec of the real tensor2tensor if it is installed."""
    spec = PathFinder.find_spec(ALIAS)
    return spec if spec and spec.origin and _is_installed(spec.origin) else None


def _is_installed(file: str) -> bool:
    """Returns whether a file belongs to Python, an installed package or t2tlite."""
    installed = "site-packages" in file or "dist-packages" in file
    own = os.path.dirname(os.path.dirname(__file__))
    return installed or file.startswith((os.path.dirname(os.__file__), own))


def _is_alias(name: str) -> bool:
    return any(name == each or name.startswith(f"{each}.") for each in _MIRRORED)


class _Finder(MetaPathFinder):
    """Finds tensor2tensor's modules in the mirror, and hooks into the import of tensorflow."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name in tf1.ADDED:
            return _tensorflow_spec(name, path)
        # For `from tensor2tensor.utils import x` Python looks for x in the mirror's package.
        inner = name.removeprefix(_COMPAT)
        missing = inner != name and _is_alias(inner) and not PathFinder.find_spec(name, path)
        if name.startswith("tensorflow."):
            found = not _is_gone(name, path) or not _called_by_plugin_itself()
        else:
            found = not (missing or _is_alias(name)) or not called_by_plugin()
        if found:
            return None
        _found.add(name)
        return ModuleSpec(name, _AliasLoader(), is_package=True)


def _is_gone(name: str, path: Sequence[str] | None) -> bool:
    """Returns whether TensorFlow 2 has no module of this name."""
    return _is_alias(name) or (path is not None and PathFinder.find_spec(name, path) is None)


class _AliasLoader(Loader):
    """Loads the module of the mirror in place of a module of Tensor2Tensor."""

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = _counterpart(spec.name.removeprefix(_COMPAT))
        self._spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        # The import system has replaced it by the alias's.
        module.__spec__ = self._spec


@functools.cache
def _counterpart(name: str) -> ModuleType:
    if name.startswith(_V1):
        return _counterpart(f"tensorflow.{name.removeprefix(_V1)}")
    if name.startswith("tensorflow.") and not _is_alias(name):
        return tf1.module(name) or AbsentModule(name)
    mirrored = f"{_COMPAT}{name}"
    if name in _MIRRORED:
        return importlib.import_module(mirrored)
    path = getattr(_counterpart(name.rpartition(".")[0]), "__path__", None)
    if path and PathFinder.find_spec(mirrored, path):
        return importlib.import_module(mirrored)
    # By name, because compat is a layer above this one.
    built_in = importlib.import_module("t2tlite.compat.built_in")
    return built_in.find_module(name) or AbsentModule(name)


def _tensorflow_spec(name: str, path: Sequence[str] | None) -> ModuleSpec | None:
    """Returns the spec of a module of TensorFlow, changed to add TF1's names after the import."""
    spec = PathFinder.find_spec(name, path)
    if spec is None or spec.loader is None:
        return spec
    execute = spec.loader.exec_module

    def execute_and_add_names(module: ModuleType) -> None:
        execute(module)
        # It may have replaced itself.
        tf1.ADDED[name](sys.modules[name], _CALLERS)

    spec.loader.exec_module = execute_and_add_names  # type: ignore[method-assign]
    return spec
