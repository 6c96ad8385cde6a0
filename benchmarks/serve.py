"""Load-tests t2t-server on loopback, also among clients that misbehave; see README.md."""

from __future__ import annotations

import argparse
import contextlib
import http.client
import itertools
import json
import math
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from rude_clients import Rude

COMMAND = Path(__file__).resolve().parents[1] / "bin" / "t2t-server"
# A line's tokens, where lines are drawn from the vocabulary.
LENGTHS = (4, 12)


@dataclass(frozen=True)
class Answer:
    """What came of a request.

    Attributes:
      seconds: from its first byte to its last.
      error: "", or why there is no text.
    """

    seconds: float
    text: str = ""
    score: float | None = None
    error: str = ""

    def equals(self, other: Answer) -> bool:
        """Whether the scores are the same but for rounding, which depends on a batch's size."""
        if self.error or other.error or self.score is None or other.score is None:
            return self == other
        return math.isclose(self.score, other.score, rel_tol=1e-4, abs_tol=1e-4)


@dataclass(frozen=True)
class Round:
    """Requests of many clients at the same time.

    Attributes:
      seconds: all of it.
      own_share: of one core, for these clients.
      counted: by the server meanwhile, by the names of its metrics.
    """

    name: str
    answers: list[Answer]
    seconds: float
    own_share: float
    counted: dict[str, float]

    def percentile(self, share: float) -> float:
        """Milliseconds within which this share of the requests was answered."""
        times = sorted(one.seconds for one in self.answers)
        return 1000 * times[math.ceil(share * len(times)) - 1]

    def batches(self) -> dict[int, int]:
        """How many batches had up to so many lines, and more than the size before."""
        found = re.compile(r't2tlite_batch_size_bucket{le="([\d.]+)"}')
        sizes = {
            int(float(of[1])): n for name, n in self.counted.items() if (of := found.match(name))
        }
        below = itertools.pairwise([0, *sizes.values()])
        return {size: int(n - before) for size, (before, n) in zip(sizes, below, strict=True)}

    def lines_a_batch(self) -> float:
        lines, batches = (self.counted[f"t2tlite_batch_size_{one}"] for one in ("sum", "count"))
        return lines / batches if batches else 0.0

    def statuses(self) -> Counter[str]:
        """How many requests of any kind the server counted by the status of their answer."""
        statuses: Counter[str] = Counter()
        for name, number in self.counted.items():
            if number and (found := re.match(r't2tlite_requests_total{.*status="(\d+)"', name)):
                statuses[found[1]] += int(number)
        return statuses

    def failures(self, alone: list[Answer]) -> list[str]:
        """Tells what went wrong, given the answers to the same lines asked one at a time."""
        errors = Counter(one.error for one in self.answers if one.error)
        found = [f"{number} requests: {error}" for error, number in errors.most_common(5)]
        pairs = list(zip(alone, self.answers, strict=True))
        wrong = [pair for pair in pairs if not pair[1].error and not pair[0].equals(pair[1])]
        found += [f"{len(wrong)} wrong answers, such as {pair}" for pair in wrong[:1]]
        if self.ties(alone) > len(pairs) // 100:
            found.append(f"{self.ties(alone)} answers differ in text and not in score")
        broken = [f"{status} {n} times" for status, n in self.statuses().items() if status >= "500"]
        found += [f"the server answered {one}" for one in broken]
        return [f"{self.name}: {one}" for one in found]

    def ties(self, alone: list[Answer]) -> int:
        """How many answers have another text with the same score."""
        pairs = zip(alone, self.answers, strict=True)
        return sum(one.equals(other) and one.text != other.text for one, other in pairs)


def ask(connection: http.client.HTTPConnection, path: str, body: bytes) -> Answer:
    """Sends one request."""
    started = time.perf_counter()
    try:
        connection.request("POST", path, body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        content = response.read()
        seconds = time.perf_counter() - started
        if response.status != 200:
            return Answer(seconds, error=f"status {response.status}: {content[:200]!r}")
        (row,) = json.loads(content)["predictions"]
        return Answer(seconds, row["outputs"], row["scores"])
    except (OSError, http.client.HTTPException, ValueError, KeyError) as error:
        connection.close()
        return Answer(time.perf_counter() - started, error=repr(error))


def ask_all(name: str, server: str, path: str, bodies: list[bytes], clients: int) -> Round:
    """Sends all requests, each by the next client that is free."""
    numbers = itertools.count()
    answers: dict[int, Answer] = {}

    def client(_: int) -> None:
        with contextlib.closing(http.client.HTTPConnection(server, timeout=120)) as connection:
            while (number := next(numbers)) < len(bodies):
                answers[number] = ask(connection, path, bodies[number])

    before = metrics(server)
    started, used = time.perf_counter(), time.process_time()
    with ThreadPoolExecutor(clients) as threads:
        list(threads.map(client, range(clients)))
    seconds = time.perf_counter() - started
    own_share = (time.process_time() - used) / seconds
    counted = {one: value - before.get(one, 0) for one, value in metrics(server).items()}
    return Round(name, [answers[i] for i in range(len(bodies))], seconds, own_share, counted)


def get(server: str, path: str) -> str:
    with contextlib.closing(http.client.HTTPConnection(server, timeout=10)) as connection:
        connection.request("GET", path)
        response = connection.getresponse()
        content = response.read().decode()
    if response.status != 200:
        sys.exit(f"{server}{path} answers {response.status}: {content[:200]}")
    return content


def metrics(server: str) -> dict[str, float]:
    """The server's figures by name and labels."""
    rows = (
        row.rsplit(" ", 1)
        for row in get(server, "/metrics").splitlines()
        if not row.startswith("#")
    )
    return {name: float(value) for name, value in rows}


def lines_of(path: Path, count: int) -> list[str]:
    """The first different lines of a file."""
    with path.open(encoding="utf-8") as file:
        different = dict.fromkeys(line.strip() for line in file)
    lines = [line for line in different if line][:count]
    if len(lines) < count:
        sys.exit(f"{path} has {len(lines)} different lines, and {count} are to be asked")
    return lines


def random_lines(model: Path, count: int) -> list[str]:
    """Different lines of tokens of a model's vocabulary."""
    from t2tlite import registry
    from t2tlite.checkpoint import run_record

    run = run_record.read(model)
    run_record.load_plugins(run, [])
    problem = registry.problem(run.problem)
    encoder = problem.feature_encoders(str(model))["inputs" if problem.has_inputs else "targets"]
    draw = random.Random(0)
    lines: dict[str, None] = {}
    while len(lines) < count:
        ids = draw.choices(range(3, encoder.vocab_size), k=draw.randint(*LENGTHS))
        if line := " ".join(encoder.decode(ids).split()):
            lines[line] = None
    return list(lines)


class Server:
    """A t2t-server of this checkout on a free port.

    Attributes:
      address: host:port.
      failures: what was wrong at its end; there after `stop`.
    """

    def __init__(self, flags: list[str], folder: Path):
        self._log = folder / "log"
        with self._log.open("w") as log:
            command = [sys.executable, COMMAND, *flags, "--port=0"]
            self._process = subprocess.Popen(command, stderr=log)
        while not (found := re.search(r"at http://(\S+)", self._log.read_text())):
            if self._process.poll() is not None:
                sys.exit(self._log.read_text())
            time.sleep(0.1)
        self.address = found[1]

    def peak_mb(self) -> float:
        """The peak of its memory so far; 0 where the system doesn't tell."""
        try:
            status = Path(f"/proc/{self._process.pid}/status").read_text()
        except OSError:
            return 0.0
        found = re.search(r"VmHWM:\s+(\d+)", status)
        return int(found[1]) / 1024 if found else 0.0

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def stop(self) -> list[str]:
        """Asks it to end; returns what was wrong."""
        self._process.send_signal(signal.SIGTERM)
        try:
            status = self._process.wait(120)
        except subprocess.TimeoutExpired:
            return ["the server doesn't end after SIGTERM"]
        log = self._log.read_text()
        found = [f"the server ended with status {status}"] if status else []
        return found + (["the server's log has a traceback:\n" + log] if "Traceback" in log else [])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog="Other flags are given to t2t-server.", allow_abbrev=False
    )
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--output_dir", type=Path, help="a model folder: starts t2t-server with it")
    where.add_argument("--server", help="host:port of a t2t-server that runs; needs --lines")
    parser.add_argument("--lines", type=Path, help="a file of lines; default: random tokens")
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--requests", type=int, default=2000)
    arguments, flags = parser.parse_known_args()
    if arguments.server and (flags or not arguments.lines):
        parser.error(f"--server needs --lines and takes no flags of t2t-server: {flags}")
    if arguments.lines:
        lines = lines_of(arguments.lines, arguments.requests)
    else:
        lines = random_lines(arguments.output_dir, arguments.requests)
    if arguments.server:
        failures = test(arguments.server, lines, arguments.clients)
    else:
        with tempfile.TemporaryDirectory() as folder:
            server = Server([f"--output_dir={arguments.output_dir}", *flags], Path(folder))
            try:
                failures = test(server.address, lines, arguments.clients, server)
                failures += server.stop()
            finally:
                server.kill()
    for failure in failures:
        print(f"failed: {failure}")
    if failures:
        sys.exit(1)
    print(f"All {len(lines):,} answers were right in every round, and nothing failed.")


def test(address: str, lines: list[str], clients: int, server: Server | None = None) -> list[str]:
    """Runs all rounds and prints their figures; returns what failed."""
    name = json.loads(get(address, "/v1/models"))["models"][0]["name"]
    path = f"/v1/models/{name}:predict"
    bodies = [json.dumps({"instances": [line]}).encode() for line in lines]
    rounds, peaks = [], []

    def measure(name: str, clients: int) -> None:
        rounds.append(ask_all(name, address, path, bodies, clients))
        peaks.append(server.peak_mb() if server else 0.0)

    measure("one at a time", 1)
    measure(f"{clients} clients", clients)
    host, _, port = address.rpartition(":")
    with Rude((host, int(port)), path, bodies[0]) as rude:
        measure(f"{clients} clients, and rude ones", clients)
    get(address, "/healthz")
    alone = rounds[0].answers
    show(rounds, peaks)
    for one in rounds[1:]:
        print(f"{one.name}: {one.ties(alone)} answers of another text with the same score")
    for kind, outcomes in rude.outcomes.items():
        print(f"{kind}: " + ", ".join(f"{n} times {end}" for end, n in outcomes.items()))
    failures = [failure for one in rounds for failure in one.failures(alone)] + rude.unfitting()
    if clients > 1 and rounds[1].lines_a_batch() <= 1:
        failures.append("no two requests shared a batch")
    return failures


def show(rounds: list[Round], peaks: list[float]) -> None:
    """Prints a table of the rounds."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"{len(rounds[0].answers):,} requests of a line each")
    for column in ("", *(one.name for one in rounds)):
        table.add_column(column, justify="right")
    table.add_row("errors", *(str(sum(bool(a.error) for a in one.answers)) for one in rounds))
    table.add_row("requests/s", *(f"{len(one.answers) / one.seconds:.1f}" for one in rounds))
    for title, share in (("p50", 0.5), ("p99", 0.99), ("longest", 1.0)):
        table.add_row(f"{title}, ms", *(f"{one.percentile(share):,.0f}" for one in rounds))
    table.add_row("lines a batch", *(f"{one.lines_a_batch():.1f}" for one in rounds))
    before = 0
    for size in rounds[0].batches():
        title = f"{before + 1} to {size}" if size > before + 1 else f"{size}"
        table.add_row(f"batches of {title}", *(str(one.batches()[size]) for one in rounds))
        before = size
    table.add_row("clients' share of a core", *(f"{one.own_share:.0%}" for one in rounds))
    if any(peaks):
        table.add_row("server's peak MB so far", *(f"{peak:,.0f}" for peak in peaks))
    Console(width=100).print(table)
    for one in rounds:
        statuses = ", ".join(f"{status}: {n}" for status, n in sorted(one.statuses().items()))
        print(f"{one.name}: the server counted answers of status {statuses}")


if __name__ == "__main__":
    main()
