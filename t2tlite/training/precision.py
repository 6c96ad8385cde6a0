"""Which precision a training multiplies in: the one asked for, that of the run, or the faster."""

from __future__ import annotations

from pathlib import Path

from t2tlite.checkpoint import run_record
from t2tlite.checkpoint.run_record import RunRecord
from t2tlite.config import AUTO
from t2tlite.devices.devices import Devices


def settle(run: RunRecord, device: Devices, output_dir: str = "") -> str:
    """Sets the precision of a run that leaves it open, and returns it as shown at the start.

    A run that goes on keeps its precision on every device. A new one gets bfloat16 where it is
    faster on the devices of all machines.

    Args:
      run: the run; its activation_dtype may be "auto".
      device: where it trains.
      output_dir: the model folder; "": the run is new.
    """
    path = Path(output_dir, run_record.NAME)
    before = run_record.read(output_dir).precision if output_dir and path.exists() else AUTO
    asked = run.precision
    faster = "bfloat16" if device.on_all_machines(device.multiplies_bfloat16) else "float32"
    chosen = asked
    if chosen == AUTO:
        chosen = faster if before == AUTO else before
    run.hparams["activation_dtype"] = chosen
    return f"{chosen} products{_remark(asked, before, chosen, faster, device.kind)}"


def _remark(asked: str, before: str, chosen: str, faster: str, kind: str) -> str:
    """Returns where the precision comes from, and whether the other one should be faster."""
    if before not in (AUTO, chosen):
        return f" from now on, {before} before"
    if before == chosen:
        slower = f"; --precision={faster} should be faster on this {kind}"
        return f" as before{slower if chosen != faster else ''}"
    if asked == AUTO and chosen == "bfloat16":
        return f" (chosen for this {kind}; --precision=float32 for float32)"
    if chosen == "bfloat16" and faster == "float32":
        return f" (float32 should be faster on this {kind})"
    return ""
