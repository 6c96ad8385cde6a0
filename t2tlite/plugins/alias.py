"""The name `tensor2tensor` for plugins, and TF1's names in `tensorflow`, while a plugin runs.

`tensor2tensor.utils.registry` is `t2tlite.compat.tensor2tensor.utils.registry`, and so on; what
has no counterpart there is a module of names that raise when they are used (`absent.py`).

Only a plugin sees them: code that is imported while a `--t2t_usr_dir` loads, and later whatever
runs with code of a plugin among its callers. To all other code, and where the real tensor2tensor is
installed, nothing changes.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import os
import sys
from collections.abc import Iterator, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType

from t2tlite.plugins import tf1
from t2tlite.plugins.absent import AbsentModule

ALIAS = "tensor2tensor"
_OURS = f"t2tlite.compat.{ALIAS}"

# Folders of the plugins' own code, each ending in a separator.
_plugin_folders: set[str] = set()
_loading = 0


@contextlib.contextmanager
def lent(folder: Path) -> Iterator[None]:
    """Lends the names to all code while the plugin in `folder` loads, and to its own for good."""
    global _loading
    if _real_is_installed():
        yield
        return
    if not any(isinstance(one, _Finder) for one in sys.meta_path):
        # First: the folder beside a plugin may be a checkout of Tensor2Tensor.
        sys.meta_path.insert(0, _Finder())
    if "tensorflow" in sys.modules:
        tf1.lend(sys.modules["tensorflow"], asked_by_plugin)
    before = set(sys.modules)
    _plugin_folders.add(str(folder) + os.sep)
    _loading += 1
    try:
        yield
    finally:
        _loading -= 1
        # What it imported from beside it, or from where it pointed sys.path to, is its code, too.
        for name in set(sys.modules) - before:
            file = getattr(sys.modules.get(name), "__file__", None)
            if file and not _is_installed(file):
                _plugin_folders.add(os.path.dirname(os.path.abspath(file)) + os.sep)
        # Code that isn't a plugin's must not find what a plugin has imported.
        for name in [one for one in sys.modules if _is_lent(one) and not _loading]:
            del sys.modules[name]


def asked_by_plugin() -> bool:
    """Whether a plugin is loading, or its code is among the callers."""
    if _loading:
        return True
    frame = sys._getframe(1)
    places = tuple(_plugin_folders)
    while frame is not None:
        # Not the code's file name: AutoGraph runs a copy of a plugin's function.
        file = frame.f_globals.get("__file__") or ""
        if file.startswith(places) and not _is_installed(file):
            return True
        frame = frame.f_back  # type: ignore[assignment]
    return False


def used_by(folder: Path) -> bool:
    """Whether a plugin folder's own code names tensor2tensor."""
    return any(ALIAS.encode() in text for text in _sources(folder))


def reads_command_line(folder: Path) -> bool:
    """Whether a T2T plugin's own code reads the command line by itself."""
    reads = any(b"argparse" in text or b"sys.argv" in text for text in _sources(folder))
    return reads and used_by(folder)


def _sources(folder: Path) -> Iterator[bytes]:
    if folder.is_file():
        yield folder.read_bytes()
    for depth in ("*.py", "*/*.py"):
        for file in folder.glob(depth):
            yield file.read_bytes()


def _real_is_installed() -> bool:
    spec = PathFinder.find_spec(ALIAS)
    return spec is not None and spec.origin is not None and _is_installed(spec.origin)


def _is_installed(file: str) -> bool:
    """Whether a file belongs to Python, to an installed package or to t2tlite."""
    return any(word in file for word in ("site-packages", "dist-packages")) or file.startswith(
        (os.path.dirname(os.__file__), os.path.dirname(os.path.dirname(__file__)))
    )


def _is_lent(name: str) -> bool:
    return name == ALIAS or name.startswith((f"{ALIAS}.", "tensorflow.contrib"))


class _Finder(MetaPathFinder):
    """Finds tensor2tensor's modules here, and waits for tensorflow's import."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name == "tensorflow":
            return _lending_spec()
        # `from tensor2tensor.utils import x` looks for x below the name that the package has here.
        below = name.startswith(f"{_OURS}.") and not PathFinder.find_spec(name, path)
        if not (below or _is_lent(name)) or not asked_by_plugin():
            return None
        return ModuleSpec(name, _AliasLoader(), is_package=True)


class _AliasLoader(Loader):
    """Loads the module of this package that stands for one of Tensor2Tensor."""

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = _standing_for(spec.name.replace(_OURS, ALIAS))
        self._spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        # The import system has put the alias's there.
        module.__spec__ = self._spec


@functools.cache
def _standing_for(name: str) -> ModuleType:
    ours = name.replace(ALIAS, _OURS, 1)
    if name == ALIAS:
        return importlib.import_module(ours)
    if ours.startswith(_OURS):
        place = getattr(_standing_for(name.rpartition(".")[0]), "__path__", None)
        if place and PathFinder.find_spec(ours, place):
            return importlib.import_module(ours)
    # By its name, for it imports problems, and those the layers above this module.
    built_in = importlib.import_module("t2tlite.compat.built_in")
    return built_in.find(name) or AbsentModule(name)


def _lending_spec() -> ModuleSpec | None:
    """TensorFlow's own spec, which lends TF1's names once the module is there."""
    spec = PathFinder.find_spec("tensorflow")
    if spec is None or spec.loader is None:
        return spec
    execute = spec.loader.exec_module

    def execute_and_lend(module: ModuleType) -> None:
        execute(module)
        tf1.lend(module, asked_by_plugin)

    spec.loader.exec_module = execute_and_lend  # type: ignore[method-assign]
    return spec
