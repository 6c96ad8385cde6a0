"""The wheel: that it builds offline, holds what it should and works away from the checkout."""

from __future__ import annotations

import configparser
import os
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import t2tlite

ROOT = Path(__file__).resolve().parents[2]
LAUNCHERS = sorted(path.name for path in (ROOT / "bin").iterdir())


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
