"""A command of the test's own, with flags that no other test sees."""

import logging
import sys

import pytest
from absl import flags

from t2tlite.cli import app, t2t_flags


@pytest.fixture
def own_flags(monkeypatch):
    """The flags of a command: --count, --t2t_usr_dir and T2T's flags without effect.

    Restores the logger "t2tlite", which a command sets up.
    """
    logger = logging.getLogger("t2tlite")
    before = logger.handlers, logger.level, logger.propagate
    values = flags.FlagValues()
    flags.DEFINE_integer("count", 1, "A number.", flag_values=values)
    flags.DEFINE_string("t2t_usr_dir", "", "Folders.", flag_values=values)
    monkeypatch.setattr(t2t_flags, "FLAGS", values)
    monkeypatch.setattr(app, "FLAGS", values)
    for names in ("_ignored", "_refused"):
        monkeypatch.setattr(t2t_flags, names, type(getattr(t2t_flags, names))())
    t2t_flags.define(t2t_flags.IGNORED, t2t_flags.REFUSED)
    yield values
    logger.handlers, logger.level, logger.propagate = before


@pytest.fixture
def command(own_flags, monkeypatch, capsys):
    """A function that runs a command with arguments; returns status, standard output and error."""

    def command(main, *arguments):
        monkeypatch.setattr(sys, "argv", ["/usr/bin/t2t-test", *arguments])
        with pytest.raises(SystemExit) as caught:
            app.command(main)()
        captured = capsys.readouterr()
        return caught.value.code, captured.out, captured.err

    return command
