"""Plugins of a test's own."""

import sys

import pytest

from t2tlite import plugins
from t2tlite.plugins import alias


@pytest.fixture
def imports(own_names, monkeypatch):
    """Forgets the plugins of a test: their modules, folders and search paths."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(alias, "_plugin_folders", set(alias._plugin_folders))
    before = set(sys.modules)
    yield
    alias._forget_modules()
    for name in set(sys.modules) - before:
        if name.startswith("alias_"):
            del sys.modules[name]


@pytest.fixture
def load(imports, tmp_path):
    """Loads a plugin of one file; returns its module."""

    def load(name, text):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "__init__.py").write_text(text)
        plugins.load_usr_dir(folder)
        return sys.modules[name]

    return load
