"""Times t2t-datagen on a text file, where each line and the next are a pair; see README.md."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PLUGIN = '''
import gzip
import itertools

from t2tlite import registry, text_problems

PATH, LIMIT, REPEAT = {path!r}, {limit!r}, {repeat!r}


@registry.register_problem
class BenchmarkLines(text_problems.Text2TextProblem):
    """Each line of a file, and the next one."""

    approx_vocab_size = 4096
    is_generate_per_split = False

    def generate_samples(self, data_dir, tmp_dir, dataset_split):
        for _ in range(REPEAT):
            opened = gzip.open if PATH.endswith(".gz") else open
            with opened(PATH, "rt", encoding="utf-8") as file:
                lines = (line.rstrip("\\n") for line in itertools.islice(file, LIMIT))
                for pair in itertools.pairwise(lines):
                    yield {{"inputs": pair[0], "targets": pair[1]}}
'''


def encode_rates(path: str, folder: Path, limit: int) -> tuple[float, float, float]:
    """Measures MB/s on one core, on the same lines, best of three.

    Returns:
      SentencePiece's own batch call; `encode_batch`; pairs of lines to serialized examples.
    """
    import gzip
    import itertools

    import sentencepiece

    from t2tlite.data.encoding import Encoding, encode_batch, serialize
    from t2tlite.data.streams import CHUNK_SAMPLES
    from t2tlite.text.sentencepiece_encoder import SentencePieceEncoder

    with (gzip.open if path.endswith(".gz") else open)(path, "rt", encoding="utf-8") as file:
        lines = [line.rstrip("\n") for line in itertools.islice(file, limit)]
    (vocabulary,) = folder.glob("*.model")
    processor = sentencepiece.SentencePieceProcessor(model_file=str(vocabulary))
    encoder = SentencePieceEncoder(str(vocabulary))
    encoding = Encoding({"inputs": encoder, "targets": encoder})
    pairs = [{"inputs": one, "targets": other} for one, other in itertools.pairwise(lines)]

    def serialized() -> None:
        for first in range(0, len(pairs), CHUNK_SAMPLES):
            serialize(pairs[first : first + CHUNK_SAMPLES], encoding, first, "lines")

    megabytes = sum(len(line.encode()) for line in lines) / 1e6
    best = [0.0, 0.0, 0.0]
    for _ in range(3):
        for i, (work, size) in enumerate(
            [
                (lambda: processor.encode(lines, num_threads=1), megabytes),
                (lambda: encode_batch(encoder, lines), megabytes),
                (serialized, 2 * megabytes),
            ]
        ):
            started = time.perf_counter()
            work()
            best[i] = max(best[i], size / (time.perf_counter() - started))
    return best[0], best[1], best[2]


def peak_memory(group: int) -> float:
    """Returns the memory of a process group in MB, with shared pages divided among them (PSS)."""
    total = 0
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and os.getpgid(int(entry.name)) == group:
                for line in (entry / "smaps_rollup").read_text().splitlines():
                    if line.startswith("Pss:"):
                        total += int(line.split()[1])
        except OSError:
            continue
    return total / 1024


def generate(folder: Path, plugin: Path, workers: int) -> dict[str, float]:
    """Runs t2t-datagen; returns seconds, and the peak of memory in MB."""
    words = [
        *(Path(sys.executable).parent / "t2t-datagen", f"--t2t_usr_dir={plugin}"),
        *("--problem=benchmark_lines", f"--data_dir={folder}", f"--num_workers={workers}"),
    ]
    started = time.perf_counter()
    process = subprocess.Popen(words, start_new_session=True, stderr=subprocess.PIPE, text=True)
    peak = 0.0
    while process.poll() is None:
        peak = max(peak, peak_memory(process.pid))
        time.sleep(0.2)
    seconds = time.perf_counter() - started
    if process.returncode:
        sys.exit(process.communicate()[1])
    return {"seconds": seconds, "peak_mb": peak}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("text", help="a file of lines, plain or .gz")
    parser.add_argument("--limit", type=int, help="lines to take")
    parser.add_argument("--repeat", type=int, default=1, help="how often to go through them")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    given = parser.parse_args()
    path = os.path.abspath(given.text)
    with tempfile.TemporaryDirectory() as scratch:
        plugin = Path(scratch, "benchmark_plugin")
        plugin.mkdir()
        (plugin / "__init__.py").write_text(
            PLUGIN.format(path=path, limit=given.limit, repeat=given.repeat)
        )
        for workers in given.workers:
            folder = Path(scratch, f"data{workers}")
            figures = generate(folder, plugin, workers)
            manifest = json.loads((folder / "benchmark_lines.manifest.json").read_text())
            examples = sum(split["examples"] for split in manifest["splits"].values())
            # All lines but the first and the last are an input and a target.
            megabytes = 2 * text_megabytes(path, given)
            alone, encoding, serializing = encode_rates(path, folder, 200_000)
            print(
                f"{workers} workers: {examples:,} pairs, {megabytes:,.0f} MB of inputs and targets "
                f"in {figures['seconds']:.1f} s: {megabytes / figures['seconds']:.2f} MB/s, peak "
                f"{figures['peak_mb']:,.0f} MB; on one core: sentencepiece alone {alone:.2f} MB/s, "
                f"encoding {encoding:.2f} ({encoding / alone:.0%}), pairs to examples "
                f"{serializing:.2f} ({serializing / alone:.0%})",
                flush=True,
            )


def text_megabytes(path: str, given: argparse.Namespace) -> float:
    """Returns the size of all lines in MB, without their line ends."""
    import gzip
    import itertools

    with (gzip.open if path.endswith(".gz") else open)(path, "rb") as file:
        lines = itertools.islice(file, given.limit)
        return given.repeat * sum(len(line.rstrip(b"\n")) for line in lines) / 1e6


if __name__ == "__main__":
    main()
