"""`python -m t2tlite`: what the first argument does."""

import subprocess
import sys
from pathlib import Path

import pytest

from t2tlite import __main__ as module
from t2tlite.version import __version__


@pytest.fixture
def run(monkeypatch, capsys):
    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["t2tlite", *arguments])
        with pytest.raises(SystemExit) as caught:
            module.main()
        return caught.value.code, capsys.readouterr().out

    return run


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"], ["help"]])
def test_all_commands_are_listed(run, arguments):
    status, out = run(*arguments)
    assert status == 0
    names = [line.split()[0] for line in out.splitlines() if line.startswith("  t2t-")]
    launchers = Path(__file__).resolve().parents[2] / "bin"
    assert names == sorted(path.name for path in launchers.glob("t2t-*"))
    assert "  t2t-bleu                BLEU and chrF of translations against a reference" in out


@pytest.mark.parametrize(
    ("given", "command"),
    [("trainer", "t2t-trainer"), ("t2t-avg-all", "t2t-avg-all"), ("avg_all", "t2t-avg-all")],
)
def test_a_command(given, command):
    # In a process of its own, since a command's flags are global.
    words = [sys.executable, "-m", "t2tlite", given, "--version"]
    out = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    assert out == f"{command}: t2tlite {__version__}\n"


def test_the_version(run):
    assert run("--version") == (0, f"t2tlite {__version__}\n")


@pytest.mark.parametrize(
    ("given", "hint"), [("trainr", "did you mean trainer?"), ("x", "python -m t2tlite lists all")]
)
def test_an_unknown_command(run, given, hint):
    status, _ = run(given)
    assert status.startswith(f"t2tlite has no command {given!r}: ")
    assert status.endswith(hint)
