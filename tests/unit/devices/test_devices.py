"""Devices and the flags that choose them."""

import os
import types
from pathlib import Path

import pytest

from t2tlite import cores, libraries
from t2tlite.devices import devices
from t2tlite.errors import DeviceError


@pytest.mark.parametrize(
    ("flags", "has"),
    [("avx2 amx_bf16", True), ("avx2 avx512_bf16", True), ("avx2 avx512_vnni", False)],
)
def test_products_in_bfloat16(monkeypatch, flags, has):
    monkeypatch.setattr(Path, "read_text", lambda self: f"model name: X\nflags : fpu {flags}\n")
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA")
    cpu = devices.Devices("tensorflow", "CPU", 1)
    assert cpu.multiplies_bfloat16 is has
    assert not devices.Devices("jax", "CPU", 1).multiplies_bfloat16
    assert devices.Devices("jax", "TPU", 1).multiplies_bfloat16
    for limit, allowed in [("avx512_core_bf16", has), ("avx512_core_vnni", False)]:
        monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", limit)
        assert cpu.multiplies_bfloat16 is allowed
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA")
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    assert not cpu.multiplies_bfloat16


@pytest.mark.parametrize(
    ("capabilities", "has"),
    [(["8.0"], True), (["12.1"], True), (["9.0", "7.5"], False), (["gfx90a"], False), ([], False)],
)
def test_gpus_that_multiply_in_bfloat16(monkeypatch, capabilities, has):
    """Turing (7.5) emulates it; of GPUs without CUDA nothing is known."""
    tf, jax = pytest.importorskip("tensorflow"), pytest.importorskip("jax")
    gpus = [types.SimpleNamespace(compute_capability=one) for one in capabilities]
    monkeypatch.setattr(jax, "local_devices", lambda: gpus)
    assert devices.Devices("jax", "GPU", 1).multiplies_bfloat16 is has
    # TensorFlow has numbers, and nothing where the driver says nothing.
    details = {
        one: {"compute_capability": tuple(map(int, one.split(".")))} if "." in one else {}
        for one in capabilities
    }
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda _: capabilities)
    monkeypatch.setattr(tf.config.experimental, "get_device_details", details.get)
    assert devices.Devices("tensorflow", "GPU", 1).multiplies_bfloat16 is has


@pytest.mark.parametrize(
    ("usable", "shown"), [(1, "1 core of 4"), (2, "2 cores of 4"), (4, "4 cores")]
)
def test_the_panel_shows_the_cores_that_this_process_may_use(monkeypatch, usable, shown):
    monkeypatch.setattr(cores, "available", lambda: usable)
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    cpu = devices.Devices("tensorflow", "CPU", 1)
    assert str(cpu) == f"CPU (Keras on tensorflow, {shown})"


@pytest.mark.parametrize(("usable", "threads"), [(1, [1, 1]), (4, [])])
def test_a_quota_of_cores_limits_the_threads(monkeypatch, usable, threads):
    """Without a quota TensorFlow's own choice, one a core, stays."""
    found = []
    functions = "set_intra_op_parallelism_threads", "set_inter_op_parallelism_threads"
    threading = types.SimpleNamespace(**dict.fromkeys(functions, found.append))
    tf = types.SimpleNamespace(config=types.SimpleNamespace(threading=threading))
    monkeypatch.setattr(cores, "schedulable", lambda: 4)
    monkeypatch.setattr(cores, "available", lambda: usable)
    devices._limit_threads(tf)
    assert found == threads


def test_flags_that_do_not_fit():
    for flags, message in [
        ({"use_tpu": True, "backend": "tensorflow"}, "--use_tpu runs on JAX; drop --backend"),
        ({"backend": "torch"}, "--backend=torch is not one of: tensorflow, jax"),
        ({"model_parallel": 2}, "--model_parallel=2 needs JAX; add --backend=jax or --use_tpu"),
    ]:
        with pytest.raises(DeviceError, match=message):
            devices.choose(**flags)


@pytest.mark.parametrize(
    ("installed", "variable", "flags", "expected"),
    [
        ("tensorflow jax", None, {}, "tensorflow"),
        ("jax", None, {}, "jax"),
        ("tensorflow jax", "jax", {}, "jax"),
        ("tensorflow jax", "jax", {"backend": "tensorflow"}, "tensorflow"),
        ("tensorflow jax", "tensorflow", {"use_tpu": True}, "jax"),
        ("", None, {}, "neither TensorFlow nor JAX is installed: pip install tensorflow"),
        ("jax", "torch", {}, "KERAS_BACKEND=torch is not one of: tensorflow, jax"),
        ("jax", "tensorflow", {}, "KERAS_BACKEND=tensorflow needs tensorflow, which isn't"),
        ("jax", None, {"backend": "tensorflow"}, "pip install tensorflow tensorflow-text"),
        ("tensorflow", None, {"backend": "jax"}, "--backend=jax needs jax, which isn't installed"),
        ("tensorflow", None, {"use_tpu": True}, r"--use_tpu needs .*: pip install jax\[tpu\]"),
    ],
)
def test_the_backend(monkeypatch, installed, variable, flags, expected):
    monkeypatch.setattr(libraries, "is_installed", lambda name: name in installed.split())
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    if variable:
        monkeypatch.setenv("KERAS_BACKEND", variable)
    if expected in ("tensorflow", "jax"):
        assert devices.backend_name(**flags) == expected
    else:
        with pytest.raises(DeviceError, match=expected):
            devices.backend_name(**flags)


def test_another_backend_than_that_of_the_process():
    keras = pytest.importorskip("keras")
    running = keras.backend.backend()
    other = "jax" if running == "tensorflow" else "tensorflow"
    with pytest.raises(DeviceError, match=f"needs Keras on {other}, but this process runs it on"):
        devices.choose(backend=other)


def test_what_a_gpu_is_called_and_likes():
    gpu = devices.Devices("jax", "GPU", 2, chip="NVIDIA H100 80GB HBM3")
    assert str(gpu) == "2 x GPU NVIDIA H100 80GB HBM3 (Keras on jax)"
    lengths = {
        kind: devices.Devices("jax", kind, 1).length_multiple for kind in ("CPU", "GPU", "TPU")
    }
    assert lengths == {"CPU": 1, "GPU": 8, "TPU": 128}
