"""A trial without a model: what t2t-trainer does with files, signals and its exit status.

  python fake_trial.py FOLDER STEPS BEHAVIOUR

Each step is an evaluation. The accuracy is best at learning_rate_constant=1. BEHAVIOUR is JSON: by
the number of a trial one of "crash", "memory", "disk", "diverge", "interrupt", "terminate", "slow",
"saves slowly" and "lingers".
"""

import json
import os
import signal
import sys
import time
from pathlib import Path

folder, steps = Path(sys.argv[1]), int(sys.argv[2])
behaviour = json.loads(sys.argv[3]).get(folder.name, "")
(folder / "cores").write_text(str(sorted(os.sched_getaffinity(0))))
with open(folder / "starts", "a") as starts:
    starts.write(f"{os.getpid()}\n")
stops = []
signal.signal(signal.SIGTERM, lambda *_: stops.append(True))


def read(name, default):
    path = folder / name
    return path.read_text() if path.exists() else default


def write(name, text):
    (folder / f"{name}.new").write_text(text)
    os.replace(folder / f"{name}.new", folder / name)


rate = json.loads(read("hparams.json", ""))["learning_rate_constant"]
step = json.loads(read("checkpoint.json", '{"steps": [0]}'))["steps"][-1]
print("at step", step)
while step < steps and not stops:
    step += 1
    if behaviour == "crash":
        sys.exit("t2t-trainer: no data: generate it")
    if behaviour == "memory":
        os.kill(os.getpid(), signal.SIGKILL)
    if behaviour == "disk":
        sys.exit("t2t-trainer: can't write model: No space left on device; free some space")
    if behaviour == "diverge":
        (folder / "not_finite-1.jsonl").touch()
        sys.exit("t2t-trainer: the loss is not finite")
    accuracy = 1 / (1 + abs(rate - 1)) - 0.1 / step
    row = {"step": step, "accuracy": accuracy, "loss": 1 - accuracy}
    rows = [*read("eval.jsonl", "").splitlines(), json.dumps(row)]
    (folder / f"model.ckpt-{step}.safetensors").touch()
    write("checkpoint.json", json.dumps({"steps": [step]}))
    write("eval.jsonl", "\n".join(rows) + "\n")
    if step == 2 and behaviour in ("interrupt", "terminate"):
        if behaviour == "interrupt":
            os.kill(os.getppid(), signal.SIGINT)
        else:
            os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(0.05 if behaviour in ("slow", "interrupt", "saves slowly") else 0.001)
if behaviour == "lingers":
    # As while the trainer draws its curves: SIGTERM kills it.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    time.sleep(0.1)
if stops and behaviour == "saves slowly":
    time.sleep(0.5)
with open(folder / "starts", "a") as starts:
    starts.write("ended\n")
