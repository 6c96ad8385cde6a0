"""JAX's cache of compiled programs on disk: a restarted command compiles nothing again."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import platform
import shutil
import tempfile
import warnings
from pathlib import Path
from typing import Any

from t2tlite import libraries
from t2tlite.errors import OutputError
from t2tlite.files import make_folder

# The programs that were not used for longest are deleted beyond this size.
MOST_BYTES = 2 * 2**30
# On a disk with less free space nothing is cached.
LEAST_FREE_BYTES = 2**30
# Small programs are many, and are cached, too.
THRESHOLDS = {
    "jax_persistent_cache_min_compile_time_secs": 0,
    "jax_persistent_cache_min_entry_size_bytes": -1,
}


def enable(device: Any) -> None:
    """Makes JAX keep compiled programs in the user's cache folder, if that is safe.

    JAX_COMPILATION_CACHE_DIR names another folder, or none if it is empty. Must be called before
    the first program is compiled.

    Args:
      device: one of jax.devices(); programs are kept apart by its kind.
    """
    import jax

    if not jax.config.jax_enable_compilation_cache:
        return
    if jax.config.jax_compilation_cache_dir is None:
        # Of several processes only the first writes, and GPUs are tuned by all of them together.
        folder = _folder(device) if jax.process_count() == 1 else None
        if folder is None:
            return
        jax.config.update("jax_compilation_cache_dir", str(folder))
    for name, value in THRESHOLDS.items():
        if name.upper() not in os.environ:
            jax.config.update(name, value)
    # Then the program is compiled again, or isn't kept.
    warnings.filterwarnings("ignore", "Error (reading|writing) persistent compilation cache entry")


def _folder(device: Any) -> Path | None:
    """Returns a folder for this kind of machine that can be written to, or None."""
    cache = os.environ.get("XDG_CACHE_HOME", "")
    # A relative path is invalid by the XDG standard.
    cache = cache if os.path.isabs(cache) else os.path.expanduser("~/.cache")
    # A home folder may be shared by machines with other CPUs. JAX tells other devices apart.
    machine = [importlib.metadata.version("jaxlib"), platform.machine(), *sorted(_cpu())]
    key = hashlib.sha256("\n".join(machine).encode()).hexdigest()[:16]
    try:
        folder = make_folder(Path(cache, "t2tlite", "jax", key)) if os.path.isabs(cache) else None
        if folder is None or shutil.disk_usage(folder).free < LEAST_FREE_BYTES:
            return None
        # Whoever may write to it can run code as this user.
        folder.chmod(0o700)
        _prune(folder)
        return folder if device.platform != "cpu" or _reloads(folder) else None
    except (OutputError, OSError):
        return None


def _cpu() -> set[str]:
    """Returns the lines of /proc/cpuinfo that name the CPU and its instruction sets."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return set()
    return {line for line in lines if line.lower().startswith(("flags", "features", "model name"))}


def _prune(folder: Path) -> None:
    """Deletes the programs that were read longest ago beyond MOST_BYTES."""
    total = 0
    for path in sorted(folder.iterdir(), key=lambda path: path.stat().st_atime, reverse=True):
        total += path.stat().st_size
        if total > MOST_BYTES:
            path.unlink(missing_ok=True)


def _reloads(folder: Path) -> bool:
    """Whether this CPU accepts programs that were compiled for it; asked once for each folder.

    XLA refuses them on some of Intel's (github.com/openxla/xla/issues/44565), with an error message
    for each program.
    """
    answer = folder / "reloads"
    if not answer.exists():
        answer.write_text("yes" if _reloads_a_program() else "no")
    return answer.read_text() == "yes"


def _reloads_a_program() -> bool:
    import jax
    from jax.experimental import serialize_executable

    with tempfile.NamedTemporaryFile() as messages:
        with libraries.hidden_standard_error(messages.name):
            try:
                compiled = jax.jit(lambda x: x + 1).lower(1.0).compile()
                serialize_executable.deserialize_and_load(*serialize_executable.serialize(compiled))
            except Exception:
                # XLA has no class of its own for it. Whatever is wrong, nothing is kept then.
                return False
        return "achine" not in Path(messages.name).read_text(errors="replace")
