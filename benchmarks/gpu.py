"""Trains and decodes with t2tlite on one GPU, in turn with a peer; gpu.sh installs and starts it.

Each part is a process of its own: one that fails or takes too long is told, and the next begins.
The results are written after each part.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

# Dense bfloat16 products, TFLOP/s, from NVIDIA's data sheets, by a part of the GPU's name.
PEAKS = {
    "B200": 2250,
    "H200": 989,
    "H100 PCIe": 756,
    "H100": 989,
    "A100": 312,
    "L40S": 362,
    "L4": 121,
    "A10": 125,
}
WARM_UP = 100  # steps that don't count; TensorBoard's curves have a point every 100
DECODED = 128, 32  # lines, and about their tokens

RATE = """
import jax, json, time
jnp = jax.numpy
device = jax.devices()[0]
n = 1024 if device.platform == "cpu" else 8192
a = jax.random.normal(jax.random.key(0), (n, n), jnp.bfloat16)
multiply = jax.jit(jnp.matmul)
best = 0.0
for _ in range(4):
    multiply(a, a).block_until_ready()
    started = time.perf_counter()
    products = [multiply(a, a) for _ in range(10)]
    products[-1].block_until_ready()
    best = max(best, 10 * 2 * n**3 / (time.perf_counter() - started) / 1e12)
print(json.dumps({"gpu": device.device_kind, "platform": device.platform, "tflops": best,
                  "jax": jax.__version__}))
"""

# The peer is written for a CPU: its tensors go to the GPU, and its clock waits for the GPU.
# torch.set_default_device would slow each call down.
PEER = """
import json, runpy, sys, time, torch
torch.set_default_tensor_type(torch.cuda.FloatTensor)
class Autocast(torch.autocast):
    def __init__(self, kind, *args, **options):
        super().__init__("cuda", *args, **options)
torch.autocast, clock = Autocast, time.perf_counter
time.perf_counter = lambda: (torch.cuda.synchronize(), clock())[1]
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
print(json.dumps({"peak_gb": torch.cuda.max_memory_allocated() / 1e9}))
"""

DECODE = """
import itertools, json, sys, time
from t2tlite import DecodeHParams, Decoder, registry
folder, problem, data_dir, tmp_dir, count, length = sys.argv[1:]
decoder = Decoder(folder)
encoder = decoder.problem.feature_encoders(folder)["inputs"]
samples = registry.problem(problem).generate_samples(data_dir, tmp_dir, "train")
texts = (sample["inputs"] for sample in samples)
fits = lambda text: int(length) * 3 // 4 <= len(encoder.encode(text)) < int(length)
lines = list(itertools.islice(filter(fits, texts), int(count)))
tokens = sum(len(encoder.encode(line)) + 1 for line in lines)
for name, beams in (("greedy", 1), ("beam4", 4)):
    hparams = DecodeHParams(beams, extra_length=0, force_decode_length=True)
    seconds = []
    for _ in range(4):
        started = time.perf_counter()
        decoder.n_best(lines, hparams)
        seconds.append(time.perf_counter() - started)
    print(json.dumps({f"{name}_tokens_per_s": tokens / min(seconds[1:]),
                      f"{name}_first_s": seconds[0]}), flush=True)
"""


def step_tflop(shapes: dict[str, tuple[int, ...]], hparams: dict[str, Any], rows: int, width: int):
    """TFLOP of a training step's products, forward and backward.

    6 for each weight of a product and each position, and 12 x rows x queries x keys x hidden size
    for each attention, masked or not (Chowdhery et al. 2022, arXiv 2204.02311, appendix B). An
    embedding that is also the softmax counts once.
    """
    kernels = sum(a * b for name, (a, b) in shapes.items() if name.endswith("kernel"))
    tables = [a * b for name, (a, b) in shapes.items() if name.endswith("embedding/embedding")]
    layers = [hparams[f"num_{stack}_layers"] or hparams["num_hidden_layers"]
              for stack in ("encoder", "decoder")]  # fmt: skip
    attention = 12 * rows * width * width * hparams["hidden_size"] * (layers[0] + 2 * layers[1])
    return (6 * rows * width * (kernels + max(tables)) + attention) / 1e12


class Benchmark:
    """The parts of a run, and what they found so far."""

    def __init__(self, flags: argparse.Namespace):
        self.flags, self.out = flags, Path(flags.out)
        self.end = time.monotonic() + flags.seconds
        self.found: dict[str, Any] = {"failed": {}}

    def run(self, part: str, command: list[str], at_most: float, **environment: str) -> str | None:
        """Runs a process of a part; returns what it printed, or None and tells why."""
        limit = min(at_most, self.end - time.monotonic())
        log = self.out / f"{part}.log"
        started, reason = time.monotonic(), ""
        if limit < 10:
            reason = "no time left"
        else:
            with log.open("w") as file:
                process = subprocess.Popen(
                    command, stdout=file, stderr=subprocess.STDOUT, cwd=self.out,
                    env={**os.environ, **environment}, start_new_session=True,
                )  # fmt: skip
                try:
                    status = process.wait(limit)
                    reason = f"status {status}" if status else ""
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, 9)
                    process.wait()
                    reason = f"more than {limit:.0f} s"
        text = log.read_text(errors="replace") if log.exists() else ""
        if reason:
            last = (text.strip().splitlines() or [""])[-1][:300]
            self.found["failed"][part] = f"{reason}; {last}"
        print(f"{part}: {reason or f'{time.monotonic() - started:.0f} s'}", flush=True)
        return None if reason else text

    def command(self, name: str, *flags: str) -> list[str]:
        """A command of t2tlite."""
        return [sys.executable, "-m", "t2tlite", name, f"--problem={self.flags.problem}", *flags]

    def json_lines(self, part: str, text: str | None) -> dict[str, Any]:
        """Puts the JSON objects that a part printed into the results."""
        objects = [line for line in (text or "").splitlines() if line.startswith("{")]
        merged: dict[str, Any] = {}
        for line in objects:
            merged |= json.loads(line)
        if merged:
            self.found[part] = merged
        return merged

    def machine(self) -> None:
        """Names the GPU and measures its rate of products."""
        rate = self.json_lines("machine", self.run("machine", [sys.executable, "-c", RATE], 90))
        gpu, peak = rate.get("gpu", ""), None
        for name, tflops in PEAKS.items():
            if peak is None and re.search(rf"\b{name}\b", gpu):
                peak = tflops
        self.found["peak_tflops"] = peak or rate.get("tflops")
        self.found["peak_from"] = "data sheet" if peak else "measured products"

    def data(self) -> None:
        """Writes the data, unless the user has them."""
        self.data_dir = self.flags.data_dir or str(self.out / "data")
        if not self.flags.data_dir:
            flags = [f"--data_dir={self.data_dir}", f"--tmp_dir={self.out / 'tmp'}"]
            self.run("datagen", self.command("datagen", *flags), 120)

    def run_trainer(self, size: str, label: str, steps: int, *flags: str, **hparams: Any):
        """Trains by t2t-trainer; returns what it printed, or None."""
        rows, width = self.flags.rows, self.flags.width
        folder = self.out / f"model-{label}"
        assignments = {"batch_size": rows * width, "max_length": width,
                       "activation_dtype": "bfloat16", "batching": "pack", **hparams}  # fmt: skip
        command = self.command(
            "trainer", "--backend=jax", "--model=transformer", f"--hparams_set=transformer_{size}",
            "--hparams=" + ",".join(f"{name}={value}" for name, value in assignments.items()),
            f"--data_dir={self.data_dir}", f"--output_dir={folder}", f"--train_steps={steps}",
            "--schedule=train", f"--local_eval_frequency={steps}", *flags,
        )  # fmt: skip
        return self.run(f"train-{label}", command, 240)

    def train(self, size: str, label: str, steps: int, **hparams: Any) -> None:
        """Trains and reads the curves, also those of a training that took too long."""
        text = self.run_trainer(size, label, steps, **hparams)
        folder = self.out / f"model-{label}"
        if text is None and not list(folder.glob("events.out*")):
            return
        peak = re.search(r"peak memory of the \w+: ([\d.]+) GB", text or "")
        self.found[f"train-{label}"] = self.curves(folder, self.flags.rows, self.flags.width) | {
            "peak_gb": float(peak[1]) if peak else None
        }

    def curves(self, folder: Path, rows: int, width: int) -> dict[str, float]:
        """The speed of a training after its warm-up, from its events."""
        from safetensors import safe_open
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

        events = EventAccumulator(str(folder)).Reload()

        def mean(name: str) -> float:
            values = [one.value for one in events.Scalars(name) if one.step > WARM_UP]
            if not values:
                raise ValueError(f"{folder.name}: no curve after step {WARM_UP}")
            return sum(values) / len(values)

        figures = {name: mean(name) for name in ("steps_per_second", "tokens_per_second",
                                                 "data_wait_share", "padded_share")}  # fmt: skip
        figures["positions_per_second"] = figures["steps_per_second"] * rows * width
        if weights := sorted(folder.glob("model.ckpt-*.safetensors")):
            with safe_open(weights[-1], "numpy") as file:
                shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
            matrices = {name: shape for name, shape in shapes.items() if len(shape) == 2}
            hparams = json.loads((folder / "run.json").read_text())["hparams"]
            tflop = step_tflop(matrices, hparams, rows, width)
            figures["tflop_a_step"] = tflop
            if peak := self.found.get("peak_tflops"):
                figures["mfu"] = tflop * figures["steps_per_second"] / peak
            self.found["vocab"] = max(a for name, (a, _) in matrices.items() if "embedding" in name)
        return figures

    def peer(self, part: str, size: str, *flags: str) -> None:
        """Runs the peer with a model of the same size."""
        if not self.flags.peer:
            return
        sizes = {"base": (6, 512, 8, 2048), "big": (6, 1024, 16, 4096), "tiny": (2, 128, 4, 512)}
        names = ("--layers", "--d", "--heads", "--ff")
        shape = [f"{name}={value}" for name, value in zip(names, sizes[size], strict=True)]
        vocab = f"--vocab={self.found.get('vocab', 8192)}"
        command = [sys.executable, "-c", PEER, self.flags.peer, "--impl=sdpa", *shape, vocab]
        self.json_lines(part, self.run(part, [*command, *flags], 180))

    def decode(self, size: str) -> None:
        """Decodes lines of the problem with the trained model."""
        lines, length = map(str, DECODED)
        arguments = [str(self.out / f"model-{size}"), self.flags.problem, self.data_dir]
        arguments += [str(self.out / "tmp"), lines, length]
        command = [sys.executable, "-c", DECODE, *arguments]
        self.json_lines(f"decode-{size}", self.run(f"decode-{size}", command, 120))

    def profile(self, size: str) -> None:
        """Keeps the table of --profile."""
        text = self.run_trainer(size, f"{size}-profile", WARM_UP // 2, "--profile") or ""
        if (start := text.find("where a step's time goes")) >= 0:
            (self.out / "profile.txt").write_text(text[start:])

    def write(self) -> None:
        """Writes and prints what is known so far."""
        (self.out / "results.json").write_text(json.dumps(self.found, indent=1))
        machine = self.found.get("machine", {})
        text = (
            f"{machine.get('gpu', 'unknown GPU')}, {machine.get('tflops', 0):.0f} TFLOP/s in "
            f"bfloat16 products; peak {self.found.get('peak_tflops') or 0:.0f} TFLOP/s "
            f"({self.found.get('peak_from')}); {self.flags.rows} x {self.flags.width} positions\n\n"
            "| part | positions/s | tokens/s | MFU | peak GB | waiting | times the peer |\n"
            "| --- | --- | --- | --- | --- | --- | --- |\n"
        )
        for part, found in self.found.items():
            if part.startswith("train-"):
                base = part.split("-")[1]
                other = self.found.get(f"peer-{base}", {}).get("tgt_tokens_per_s")
                ratio = f"{found['positions_per_second'] / other:.2f}" if other else ""
                text += (
                    f"| {part} | {found['positions_per_second']:,.0f} | "
                    f"{found['tokens_per_second']:,.0f} | {found.get('mfu', 0):.1%} | "
                    f"{found['peak_gb'] or 0:.1f} | {found['data_wait_share']:.1%} | {ratio} |\n"
                )
            elif part.startswith("peer-") and "tgt_tokens_per_s" in found:
                rate = f"{found['tgt_tokens_per_s']:,.0f}"
                text += f"| {part} | {rate} | {rate} | | {found.get('peak_gb', 0):.1f} | | |\n"
        for part, found in self.found.items():
            if isinstance(found, dict) and "greedy_tokens_per_s" in found:
                beam = found.get("beam4_tokens_per_s", 0)
                text += f"\n{part}: greedy {found['greedy_tokens_per_s']:,.0f} tokens/s, "
                text += f"beam 4 {beam:,.0f} tokens/s\n"
        for part, reason in self.found["failed"].items():
            text += f"\nfailed: {part}: {reason}\n"
        (self.out / "results.md").write_text(text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", required=True)
    parser.add_argument("--problem", default="modernize_kjv")
    parser.add_argument("--data_dir", default="")
    parser.add_argument("--peer", default="")
    parser.add_argument("--seconds", type=float, default=570)
    parser.add_argument("--rows", type=int, default=64)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--sizes", nargs="+", default=["base", "big"])
    parser.add_argument("--steps", type=int, default=800, help="of the first size; others half")
    flags = parser.parse_args()
    flags.peer = flags.peer and str(Path(flags.peer).resolve())
    flags.data_dir = flags.data_dir and str(Path(flags.data_dir).resolve())
    benchmark = Benchmark(flags)
    first = flags.sizes[0]
    shape = [f"--batch={flags.rows}", f"--len={flags.width}", "--steps=50", "--warmup=10"]
    training = [*shape, "--compile", "--bf16", "--no-gen"]
    decoding = ["--no-train", f"--gen-batch={DECODED[0]}", f"--gen-len={DECODED[1]}"]
    decoding += [f"--len={DECODED[1]}", "--beam=4"]
    parts = [benchmark.machine, benchmark.data]
    for size in flags.sizes:
        steps = flags.steps if size == first else max(flags.steps // 2, 2 * WARM_UP)
        parts.append(lambda size=size, steps=steps: benchmark.train(size, size, steps))
        parts.append(lambda size=size: benchmark.peer(f"peer-{size}", size, *training))
    parts += [
        # cuDNN's attention runs only without dropout of the weights.
        lambda: benchmark.train(first, f"{first}-fused", 2 * WARM_UP, attention_dropout=0.0),
        lambda: benchmark.decode(first),
        lambda: benchmark.peer("peer-decode", first, *decoding),
        lambda: benchmark.profile(first),
    ]
    for part in parts:
        try:
            part()
        except Exception as error:
            left = benchmark.end - time.monotonic()
            benchmark.found["failed"][f"with {left:.0f} s left"] = repr(error)
        benchmark.write()
    print((benchmark.out / "results.md").read_text())


if __name__ == "__main__":
    main()
