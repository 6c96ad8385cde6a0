"""Runs the real commands as a user does."""

import gc
import multiprocessing
import os
import socket
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

BIN = Path(sys.executable).parent


@pytest.fixture(scope="session", autouse=True)
def compiled_programs(tmp_path_factory):
    """A folder for JAX's compilation cache, as many tests compile the same program."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    # For all commands; tests that start a process themselves pass the environment on.
    os.environ["JAX_ENABLE_COMPILATION_CACHE"] = "true"
    os.environ["JAX_COMPILATION_CACHE_DIR"] = str(folder / "compiled_programs")
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"


@pytest.fixture(scope="session")
def command(tmp_path_factory):
    """Runs a console command in an empty folder; returns the finished process.

    With `status` it must end with that exit status. `command.folder` is the folder.
    """
    folder = tmp_path_factory.mktemp("cwd")

    def run(*words, status=0, stdin="", **environment):
        words = list(map(str, words))
        on_jax = environment or "--backend=jax" in words
        done = (started if on_jax else forked)(words, stdin, folder, environment)
        assert done.returncode == status, f"{words}\n{done.stdout}\n{done.stderr}"
        return done

    run.folder = folder
    return run


def started(words, stdin, folder, environment):
    """Runs the command as a user does."""
    return subprocess.run(
        [str(BIN / words[0]), *words[1:]],
        input=stdin,
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, **environment},
        timeout=900,
    )


def forked(words, stdin, folder, environment):
    """Runs the command in a process that has TensorFlow imported, which takes seconds."""
    files = [folder / f"{name}.{os.getpid()}" for name in ("stdin", "stdout", "stderr")]
    files[0].write_text(stdin)
    process = from_warm(run_entry_point, words, folder, files)
    process.join(900)
    assert process.exitcode is not None, f"{words} took more than 900 s"
    return subprocess.CompletedProcess(
        words, process.exitcode, files[1].read_text(), files[2].read_text()
    )


def from_warm(function, *arguments):
    """Calls the function in a new process with TensorFlow already imported."""
    # TensorFlow reads it when it is imported; the commands set it, too.
    os.environ["TF_ENABLE_ONEDNN_OPTS"] = "1"
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tensorflow", "t2tlite.training.callback"])
    process = context.Process(target=function, args=arguments)
    process.start()
    return process


def run_entry_point(words, folder, files):
    """Runs a console command in this process with these standard streams."""
    # What was imported before is never garbage.
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
    os.chdir(folder)
    for number, file in enumerate(files):
        descriptor = os.open(file, os.O_RDWR | (os.O_CREAT | os.O_TRUNC if number else 0))
        os.dup2(descriptor, number)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - as long as the process
    sys.argv = [str(BIN / words[0]), *words[1:]]
    (command,) = entry_points(group="console_scripts", name=words[0])
    command.load()()


@pytest.fixture(scope="session")
def digits(command, tmp_path_factory):
    """A data folder of reverse_digits."""
    folder = tmp_path_factory.mktemp("digits")
    command("t2t-datagen", "--problem=reverse_digits", f"--data_dir={folder}")
    return folder


def free_ports(count):
    """Free ports of this machine."""
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("localhost", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports
