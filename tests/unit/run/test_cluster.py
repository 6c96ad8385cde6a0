"""Several machines: what TF_CONFIG says, and when one is lost."""

import json

import pytest

from t2tlite.errors import DeviceError, WorkerError
from t2tlite.run import cluster


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
    found = cluster.read(text)
    assert (found.workers, found.worker) == expected


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
        cluster.read(text)


def test_only_a_lost_machine_is_told_as_one():
    import tensorflow as tf

    lost = tf.errors.UnavailableError(None, None, "connection reset")
    with pytest.raises(WorkerError, match="went away"), cluster.told_lost_workers(2):
        raise lost
    with pytest.raises(tf.errors.UnavailableError), cluster.told_lost_workers(1):
        raise lost
    with pytest.raises(ValueError, match="a bug"), cluster.told_lost_workers(2):
        raise ValueError("a bug")
