"""Writes the pages of the reference that t2tlite itself prints: commands and registered names.

`make docs` calls it before it builds the site; git ignores the pages.
"""

from __future__ import annotations

import concurrent.futures
import subprocess
import sys
from pathlib import Path

from t2tlite import __main__ as commands
from t2tlite import registry

REFERENCE = Path(__file__).parent / "reference"
COMMANDS = """# Commands

All commands with their flags, as `--help` prints them. Flags are `--name=value`; `--noname`
switches a flag off. A wrong flag exits with status 2, an error in your files or data with 1, Ctrl-C
with 130.
"""
NAMES = """# Problems, models and hparams sets

Everything that is registered when no plugin is loaded, as `t2t-trainer --registry_help` prints it.
With `--t2t_usr_dir=FOLDER` the list has your own names, too.
"""


def help_of(command: str) -> str:
    """Returns the help of a command, without the blank lines at its end."""
    words = [sys.executable, "-m", "t2tlite", command, "--help"]
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()


def block(text: str) -> str:
    """Returns text as a block of a page."""
    return f"\n```text\n{text}\n```\n"


def main() -> None:
    """Writes the pages."""
    names = list(commands.commands())
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        helps = list(pool.map(help_of, names))
    sections = [f"\n## {name}\n{block(text)}" for name, text in zip(names, helps, strict=True)]
    (REFERENCE / "commands.md").write_text(COMMANDS + "".join(sections))
    (REFERENCE / "names.md").write_text(NAMES + block(registry.help_string().strip()))


if __name__ == "__main__":
    main()
