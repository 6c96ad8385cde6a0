"""Runs the real commands, as a user does."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

BIN = Path(sys.executable).parent


@pytest.fixture(scope="session", autouse=True)
def compiled_programs(tmp_path_factory):
    """A folder in which JAX keeps what it compiled: many runs here are of the same program."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    # Set for all commands; tests that start one by themselves hand the environment on.
    os.environ["JAX_COMPILATION_CACHE_DIR"] = str(folder / "compiled_programs")
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"


@pytest.fixture(scope="session")
def command(tmp_path_factory):
    """Runs a console command in an empty folder; returns the finished process.

    With `status` it must end with that exit status.
    """
    folder = tmp_path_factory.mktemp("cwd")

    def run(*words, status=0, stdin="", **environment):
        done = subprocess.run(
            [str(BIN / words[0]), *map(str, words[1:])],
            input=stdin,
            capture_output=True,
            text=True,
            cwd=folder,
            env={**os.environ, **environment},
            timeout=900,
        )
        assert done.returncode == status, f"{words}\n{done.stdout}\n{done.stderr}"
        return done

    return run


@pytest.fixture(scope="session")
def digits(command, tmp_path_factory):
    """A data folder of reverse_digits."""
    folder = tmp_path_factory.mktemp("digits")
    command("t2t-datagen", "--problem=reverse_digits", f"--data_dir={folder}")
    return folder


def free_ports(count):
    """Ports of this machine that nobody uses."""
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("localhost", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports
