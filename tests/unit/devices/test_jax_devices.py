"""JAX's devices: which GPUs a process takes, and batches that are copied ahead."""

from types import SimpleNamespace

import numpy as np
import pytest

from t2tlite.devices import jax_devices
from t2tlite.devices.cluster import Cluster

jax = pytest.importorskip("jax")

CLUSTER = Cluster(("one:1", "two:2"))


@pytest.mark.parametrize(
    ("gpus", "visible", "cluster", "expected"),
    [
        (1, "all", Cluster(), {"jax_cuda_visible_devices": "0"}),
        (0, "all", Cluster(), {"jax_cuda_visible_devices": "0"}),
        (2, "all", Cluster(), {}),
        (1, "3", Cluster(), {}),  # JAX_CUDA_VISIBLE_DEVICES=3
        (1, "all", CLUSTER, {}),
    ],
)
def test_one_gpu_leaves_the_others_their_memory(monkeypatch, gpus, visible, cluster, expected):
    values = {"jax_cuda_visible_devices": visible}
    updates: dict[str, str] = {}
    config = SimpleNamespace(values=values, update=updates.__setitem__)
    monkeypatch.setattr(jax, "config", config)
    monkeypatch.setattr(jax, "devices", lambda: ["device"])
    monkeypatch.setattr(jax_devices, "_connect", lambda *processes: None)
    assert jax_devices.devices(cluster, gpus) == ["device"]
    assert updates == expected


def test_a_batch_is_copied_ahead_to_a_gpu_only(monkeypatch):
    batch = {"targets": np.ones((2, 3), np.int32)}
    assert jax_devices.copy_ahead(batch) is batch
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    copied = jax_devices.copy_ahead(batch)
    assert isinstance(copied["targets"], jax.Array)
    assert np.array_equal(copied["targets"], batch["targets"])
    # Keras keeps it as it is.
    assert jax.device_put(copied["targets"]) is copied["targets"]
