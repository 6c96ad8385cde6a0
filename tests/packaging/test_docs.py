"""What the pages of the documentation say is there: commands, flags, names, Python.

tests/pipeline/test_examples.py runs docs/python.md. `make docs` finds broken links.
"""

import ast
import concurrent.futures
import importlib
import inspect
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import t2tlite
from t2tlite import __main__ as commands
from t2tlite import registry
from t2tlite.cli.t2t_flags import IGNORED
from t2tlite.plugins import load_usr_dir

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
# Written by make_reference.py.
MADE = {"commands.md", "names.md"}
WRITTEN = {*DOCS.glob("*.md"), *DOCS.glob("reference/*.md"), ROOT / "README.md"}
PAGES = sorted(page for page in WRITTEN if page.name not in MADE)
# Flags that name something registered; the pages' own plugins are called so.
REGISTERED = {
    "problem": registry.problems,
    "model": registry.models,
    "hparams_set": registry.hparams_sets,
}
OWN = re.compile(r"my_|MY_|[A-Z]+$")


def blocks(page, language):
    """The code blocks of a page in a language, indented ones without one."""
    text = page.read_text(encoding="utf-8")
    if language:
        return re.findall(rf"^```{language}\n(.*?)^```", text, re.M | re.S)
    return re.findall(r"(?:^    .*\n)+", text, re.M)


def command_lines(page):
    """Name, and flags with their values, of each t2t command in a page's blocks of shell."""
    for block in [*blocks(page, "sh"), *blocks(page, "")]:
        for line in block.replace("\\\n", " ").splitlines():
            for name, rest in re.findall(r"(?:^|[\s(])(t2t-[\w-]+)( [^|#]*)", line):
                yield name, re.findall(r" --(\w+)(?:=([\w-]*))?", rest)


@pytest.fixture(scope="module")
def flags():
    """The flags of each command, by its name."""

    def of_command(name):
        words = [sys.executable, "-m", "t2tlite", name, "--help"]
        text = subprocess.run(words, check=True, capture_output=True, text=True).stdout
        return set(re.findall(r"^  --(?:\[no\])?(\w+):", text, re.M))

    names = list(commands.commands())
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        return dict(zip(names, pool.map(of_command, names), strict=True))


def test_commands_have_the_flags_of_the_pages(flags):
    load_usr_dir(str(ROOT / "benchmarks/nanogpt"))
    wrong, checked = [], 0
    for page in PAGES:
        for name, given in command_lines(page):
            if name not in flags:
                wrong.append(f"{page.name}: no command {name}")
                continue
            for flag, value in given:
                checked += 1
                known = {*flags[name], *IGNORED, "help", "version"}
                if flag not in known and flag.removeprefix("no") not in known:
                    wrong.append(f"{page.name}: {name} has no flag --{flag}")
                names = registry.parse_problem_name(value)[0] if flag == "problem" else value
                if (
                    value
                    and flag in REGISTERED
                    and not OWN.match(names)
                    and names not in REGISTERED[flag]
                ):
                    wrong.append(f"{page.name}: --{flag}={value} isn't registered")
    assert wrong == []
    assert checked > 200


PROMPTS = (">>>", "...")


def check_public(node):
    """A name after `t2tlite.` is public, and a function that is called so has the keywords."""
    called = node.func if isinstance(node, ast.Call) else node
    if not (isinstance(called, ast.Attribute) and ast.unparse(called.value) == "t2tlite"):
        return
    assert hasattr(t2tlite, called.attr), ast.unparse(node)
    if isinstance(node, ast.Call):
        parameters = inspect.signature(getattr(t2tlite, called.attr)).parameters
        given = {keyword.arg for keyword in node.keywords} - {None}
        takes_any = any(one.kind is one.VAR_KEYWORD for one in parameters.values())
        assert takes_any or given <= parameters.keys(), ast.unparse(node)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_compiles_and_its_imports_are_there(page):
    for block in blocks(page, "python"):
        if block.startswith(">>>"):
            assert page.name == "python.md", "only the examples of docs/python.md are run"
            block = "\n".join(line[4:] for line in block.splitlines() if line[:3] in PROMPTS)
        for node in ast.walk(ast.parse(block)):
            check_public(node)
            if isinstance(node, ast.ImportFrom) and node.module.startswith("t2tlite"):
                module = importlib.import_module(node.module)
                assert all(hasattr(module, alias.name) for alias in node.names), ast.unparse(node)


def test_links_of_the_readmes_lead_to_files():
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "benchmarks/README.md"]
    missing, checked = [], 0
    for page in [*pages, *ROOT.glob("examples/*/README.md")]:
        text = page.read_text(encoding="utf-8")
        for link in re.findall(r"\]\(([^)\s]+)\)|src=\"([^\"]+)\"", text):
            path, _, anchor = "".join(link).partition("#")
            if path.startswith("https://"):
                continue
            checked += 1
            target = page.parent / path if path else page
            if not target.exists() or (anchor and anchor not in anchors(target)):
                missing.append(f"{page.relative_to(ROOT)}: {path}#{anchor}")
    assert missing == []
    assert checked > 20


def anchors(page):
    """The anchors of a page's headings, as GitHub names them."""
    titles = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_every_public_name_is_in_the_reference():
    text = "".join(page.read_text(encoding="utf-8") for page in DOCS.glob("reference/*.md"))
    shown = []
    for path in re.findall(r"^::: (\S+)", text, re.M):
        module, _, attribute = path.rpartition(".")
        shown.append(getattr(importlib.import_module(module), attribute))
    missing = [name for name in t2tlite.__all__ if getattr(t2tlite, name) not in shown]
    assert missing == []


def test_every_page_is_in_the_navigation():
    def pages(entries):
        for entry in entries:
            for value in entry.values():
                yield from [value] if isinstance(value, str) else pages(value)

    site = tomllib.loads((ROOT / "zensical.toml").read_text(encoding="utf-8"))["project"]
    written = {str(page.relative_to(DOCS)) for page in PAGES if page.is_relative_to(DOCS)}
    made = {f"reference/{name}" for name in MADE}
    assert set(pages(site["nav"])) == written | made
