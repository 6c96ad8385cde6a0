"""The wheel: that it builds offline, holds what it should and works away from the checkout."""

from __future__ import annotations

import configparser
import json
import os
import re
import shlex
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import t2tlite

ROOT = Path(__file__).resolve().parents[2]
LAUNCHERS = sorted(path.name for path in (ROOT / "bin").iterdir())
README = (ROOT / "README.md").read_text(encoding="utf-8")

# Runs commands one after the other in the current folder. Their libraries are imported once; each
# command runs its installed script in a process of its own.
COMMANDS = """
import json, os, runpy, signal, sys, time, urllib.request

def start(words):
    global served
    if pid := os.fork():
        return pid
    served = None
    log = os.open("log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0), os.dup2(log, 1), os.dup2(log, 2)
    sys.argv = [os.path.join(os.path.dirname(sys.executable), words[0]), *words[1:]]
    runpy.run_path(sys.argv[0], run_name="__main__")

def finish(pid, words):
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if status:
        sys.exit(f"{words} ended with {status}:\\n{open('log').read()}")

served = None
asked = json.load(sys.stdin)
if any(words[0] == "t2t-trainer" for words in asked):
    import keras, tensorflow
try:
    for words in asked:
        pid = start(words)
        if words[0] != "t2t-server":
            finish(pid, words)
            continue
        served = pid
        for _ in range(600):
            try:
                urllib.request.urlopen("http://127.0.0.1:8501/healthz")
                break
            except OSError:
                time.sleep(0.1)
finally:
    if served:
        os.kill(served, signal.SIGTERM)
        finish(served, "t2t-server")
"""


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a source distribution and the wheel built from it, without the network."""
    dist = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(dist), str(ROOT)]
    built = subprocess.run(command, capture_output=True, text=True, cwd=dist)
    assert built.returncode == 0, built.stdout + built.stderr
    return dist


@pytest.fixture(scope="module")
def installed(dist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the unpacked wheel."""
    (wheel,) = dist.glob("t2tlite-*.whl")
    folder = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def python(installed: Path, code: str, cwd: Path) -> str:
    """Runs code that sees the unpacked wheel and its dependencies, but not the checkout.

    Returns:
      What it printed, without the last newline.
    """
    # -S leaves out the .pth files, by which an editable install would bring the checkout back.
    places = [str(installed), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    command = [sys.executable, "-I", "-S", "-c", f"import sys; sys.path += {places!r}\n{code}"]
    ran = subprocess.run(command, capture_output=True, text=True, cwd=cwd)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.rstrip("\n")


def entry_points(installed: Path) -> configparser.ConfigParser:
    (path,) = installed.glob("*.dist-info/entry_points.txt")
    parser = configparser.ConfigParser(delimiters=("=",))
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(path.read_text(encoding="utf-8"))
    return parser


def sources(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*.py")}


def test_launchers_are_the_console_scripts(installed: Path) -> None:
    assert sorted(entry_points(installed)["console_scripts"]) == LAUNCHERS


@pytest.mark.parametrize("name", LAUNCHERS)
def test_launcher_runs_the_same_function(installed: Path, name: str) -> None:
    path = ROOT / "bin" / name
    assert os.access(path, os.X_OK)
    module, _, function = entry_points(installed)["console_scripts"][name].partition(":")
    assert f'import_module("{module}").{function}()' in path.read_text(encoding="utf-8")


def test_launcher_says_in_one_line_that_nothing_is_installed(tmp_path: Path) -> None:
    command = [sys.executable, "-I", "-S", str(ROOT / "bin" / LAUNCHERS[0])]
    ran = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert ran.returncode == 1
    assert ran.stderr.count("\n") == 1
    assert "pip install -e ." in ran.stderr


@pytest.mark.parametrize("name", LAUNCHERS)
def test_command_loads_without_tensorflow(installed: Path, tmp_path: Path, name: str) -> None:
    module, _, function = entry_points(installed)["console_scripts"][name].partition(":")
    code = (
        f"from {module} import {function}\n"
        f"print(callable({function}), 'tensorflow' in sys.modules, 'keras' in sys.modules)"
    )
    assert python(installed, code, tmp_path) == "True False False"


@pytest.mark.parametrize(
    ("folder", "package"),
    [("t2tlite", "t2tlite"), ("problems", "t2tlite/problems"), ("hparams", "t2tlite/hparams")],
)
def test_wheel_holds_every_module(installed: Path, folder: str, package: str) -> None:
    expected = sources(ROOT / folder)
    assert expected
    assert expected <= sources(installed / package)


def test_wheel_holds_nothing_else(installed: Path) -> None:
    assert {path.name for path in installed.iterdir() if path.suffix != ".dist-info"} == {"t2tlite"}
    assert (installed / "t2tlite" / "py.typed").is_file()
    assert list(installed.glob("*.dist-info/licenses/LICENSE"))


@pytest.mark.parametrize("name", ["problems", "hparams"])
def test_no_module_hides_a_mapped_package(installed: Path, name: str) -> None:
    for place in (ROOT, installed):
        assert not (place / "t2tlite" / f"{name}.py").exists()
    assert not (ROOT / "t2tlite" / name).exists()


def test_version(installed: Path, tmp_path: Path) -> None:
    code = "import importlib.metadata as m, t2tlite; print(m.version('t2tlite'), t2tlite.__file__)"
    version, path = python(installed, code, tmp_path).split(maxsplit=1)
    assert version == t2tlite.__version__
    assert Path(path).is_relative_to(installed)


def test_wheel_finds_its_plugins_without_tensorflow(installed: Path, tmp_path: Path) -> None:
    code = (
        "from t2tlite import plugins, registry\n"
        "plugins.load_entry_points()\n"
        "import t2tlite.problems, t2tlite.hparams\n"
        "print(t2tlite.problems.__file__, t2tlite.hparams.__file__, sep='\\n')\n"
        "print('tensorflow' in sys.modules, 'keras' in sys.modules)\n"
        "print(*registry.list_hparams(), *registry.list_models(), *registry.list_problems())"
    )
    problems, hparams, loaded, names = python(installed, code, tmp_path).split("\n")
    assert Path(problems) == installed / "t2tlite" / "problems" / "__init__.py"
    assert Path(hparams) == installed / "t2tlite" / "hparams" / "__init__.py"
    assert loaded == "False False"
    assert {"transformer_poetry", "transformer", "psalm_line_problem"} <= set(names.split())


@pytest.fixture(scope="module")
def environment(dist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new environment with the wheel; its dependencies are those of this one."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False, symlinks=True)
    pip = [sys.executable, "-m", "pip", "--python", str(folder / "bin/python"), "-q", "install"]
    (wheel,) = dist.glob("t2tlite-*.whl")
    subprocess.run([*pip, "--no-deps", "--ignore-installed", str(wheel)], check=True)
    (site,) = folder.glob("lib/python*/site-packages")
    # The .pth files there, of an editable install, don't count here.
    places = [sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    (site / "dependencies.pth").write_text("\n".join(dict.fromkeys(places)))
    return folder


def run_page(page: str, environment: Path, folder: Path, only: set[str] | None = None) -> None:
    """Runs a page's commands as they are pasted into a new folder, but for the numbers of steps.

    Args:
      page: its path.
      environment: has the commands.
      folder: where they run.
      only: the names of the commands to run; None: all.
    """
    text = (ROOT / page).read_text(encoding="utf-8")
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.M | re.S)
    # The average takes four checkpoints.
    text = re.sub(r"--train_steps=\d+", "--train_steps=8", "".join(blocks))
    text = re.sub(r"--local_eval_frequency=\d+", "--local_eval_frequency=2", text)
    lines = text.replace("\\\n", " ").splitlines()
    commands = [words for words in (shlex.split(line, comments=True) for line in lines) if words]
    commands = [words for words in commands if words[0] != "pip"]
    assert all(words[0] in LAUNCHERS for words in commands)
    if only:
        commands = [words for words in commands if words[0] in only]
    ran = subprocess.run(
        [str(environment / "bin/python"), "-I", "-c", COMMANDS],
        input=json.dumps(commands),
        capture_output=True,
        text=True,
        cwd=folder,
    )
    assert ran.returncode == 0, ran.stderr


@pytest.mark.slow
def test_the_data_of_the_readme(environment: Path, tmp_path: Path) -> None:
    run_page("README.md", environment, tmp_path, only={"t2t-example", "t2t-datagen"})
    assert list((tmp_path / "data").glob("my_poetry_lines-train-*"))
    [vocabulary] = (tmp_path / "dates_data").glob("vocab.*.model")
    assert f"--vocab_size={vocabulary.name.split('.')[-2]}" in (ROOT / "README.md").read_text()


@pytest.mark.slow
@pytest.mark.readme
@pytest.mark.parametrize("page", ["README.md", "docs/index.md"])
def test_all_commands_of_a_page(environment: Path, tmp_path: Path, page: str) -> None:
    run_page(page, environment, tmp_path)


def test_the_readme_shows_the_example() -> None:
    shown = re.findall(r"^```python\n(.*?)^```", README, re.M | re.S)
    code = (ROOT / "examples/poetry/__init__.py").read_text(encoding="utf-8")
    assert code.endswith(shown[0])
    assert code.removesuffix(shown[0]).count('"""') == 2


def test_the_badges_are_true(installed: Path) -> None:
    (path,) = installed.glob("*.dist-info/METADATA")
    metadata = path.read_text(encoding="utf-8").partition("\n\n")[0]
    versions = re.findall(r"Python :: (3\.\d+)$", metadata, re.M)
    license_ = re.findall(r"^License-Expression: (.*)|^License: (.*)", metadata, re.M)
    badges = re.findall(r"img\.shields\.io/badge/(\w+)-([^)]*)-blue", README)
    assert dict(badges) == {
        "python": f"{versions[0]}_to_{versions[-1]}",
        "license": "".join(license_[0]).replace("-", "_"),
    }
    assert f"Requires-Python: >={versions[0]}" in metadata


def test_every_dependency_has_a_lower_bound_that_works(installed: Path) -> None:
    (path,) = installed.glob("*.dist-info/METADATA")
    lines = path.read_text(encoding="utf-8").splitlines()
    # .ci/lower-bounds runs the tests with these bounds.
    requires = [
        Requirement(line.partition(": ")[2]) for line in lines if line.startswith("Requires-Dist: ")
    ]
    assert [r.name for r in requires if ">=" not in str(r.specifier)] == []
    (tensorflow_text,) = (r.specifier for r in requires if r.name == "tensorflow-text")
    assert not tensorflow_text.contains("2.21.0")
    assert tensorflow_text.contains("2.21.1")


def test_the_requirements_of_jax_without_tensorflow(dist: Path, installed: Path) -> None:
    (path,) = installed.glob("*.dist-info/METADATA")
    lines = path.read_text(encoding="utf-8").splitlines()
    requires = [
        Requirement(line.partition(": ")[2]) for line in lines if line.startswith("Requires-Dist: ")
    ]
    hard = [r for r in requires if not r.marker or r.marker.evaluate({"extra": "jax"})]
    expected = {
        f"{r.name}{r.specifier}" for r in hard if r.name not in ("tensorflow", "tensorflow-text")
    }
    (sdist,) = dist.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        (member,) = (name for name in archive.getnames() if name.endswith("requirements/jax.txt"))
        text = archive.extractfile(member).read().decode()  # type: ignore[union-attr]
    listed = [Requirement(line) for line in text.splitlines() if not line.startswith("#")]
    assert {f"{r.name}{r.specifier}" for r in listed} == expected
    assert "jax" in {r.name for r in listed}
