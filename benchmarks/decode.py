"""Times decoding, also by exports to CTranslate2, in turn with peers; see README.md."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from train import SIZES, matrix_rate, run_command

LINES, LENGTH = 128, 32
# Beams, and lines that are decoded together.
WAYS = {"greedy": (1, LINES), "beam4": (4, LINES), "greedy_line": (1, 1), "beam4_line": (4, 1)}
ENGINES = ["keras", "float32", "int8"]


def prepare(size: str, variant: str, folder: Path) -> None:
    """Writes a model with new weights, and its exports to CTranslate2.

    Args:
      size: of `SIZES`.
      variant: another set, or SET:HPARAMS; "" for that of the size.
      folder: of the model.
    """
    import keras
    import numpy as np

    from t2tlite import Decoder, registry
    from t2tlite.checkpoint import checkpoints
    from t2tlite.checkpoint.run_record import RunRecord
    from t2tlite.exporting import ctranslate2

    name, vocab_size = SIZES[size]
    name, _, changes = (variant or name).partition(":")
    problem = registry.problem("text2text_tmpdir_tokens")
    hparams = registry.hparams(name).override(changes)
    words = ["<pad>", "<EOS>", "<UNK>", *(f"w{i}" for i in range(3, vocab_size))]
    (folder / problem.vocab_filename).write_text("".join(f"{word}\n" for word in words))
    run = RunRecord.describe(problem.name, "transformer", hparams, [])
    run.take_vocabularies(folder, folder)
    run.write(folder, folder)
    keras.utils.set_random_seed(0)
    network = run.make_model(problem.get_hparams(hparams, str(folder)))
    checkpoints.write_weights(folder, 1, {one.path: np.asarray(one) for one in network.weights})
    decoder = Decoder(folder)
    for quantization in ENGINES[1:]:
        ctranslate2.export(decoder, folder / quantization, quantization)


def ours(size: str, folder: Path, engine: str, repeats: int) -> dict[str, float]:
    """Decodes random lines, every answer as long as its line, and returns the figures."""
    import numpy as np

    # EOS is the last of a line's tokens.
    draw = np.random.default_rng(0).integers(3, SIZES[size][1], (LINES, LENGTH - 1))
    words = [[f"w{word}" for word in row] for row in draw]
    figures = {}
    if engine == "keras":
        figures["matrix_gflops"] = matrix_rate("float32")
        answer = ours_by_keras(folder, words)
    else:
        answer = ours_by_ctranslate2(folder / engine, words)
    for name, (beams, count) in WAYS.items():
        seconds = []
        for _ in range(repeats + 1):
            started = time.perf_counter()
            answer(beams, count)
            seconds.append(time.perf_counter() - started)
        # The first compiles.
        figures[f"{name}_tokens_per_s"] = count * LENGTH / statistics.median(seconds[1:])
    return figures


def ours_by_keras(folder: Path, words: list[list[str]]) -> Callable[[int, int], None]:
    """Returns what answers the first lines with so many beams."""
    from t2tlite import DecodeHParams, Decoder

    decoder = Decoder(folder)
    lines = [" ".join(row) for row in words]

    def answer(beams: int, count: int) -> None:
        settings = DecodeHParams(beams, extra_length=0, force_decode_length=True)
        decoder.n_best(lines[:count], settings)

    return answer


def ours_by_ctranslate2(folder: Path, words: list[list[str]]) -> Callable[[int, int], None]:
    """The same by an export; of all answers to have one length only the library can be asked."""
    import ctranslate2

    translator = ctranslate2.Translator(str(folder), intra_threads=len(os.sched_getaffinity(0)))
    lengths = {"min_decoding_length": LENGTH, "max_decoding_length": LENGTH}

    def answer(beams: int, count: int) -> None:
        options = {"beam_size": beams, "length_penalty": 0.6, **lengths}
        found = translator.translate_batch(words[:count], **options)
        assert all(len(one.hypotheses[0]) == LENGTH for one in found)

    return answer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--peer", action="append", default=[], help="command of another system, see README.md"
    )
    parser.add_argument("--size", choices=list(SIZES), default="poetry")
    parser.add_argument(
        "--variant", action="append", default=[], help="another set, or SET:HPARAMS, see README.md"
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--prepare", type=Path, help="write the models to this folder")
    parser.add_argument("--measure", nargs=2, help="engine and folder: measure once, print JSON")
    arguments = parser.parse_args()
    if arguments.prepare:
        prepare(arguments.size, "".join(arguments.variant), arguments.prepare)
        print("{}")
    elif arguments.measure:
        engine, folder = arguments.measure
        print(json.dumps(ours(arguments.size, Path(folder), engine, arguments.repeats)))
    else:
        with tempfile.TemporaryDirectory() as folder:
            compare(arguments, folder)


def compare(arguments: argparse.Namespace, folder: str) -> None:
    """Measures all systems in turn and prints their rates and ratios."""
    from rich.console import Console
    from rich.table import Table

    # OpenMP's threads wait as they do by default: passive ones make CTranslate2 slow, most of all
    # with single lines.
    environment = {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}
    again = [sys.executable, __file__, f"--size={arguments.size}"]
    run_command([*again, f"--prepare={folder}"], environment)
    names = {"keras": "t2tlite", **{one: f"t2tlite, CTranslate2 {one}" for one in ENGINES[1:]}}
    commands = {
        names[engine]: [*again, f"--repeats={arguments.repeats}", "--measure", engine, folder]
        for engine in ENGINES
    }
    for number, variant in enumerate(arguments.variant, 1):
        other = f"{folder}/variant{number}"
        os.mkdir(other)
        run_command([*again, f"--variant={variant}", f"--prepare={other}"], environment)
        for engine in ENGINES:
            name = f"variant {number}{names[engine].removeprefix('t2tlite')}"
            options = [f"--repeats={arguments.repeats}", "--measure", engine, other]
            commands[name] = [*again, *options]
    peers = {f"peer {i}": shlex.split(peer) for i, peer in enumerate(arguments.peer, 1)}
    title = f"Tokens/s of answers, {arguments.size} size, {LINES} lines x {LENGTH} tokens"
    table = Table(title=title)
    for column in ("round", "system", *WAYS, "matrix rate", "peak MB"):
        table.add_column(column, justify="right")
    rates: dict[str, list[dict[str, float]]] = {system: [] for system in [*commands, *peers]}
    for number in range(1, arguments.rounds + 1):
        for system, command in {**commands, **peers}.items():
            found = run_command(command, environment)
            rates[system].append(found)
            cells = [rate_cell(found, way) for way in WAYS]
            matrix = f"{found['matrix_gflops']:.0f} GFLOP/s" if "matrix_gflops" in found else ""
            first = str(number) if system == "t2tlite" else ""
            table.add_row(first, system, *cells, matrix, f"{found['peak_mb']:,.0f}")
    Console(width=100).print(table)
    for us in commands:
        for peer, command in {**commands, **peers}.items():
            if peer != us and (us == "t2tlite" or peer in peers):
                shared = [way for way in WAYS if f"{way}_tokens_per_s" in rates[peer][0]]
                told = ", ".join(f"{w} {ratio(rates[us], rates[peer], w):.2f}" for w in shared)
                print(f"{us} is {told} times {peer} (median): {shlex.join(command)}")


def rate_cell(found: dict[str, float], way: str) -> str:
    """A cell of the table; blank where a peer wasn't timed that way."""
    name = f"{way}_tokens_per_s"
    return f"{found[name]:,.0f}" if name in found else ""


def ratio(us: list[dict[str, float]], its: list[dict[str, float]], way: str) -> float:
    """The median over the rounds of how many times as fast we are."""
    name = f"{way}_tokens_per_s"
    return statistics.median(a[name] / b[name] for a, b in zip(us, its, strict=True))


if __name__ == "__main__":
    main()
