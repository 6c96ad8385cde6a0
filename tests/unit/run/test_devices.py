"""Where to run: what TF_CONFIG says, and what is refused."""

import json
from pathlib import Path

import pytest

from t2tlite.errors import DeviceError, WorkerError
from t2tlite.run import devices


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
    ],
)
def test_cluster(text, expected):
    assert devices.cluster(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '{"cluster": {"worker": ["a:1"]}}',
        config("worker", 2, worker=["a:1", "b:1"]),
        config("ps", 0, worker=["a:1"], ps=["b:1"]),
        config("worker", 0, worker=["a:1"], ps=["b:1"]),
    ],
)
def test_a_wrong_cluster(text):
    with pytest.raises(DeviceError, match="TF_CONFIG can't be used .* t2t-make-tf-configs"):
        devices.cluster(text)


@pytest.mark.parametrize(("flags", "has"), [("avx2 amx_bf16", True), ("avx2 avx512f", False)])
def test_products_in_bfloat16(monkeypatch, flags, has):
    monkeypatch.setattr(Path, "read_text", lambda self: f"model name: X\nflags : fpu {flags}\n")
    assert devices.Devices("tensorflow", "CPU", 1).multiplies_bfloat16 is has
    assert devices.Devices("tensorflow", "GPU", 1).multiplies_bfloat16


def test_only_a_lost_machine_is_told_as_one():
    import tensorflow as tf

    lost = tf.errors.UnavailableError(None, None, "connection reset")
    alone = devices.Devices("tensorflow", "CPU", 1)
    two = devices.Devices("tensorflow", "CPU", 2, workers=2)
    with pytest.raises(WorkerError, match="went away"), devices.told_lost_workers(two):
        raise lost
    with pytest.raises(tf.errors.UnavailableError), devices.told_lost_workers(alone):
        raise lost
    with pytest.raises(ValueError, match="a bug"), devices.told_lost_workers(two):
        raise ValueError("a bug")
