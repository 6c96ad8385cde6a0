"""Devices and the flags that choose them."""

import logging
import os
from pathlib import Path

import pytest

from t2tlite.devices import devices, silence
from t2tlite.errors import DeviceError


@pytest.mark.parametrize(("flags", "has"), [("avx2 amx_bf16", True), ("avx2 avx512_bf16", False)])
def test_products_in_bfloat16(monkeypatch, flags, has):
    monkeypatch.setattr(Path, "read_text", lambda self: f"model name: X\nflags : fpu {flags}\n")
    assert devices.Devices("tensorflow", "CPU", 1).multiplies_bfloat16 is has
    assert devices.Devices("tensorflow", "GPU", 1).multiplies_bfloat16


def test_flags_that_do_not_fit():
    for flags, message in [
        ({"use_tpu": True, "backend": "tensorflow"}, "--use_tpu runs on JAX; drop --backend"),
        ({"backend": "torch"}, "--backend=torch is not one of: tensorflow, jax"),
        ({"model_parallel": 2}, "--model_parallel=2 needs JAX; add --backend=jax or --use_tpu"),
    ]:
        with pytest.raises(DeviceError, match=message):
            devices.choose(**flags)


def test_another_backend_than_that_of_the_process():
    keras = pytest.importorskip("keras")
    running = keras.backend.backend()
    other = "jax" if running == "tensorflow" else "tensorflow"
    with pytest.raises(DeviceError, match=f"needs Keras on {other}, but this process runs it on"):
        devices.choose(backend=other)


def test_standard_error_is_discarded(capfd):
    with silence.standard_error():
        os.write(2, b"from C++\n")
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "after\n"


def test_tensorflows_messages_are_hidden_once(monkeypatch):
    monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL", raising=False)
    logger = logging.getLogger("tensorflow")
    silence.tensorflow()
    filters = list(logger.filters)
    silence.tensorflow()
    assert logger.filters == filters
    assert os.environ["TF_CPP_MIN_LOG_LEVEL"] == "2"
    record = logging.LogRecord("tensorflow", 30, "", 0, "5 calls triggered retracing", None, None)
    assert not logger.filter(record)
