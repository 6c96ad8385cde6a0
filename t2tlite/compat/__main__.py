"""Runs a program that imports tensor2tensor, with t2tlite in its place.

python -m t2tlite.compat script.py arguments...
python -m t2tlite.compat -m module arguments...
"""

from __future__ import annotations

import os
import runpy
import sys

from t2tlite.compat import install


def main() -> None:
    """Runs the script or module as `python` does; prints how to call this if there is none."""
    arguments = sys.argv[1:]
    is_module = arguments[:1] == ["-m"]
    program = arguments[is_module : is_module + 1]
    if not program or program[0].startswith("-"):
        print(__doc__.strip())
        sys.exit(0 if program in (["-h"], ["--help"]) else 2)
    if not is_module and not os.path.exists(program[0]):
        sys.exit(f"python -m t2tlite.compat: there is no file {program[0]}; give a Python script")
    install()
    sys.argv = [program[0], *arguments[is_module + 1 :]]
    if is_module:
        # Python has put the current folder at the front of sys.path.
        runpy.run_module(program[0], run_name="__main__", alter_sys=True)
        return
    if not sys.flags.safe_path:
        sys.path[0] = os.path.dirname(os.path.abspath(program[0]))
    runpy.run_path(program[0], run_name="__main__")


main()
