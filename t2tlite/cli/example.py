"""t2t-example: copies an example into a folder of yours; lists the examples.

t2t-example                    # lists them
t2t-example poetry .           # makes ./poetry
"""

from __future__ import annotations

from pathlib import Path

from t2tlite.api.example import EXAMPLES, copy_example
from t2tlite.cli import app


def main(name: str = "", folder: str = ".") -> None:
    """Copies the example `name` into `folder`; lists all examples without a name."""
    if not name:
        for one, what in EXAMPLES.items():
            print(f"{one:<12}{what}")
        print("\nt2t-example NAME FOLDER copies one into a folder.")
        return
    made = copy_example(name, Path(folder).expanduser())
    files = sorted(path.name for path in made.iterdir())
    print(f"copied {made}: {', '.join(files)}")
    print(f"{made / 'README.md'} has the commands")


run = app.command(main, arguments=2)
