"""Where to run."""

from pathlib import Path

import pytest

from t2tlite.devices import devices


@pytest.mark.parametrize(("flags", "has"), [("avx2 amx_bf16", True), ("avx2 avx512_bf16", False)])
def test_products_in_bfloat16(monkeypatch, flags, has):
    monkeypatch.setattr(Path, "read_text", lambda self: f"model name: X\nflags : fpu {flags}\n")
    assert devices.Devices("tensorflow", "CPU", 1).multiplies_bfloat16 is has
    assert devices.Devices("tensorflow", "GPU", 1).multiplies_bfloat16
