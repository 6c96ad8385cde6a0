"""The commands of t2tlite, for where they aren't on the PATH.

python -m t2tlite                            # lists them
python -m t2tlite t2t-trainer --help         # runs one; "trainer" is enough
"""

from __future__ import annotations

import ast
import difflib
import importlib
import sys
from pathlib import Path
from typing import NoReturn

from t2tlite import cli, console
from t2tlite.version import __version__


def main() -> NoReturn:
    """Runs the command that the first argument names, or lists all commands."""
    given = sys.argv[1] if len(sys.argv) > 1 else "--help"
    known = commands()
    if given == "--version":
        print(f"t2tlite {__version__}")
    elif given in ("--help", "-h", "help"):
        print((__doc__ or "").strip(), "\n")
        for name, (_, description) in known.items():
            print(console.hanging(f"  {name:<24}{description}"))
    else:
        name = given if given.startswith("t2t-") else f"t2t-{given.replace('_', '-')}"
        if name not in known:
            close = difflib.get_close_matches(name.removeprefix("t2t-"), [n[4:] for n in known])
            hint = f"did you mean {' or '.join(close)}?" if close else "python -m t2tlite lists all"
            sys.exit(f"t2tlite has no command {given!r}: {hint}")
        sys.argv[:2] = [name]
        importlib.import_module(known[name][0]).run()
    sys.exit(0)


def commands() -> dict[str, tuple[str, str]]:
    """Returns module and description of each command, by its name.

    The first line of a command's module is "t2t-NAME: description". The modules aren't imported,
    because they define flags of the same names.
    """
    found = {}
    for path in sorted(Path(cli.__path__[0]).glob("*.py")):
        docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        name, _, description = docstring.partition("\n")[0].partition(": ")
        if name.startswith("t2t-"):
            found[name] = f"{cli.__name__}.{path.stem}", description
    return found


if __name__ == "__main__":
    main()
