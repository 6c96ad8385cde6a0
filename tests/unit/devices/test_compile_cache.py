"""Where JAX keeps compiled programs, and when it doesn't."""

import os
import stat
import types

import pytest

from t2tlite.devices import compile_cache

jax = pytest.importorskip("jax")

CPU = types.SimpleNamespace(platform="cpu")


@pytest.fixture
def enable(tmp_path, monkeypatch):
    """Calls `enable` as in a new process; returns JAX's folder."""
    names = ["jax_compilation_cache_dir", "jax_enable_compilation_cache"]
    names += compile_cache.THRESHOLDS
    before = {name: getattr(jax.config, name) for name in names}
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for name in compile_cache.THRESHOLDS:
        monkeypatch.delenv(name.upper(), raising=False)

    def run(folder=None, enabled=True):
        jax.config.update("jax_compilation_cache_dir", folder)
        jax.config.update("jax_enable_compilation_cache", enabled)
        compile_cache.enable(CPU)
        return jax.config.jax_compilation_cache_dir

    yield run
    for name, value in before.items():
        jax.config.update(name, value)


@pytest.fixture
def reloads(monkeypatch):
    """The answers that `_reloads_a_program` gave; each is "yes"."""
    asked = []
    monkeypatch.setattr(compile_cache, "_reloads_a_program", lambda: asked.append("yes") or True)
    return asked


def test_the_users_folder(enable, reloads, tmp_path):
    folder = enable()
    assert os.path.dirname(folder) == str(tmp_path / "t2tlite" / "jax")
    assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700
    assert jax.config.jax_persistent_cache_min_compile_time_secs == 0
    # The CPU is asked once.
    assert enable() == folder
    assert reloads == ["yes"]


def test_another_cpu_has_another_folder(enable, reloads, monkeypatch):
    first = enable()
    monkeypatch.setattr(compile_cache, "_cpu", lambda: {"flags: avx"})
    assert enable() != first


def test_the_variables(enable, reloads, tmp_path, monkeypatch):
    assert enable(str(tmp_path / "own")) == str(tmp_path / "own")
    assert enable("") == ""
    assert enable(enabled=False) is None
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 7)
    monkeypatch.setenv("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "7")
    enable()
    assert jax.config.jax_persistent_cache_min_compile_time_secs == 7


def test_several_processes_have_none(enable, reloads, monkeypatch):
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    assert enable() is None


def test_a_cpu_that_refuses_its_programs(enable, monkeypatch):
    monkeypatch.setattr(compile_cache, "_reloads_a_program", lambda: False)
    assert enable() is None


def test_a_folder_that_cannot_be_used(enable, reloads, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    for place in (tmp_path / "file", "/proc/no_such_place"):
        monkeypatch.setenv("XDG_CACHE_HOME", str(place))
        assert enable() is None
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(compile_cache, "LEAST_FREE_BYTES", 2**60)
    assert enable() is None


def test_old_programs_are_deleted(enable, reloads, tmp_path, monkeypatch):
    folder = tmp_path / "full"
    folder.mkdir()
    for age in range(4):
        (folder / f"{age}-cache").write_bytes(b"x" * 10)
        os.utime(folder / f"{age}-cache", (1000 - age, 2000 + age))
    monkeypatch.setattr(compile_cache, "MOST_BYTES", 25)
    compile_cache._prune(folder)
    assert sorted(path.name for path in folder.iterdir()) == ["0-cache", "1-cache"]


@pytest.mark.parametrize(
    ("message", "accepted"), [(b"", True), (b"E0000 Machine type doesn't match\n", False)]
)
def test_what_xla_says_about_a_program(monkeypatch, message, accepted):
    from jax.experimental import serialize_executable

    monkeypatch.setattr(
        serialize_executable, "deserialize_and_load", lambda *_: os.write(2, message)
    )
    assert compile_cache._reloads_a_program() is accepted


def test_a_program_that_cannot_be_loaded(monkeypatch):
    from jax.experimental import serialize_executable

    monkeypatch.delattr(serialize_executable, "deserialize_and_load")
    assert not compile_cache._reloads_a_program()
