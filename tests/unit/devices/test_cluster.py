"""Several machines: TF_CONFIG, connecting, and losing one of them."""

import json
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from t2tlite.devices import cluster
from t2tlite.errors import DeviceError, WorkerError


def config(kind, index, **cluster):
    return json.dumps({"cluster": cluster, "task": {"type": kind, "index": index}})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", (1, 0)),
        ("{}", (1, 0)),
        (config("worker", 1, worker=["a:1", "b:1"]), (2, 1)),
        (config("chief", 0, chief=["a:1"], worker=["b:1", "c:1"]), (3, 0)),
        (config("worker", 1, chief=["a:1"], worker=["b:1", "c:1"]), (3, 2)),
        # As T2T's t2t-make-tf-configs prints them: ps beside a master train, beside a chief not.
        (config("master", 0, master=["a:1"], ps=["b:1", "c:1"]), (3, 0)),
        (config("ps", 1, master=["a:1"], ps=["b:1", "c:1"]), (3, 2)),
        (config("worker", 0, chief=["a:1"], worker=["b:1"], ps=["c:1"]), (2, 1)),
        (config("ps", 0, chief=["a:1"], worker=["b:1"], ps=["c:1"]), (2, -1)),
    ],
)
def test_cluster(monkeypatch, text, expected):
    monkeypatch.setenv("TF_CONFIG", text)
    machines = cluster.current()
    assert (machines.workers, machines.worker) == expected


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '{"cluster": {"worker": ["a:1"]}}',
        config("worker", 2, worker=["a:1", "b:1"]),
        config("ps", 1, worker=["a:1"], ps=["b:1"]),
        config("ps", 0, worker=["a:1"]),
        config("evaluator", 0, worker=["a:1"], evaluator=["b:1"]),
    ],
)
def test_a_wrong_cluster(monkeypatch, text):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(DeviceError, match="TF_CONFIG can't be used .* t2t-make-tf-configs"):
        cluster.current()


def test_tf_config_of_each_machine(monkeypatch):
    machines = cluster.arrange({"master": ["a:1"], "ps": ["b:1", "c:1"]})
    for worker in range(3):
        monkeypatch.setenv("TF_CONFIG", machines.tf_config(worker))
        assert cluster.current() == machines._replace(worker=worker)


def test_nothing_trains_on_a_parameter_server(monkeypatch):
    monkeypatch.setenv("TF_CONFIG", config("ps", 0, chief=["a:1"], worker=["b:1"], ps=["c:1"]))
    with pytest.raises(DeviceError, match="on the machines of chief and worker only"):
        cluster.supervise()


def test_only_errors_of_a_lost_machine_become_worker_errors():
    import tensorflow as tf

    lost = tf.errors.UnavailableError(None, None, "connection reset")
    with pytest.raises(WorkerError, match="went away"), cluster.lost_worker_errors(2):
        raise lost
    with pytest.raises(tf.errors.UnavailableError), cluster.lost_worker_errors(1):
        raise lost
    with pytest.raises(ValueError, match="a bug"), cluster.lost_worker_errors(2):
        raise ValueError("a bug")


def test_machines_that_do_not_connect():
    handler = signal.getsignal(signal.SIGINT)
    machines = cluster.Cluster(("a:1", "b:1"), 1)
    message = r"didn't connect \(in use\); start the same command"
    with pytest.raises(DeviceError, match=message), cluster.joining(machines):
        assert signal.getsignal(signal.SIGINT) == signal.SIG_DFL
        raise RuntimeError("in use\nmore")
    assert signal.getsignal(signal.SIGINT) == handler


# A process that appends its id to a log, then ends in the next of the ways it is given.
MACHINE = """
import os, pathlib, signal, sys, time
from t2tlite.devices import cluster
cluster.supervise()
log = pathlib.Path(sys.argv[1])
ran = len(log.read_text().splitlines()) if log.exists() else 0
with log.open("a") as file:
    print(os.getpid(), file=file)
match sys.argv[2:][ran]:
    case "aborts":
        os.abort()
    case "loses":
        cluster.exit_for_restart()
    case "stays":
        time.sleep(100)
    case status:
        sys.exit(int(status))
"""


@pytest.fixture
def machine(tmp_path):
    """Starts a process that ends in these ways, one after the other."""
    started = []

    def machine(*ways):
        script = tmp_path / "machine.py"
        script.write_text(MACHINE)
        words = [sys.executable, script, tmp_path / "log", *ways]
        started.append(subprocess.Popen(words, stderr=subprocess.PIPE, text=True))
        return started[-1]

    yield machine
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(
    ("ways", "status"),
    [
        (["0"], 0),
        (["2"], 2),
        (["loses", "loses", "loses", "loses", "0"], 0),
        (["aborts", "aborts", "loses", "aborts", "3"], 3),
        (["aborts", "aborts", "aborts", "aborts", "0"], 128 + signal.SIGABRT),
    ],
)
def test_a_process_is_restarted_only_when_it_lost_a_machine(machine, tmp_path, ways, status):
    process = machine(*ways)
    assert process.wait(timeout=60) == status
    runs = (tmp_path / "log").read_text().splitlines()
    assert len(runs) == len(set(runs)) == len(ways) - (status > 128)


def running(tmp_path):
    """Waits until the process has written its id, and returns it."""
    deadline = time.monotonic() + 60
    while not (tmp_path / "log").exists() or not (tmp_path / "log").read_text().endswith("\n"):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return int((tmp_path / "log").read_text())


def test_a_signal_is_forwarded(machine, tmp_path):
    process = machine("stays", "0")
    running(tmp_path)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) == 128 + signal.SIGTERM


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux signals a parent's end")
def test_the_child_of_a_killed_process_is_killed(machine, tmp_path):
    process = machine("stays")
    number = running(tmp_path)
    process.kill()
    deadline = time.monotonic() + 60
    while pathlib.Path(f"/proc/{number}").exists():
        state = pathlib.Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0]
        if state == "Z":  # its end was not waited for yet
            break
        assert time.monotonic() < deadline
        time.sleep(0.01)
