"""Times the reading of tables, by source, on one core; see README.md.

python benchmarks/tables.py                      # 50 MB of random words
python benchmarks/tables.py --megabytes=1000     # peak memory must be the same
"""

from __future__ import annotations

import argparse
import csv
import gzip
import itertools
import json
import multiprocessing
import random
import re
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

Pair = tuple[str, str]


def pairs(megabytes: float) -> Iterator[Pair]:
    """Yields different pairs of sentences of random words."""
    draw = random.Random(0)
    words = ["".join(draw.choices("etaoinshrdlu", k=draw.randint(2, 9))) for _ in range(30_000)]
    characters = 0
    while characters < megabytes * 1e6:
        pair = " ".join(draw.choices(words, k=12)), " ".join(draw.choices(words, k=12)) + ", ok"
        characters += sum(map(len, pair))
        yield pair


def write(folder: Path, megabytes: float) -> dict[str, str]:
    """Writes the pairs in every format, and returns the patterns by name of the source."""
    import pyarrow
    import pyarrow.parquet

    schema = pyarrow.schema([("q", pyarrow.string()), ("a", pyarrow.string())])
    with (
        open(folder / "x.csv", "w", newline="") as csv_file,
        open(folder / "x.tsv", "w") as tsv,
        open(folder / "x.jsonl", "w") as jsonl,
        gzip.open(folder / "x.jsonl.gz", "wt") as gz,
        open(folder / "x.q", "w") as questions,
        open(folder / "x.a", "w") as answers,
        pyarrow.CompressedOutputStream(str(folder / "x.jsonl.zst"), "zstd") as zst,
        pyarrow.parquet.ParquetWriter(folder / "x.parquet", schema) as parquet,
        pyarrow.ipc.new_stream(str(folder / "x.arrow"), schema) as arrow,
    ):
        writer = csv.writer(csv_file)
        writer.writerow("qa")
        tsv.write("q\ta\n")
        stream = pairs(megabytes)
        while block := [{"q": q, "a": a} for q, a in itertools.islice(stream, 1000)]:
            batch = pyarrow.RecordBatch.from_pylist(block, schema)
            parquet.write_batch(batch)
            arrow.write_batch(batch)
            for row in block:
                line = json.dumps(row) + "\n"
                writer.writerow(row.values())
                tsv.write("\t".join(row.values()) + "\n")
                jsonl.write(line)
                gz.write(line)
                zst.write(line.encode())
                questions.write(row["q"] + "\n")
                answers.write(row["a"] + "\n")
    names = ["csv", "tsv", "jsonl", "jsonl.gz", "jsonl.zst", "parquet", "arrow"]
    sources = {name: str(folder / f"x.{name}") for name in names}
    return {**sources, "parallel": f"{folder / 'x.q'}+{folder / 'x.a'}"}


def read(pattern: str, folder: str, drop_duplicates: bool) -> tuple[float, float, float]:
    """Reads a source; returns MB of text, seconds and the peak memory of the process in MB."""
    from t2tlite.tables import parts, store
    from t2tlite.tables.table import TEXT2TEXT, Table

    columns = {} if "+" in pattern else {"inputs": "q", "targets": "a"}
    table = Table(TEXT2TEXT, [pattern], drop_duplicates=drop_duplicates, **columns)
    found = parts.find(table)
    started = time.perf_counter()
    stored = store.store_files(table, found, parts.states_of(found), Path(folder), 1)
    if drop_duplicates:
        store.drop_duplicates(Path(folder), stored)
    seconds = time.perf_counter() - started
    megabytes = sum(path.stat().st_size for path in Path(folder).glob("*.jsonl")) / 1e6
    # The peak of this process alone; that of getrusage includes the one that started it.
    status = Path("/proc/self/status").read_text()
    return megabytes, seconds, int(re.findall(r"VmHWM:\s+(\d+)", status)[0]) / 1024


def main() -> None:
    """Prints a table of the sources."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=float, default=50.0, help="of text")
    parser.add_argument("--drop_duplicates", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        sources = write(Path(folder), arguments.megabytes)
        print("source\tMB of text\tMB/s\tpeak memory in MB")
        # Each in a process of its own, whose memory is counted.
        with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
            for name, pattern in sources.items():
                with tempfile.TemporaryDirectory(dir=folder) as stored:
                    given = pattern, stored, arguments.drop_duplicates
                    megabytes, seconds, memory = pool.apply(read, given)
                print(f"{name}\t{megabytes:.1f}\t{megabytes / seconds:.1f}\t{memory:.0f}")


if __name__ == "__main__":
    main()
