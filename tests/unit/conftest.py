"""Fixtures of the unit tests."""

import logging
from collections.abc import Iterator

import pytest

from t2tlite import plugins, registry
from t2tlite.registry import Registry

TABLES = [registry.problems, registry.models, registry.hparams_sets, registry.ranged_hparams_sets]


@pytest.fixture
def own_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forgets, after the test, what it registered and which plugins it loaded."""
    plugins.load_entry_points()
    monkeypatch.setattr(plugins, "_loaded", list(plugins._loaded))
    for table in TABLES:
        monkeypatch.setattr(table, "_entries", dict(table._entries))
        monkeypatch.setattr(table, "_built_in", set(table._built_in))


@pytest.fixture
def no_names(own_names: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Empty tables, and no plugin that fills them."""
    monkeypatch.setattr(Registry, "load_plugins", staticmethod(lambda: None))
    for table in TABLES:
        table._entries.clear()
        table._built_in.clear()


@pytest.fixture
def warned() -> Iterator[list[str]]:
    """The warnings that t2tlite logs during the test, also where a command cut its logger off."""
    lines: list[str] = []

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())

    collector = Collector(logging.WARNING)
    logging.getLogger("t2tlite").addHandler(collector)
    yield lines
    logging.getLogger("t2tlite").removeHandler(collector)
