"""Fixtures shared by all tests."""

import gc
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from t2tlite import registry
from t2tlite.api import problems
from t2tlite.plugins import loading

TABLES = [registry.problems, registry.models, registry.hparams_sets, registry.ranged_hparams_sets]

# Tests leave the user's cache of compiled programs alone. JAX reads it when it is imported.
os.environ["JAX_ENABLE_COMPILATION_CACHE"] = "false"

# The libraries make a million objects that live as long as the process: looking through them again
# and again for garbage takes a tenth of the time of a short training.
gc.set_threshold(50_000, 20, 20)

# XLA_FLAGS for programs of which compilation takes longer than running them.
FAST_COMPILATION = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"

# The same examples in every run, however slow the machine is: a failure can be repeated.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")

# Training multiplies in float32 on every machine, whatever its CPU is faster with; tests of
# bfloat16 ask for it.
os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX512_CORE_VNNI")


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Two more than there are cores: many tests wait for processes that they started."""
    return (os.cpu_count() or 1) + 2


@pytest.fixture(scope="session", autouse=True)
def state_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keeps the plugin folders of tests out of those that the user trusts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


def keep_names(patch: pytest.MonkeyPatch) -> None:
    """When `patch` is undone, what was registered and loaded since is forgotten."""
    loading.load_entry_points()
    patch.setattr(loading, "_loaded", list(loading._loaded))
    patch.setattr(problems, "_remembered", set(problems._remembered))
    patch.setattr(sys, "path", list(sys.path))
    for table in TABLES:
        for names in ("_users", "_found", "_built_in"):
            patch.setattr(table, names, dict(getattr(table, names)))


@pytest.fixture(scope="module", autouse=True)
def names_of_the_file() -> Iterator[None]:
    """Forgets what a file's tests registered: the next file of the process mustn't see it."""
    with pytest.MonkeyPatch.context() as patch:
        before = set(loading._loaded)
        keep_names(patch)
        yield
        # Only a module that is imported anew registers again.
        folders = [path for path in loading._loaded if path not in before]
        for name, module in list(sys.modules.items()):
            file = getattr(module, "__file__", None)
            if file and any(Path(file).is_relative_to(folder) for folder in folders):
                del sys.modules[name]


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with real corpora and numbers that T2T produced; skips where it is absent.

    It lies beside the checkout or where T2TLITE_SHARED says, and is no part of the project.
    """
    beside = Path(__file__).resolve().parents[2] / "shared"
    folder = Path(os.environ.get("T2TLITE_SHARED", beside))
    if not folder.is_dir():
        pytest.skip(f"no reference data: {folder} doesn't exist (set T2TLITE_SHARED)")
    return folder
