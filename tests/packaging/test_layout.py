"""Limits that keep the code readable; CONTRIBUTING.md names them. lint-imports checks imports."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "t2tlite"
MOST_LINES = {"package": 3500, "file": 400, "function": 60}
SOURCES = sorted([*PACKAGE.rglob("*.py"), *ROOT.glob("problems/*.py"), *ROOT.glob("hparams/*.py")])
PACKAGES = sorted(path.parent for path in PACKAGE.glob("*/__init__.py"))


def line_count(path):
    return len(path.read_text(encoding="utf-8").splitlines())


def test_no_package_is_too_long():
    lines = {folder.name: sum(map(line_count, folder.rglob("*.py"))) for folder in PACKAGES}
    assert {name: count for name, count in lines.items() if count > MOST_LINES["package"]} == {}


def test_no_file_is_too_long():
    lines = {str(path.relative_to(ROOT)): line_count(path) for path in SOURCES}
    assert {name: count for name, count in lines.items() if count > MOST_LINES["file"]} == {}


def test_no_function_is_too_long():
    long = []
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                count = node.end_lineno - node.lineno + 1
                if count > MOST_LINES["function"]:
                    long.append(f"{path.relative_to(ROOT)}: {node.name} has {count} lines")
    assert long == []


@pytest.mark.parametrize("folder", PACKAGES, ids=lambda folder: folder.name)
def test_every_package_says_what_it_holds(folder):
    assert ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8")))


def test_unit_tests_mirror_the_packages():
    folders = {path.name for path in (ROOT / "tests/unit").iterdir() if path.is_dir()}
    # Top-level packages of the checkout have their tests there as well.
    known = {folder.name for folder in PACKAGES} | {"problems", "hparams"}
    assert folders - known - {"__pycache__"} == set()
    tests = {path.stem.removeprefix("test_") for path in (ROOT / "tests/unit").glob("test_*.py")}
    modules = [path.stem for path in PACKAGE.glob("*.py")]
    # A long module has several files of tests: test_config.py, test_config_ranges.py.
    assert [
        name for name in tests if not any(f"{name}_".startswith(f"{module}_") for module in modules)
    ] == []


def test_the_reading_order_takes_an_hour():
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    section = text.partition("## An hour's reading order\n")[2].partition("What it rests on")[0]
    paths = [ROOT / name for name in re.findall(r"`([\w/]+\.py)`", section)]
    assert len(paths) > 5
    assert sum(map(line_count, paths)) <= 2500
