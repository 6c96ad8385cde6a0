"""Load-tests t2t-server on this machine, also among misbehaving clients; see README.md."""

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

from misbehaving_clients import MisbehavingClients

COMMAND = Path(__file__).resolve().parents[1] / "bin" / "t2t-server"
# Least and most tokens of a random line.
LENGTHS = (4, 12)


@dataclass(frozen=True)
class Answer:
    """The outcome of a request.

    Attributes:
      seconds: from sending the request to the end of the answer.
      error: "", or why there is no text.
    """

    seconds: float
    text: str = ""
    score: float | None = None
    error: str = ""

    def equals(self, other: Answer) -> bool:
        """Whether the scores are equal up to rounding, which depends on the batch size."""
        if self.error or other.error or self.score is None or other.score is None:
            return self == other
        return math.isclose(self.score, other.score, rel_tol=1e-4, abs_tol=1e-4)


@dataclass(frozen=True)
class Round:
    """The requests of a number of clients at the same time.

    Attributes:
      seconds: of the whole round.
      client_share: share of one core that the clients used.
      metrics: by how much the server's metrics grew: name with labels -> value.
    """

    name: str
    answers: list[Answer]
    seconds: float
    client_share: float
    metrics: dict[str, float]

    def percentile(self, share: float) -> float:
        """Milliseconds within which this share of the requests is answered."""
        times = sorted(answer.seconds for answer in self.answers)
        return 1000 * times[math.ceil(share * len(times)) - 1]

    def batches(self) -> dict[int, int]:
        """Number of batches by size: of up to that many lines, and more than the size before."""
        pattern = re.compile(r't2tlite_batch_size_bucket{le="([\d.]+)"}')
        sizes = {
            int(float(match[1])): count
            for name, count in self.metrics.items()
            if (match := pattern.match(name))
        }
        below = itertools.pairwise([0, *sizes.values()])
        return {size: int(n - before) for size, (before, n) in zip(sizes, below, strict=True)}

    def lines_per_batch(self) -> float:
        lines, batches = (self.metrics[f"t2tlite_batch_size_{key}"] for key in ("sum", "count"))
        return lines / batches if batches else 0.0

    def statuses(self) -> Counter[str]:
        """Number of requests by the status of their answer, as the server counts them."""
        statuses: Counter[str] = Counter()
        for name, number in self.metrics.items():
            if number and (match := re.match(r't2tlite_requests_total{.*status="(\d+)"', name)):
                statuses[match[1]] += int(number)
        return statuses

    def failures(self, alone: list[Answer]) -> list[str]:
        """Returns messages of what failed, given the answers to the same lines one at a time."""
        errors = Counter(answer.error for answer in self.answers if answer.error)
        messages = [f"{number} requests: {error}" for error, number in errors.most_common(5)]
        pairs = list(zip(alone, self.answers, strict=True))
        wrong = [pair for pair in pairs if not pair[1].error and not pair[0].equals(pair[1])]
        messages += [f"{len(wrong)} wrong answers, such as {pair}" for pair in wrong[:1]]
        if self.ties(alone) > len(pairs) // 100:
            messages.append(f"{self.ties(alone)} answers differ in text but not in score")
        for status, count in self.statuses().items():
            if status >= "500":
                messages.append(f"the server answered {status} {count} times")
        return [f"{self.name}: {message}" for message in messages]

    def ties(self, alone: list[Answer]) -> int:
        """Number of answers with another text but the same score."""
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
    """Sends all requests, each from the next idle client."""
    numbers = itertools.count()
    answers: dict[int, Answer] = {}

    def client(_: int) -> None:
        with contextlib.closing(http.client.HTTPConnection(server, timeout=120)) as connection:
            while (number := next(numbers)) < len(bodies):
                answers[number] = ask(connection, path, bodies[number])

    before = read_metrics(server)
    started, used = time.perf_counter(), time.process_time()
    with ThreadPoolExecutor(clients) as threads:
        list(threads.map(client, range(clients)))
    seconds = time.perf_counter() - started
    client_share = (time.process_time() - used) / seconds
    growth = {key: value - before.get(key, 0) for key, value in read_metrics(server).items()}
    return Round(name, [answers[i] for i in range(len(bodies))], seconds, client_share, growth)


def get(server: str, path: str) -> str:
    with contextlib.closing(http.client.HTTPConnection(server, timeout=10)) as connection:
        connection.request("GET", path)
        response = connection.getresponse()
        content = response.read().decode()
    if response.status != 200:
        sys.exit(f"{server}{path} answered {response.status}: {content[:200]}")
    return content


def read_metrics(server: str) -> dict[str, float]:
    """Returns the server's metrics: name with labels -> value."""
    rows = (
        row.rsplit(" ", 1)
        for row in get(server, "/metrics").splitlines()
        if not row.startswith("#")
    )
    return {name: float(value) for name, value in rows}


def lines_of(path: Path, count: int) -> list[str]:
    """Returns the first `count` different lines of a file."""
    with path.open(encoding="utf-8") as file:
        different = dict.fromkeys(line.strip() for line in file)
    lines = [line for line in different if line][:count]
    if len(lines) < count:
        sys.exit(f"{path} has {len(lines)} different lines, expected {count} (--requests)")
    return lines


def random_lines(model: Path, count: int) -> list[str]:
    """Returns different lines of random tokens from a model's vocabulary."""
    from t2tlite.decode.model_folder import ModelFolder

    folder = ModelFolder(model)
    encoder = folder.encoders["inputs" if folder.problem.has_inputs else "targets"]
    draw = random.Random(0)
    lines: dict[str, None] = {}
    while len(lines) < count:
        ids = draw.choices(range(3, encoder.vocab_size), k=draw.randint(*LENGTHS))
        if line := " ".join(encoder.decode(ids).split()):
            lines[line] = None
    return list(lines)


class Server:
    """A process of this checkout's t2t-server on a free port.

    Attributes:
      address: host:port.
    """

    def __init__(self, flags: list[str], folder: Path):
        self._log = folder / "log"
        with self._log.open("w") as log:
            command = [sys.executable, COMMAND, *flags, "--port=0"]
            self._process = subprocess.Popen(command, stderr=log)
        while not (match := re.search(r"at http://(\S+)", self._log.read_text())):
            if self._process.poll() is not None:
                sys.exit(self._log.read_text())
            time.sleep(0.1)
        self.address = match[1]

    def peak_mb(self) -> float:
        """Peak of the process's memory so far; 0 on a system without /proc."""
        try:
            status = Path(f"/proc/{self._process.pid}/status").read_text()
        except OSError:
            return 0.0
        match = re.search(r"VmHWM:\s+(\d+)", status)
        return int(match[1]) / 1024 if match else 0.0

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def stop(self) -> list[str]:
        """Stops the server with SIGTERM; returns messages of what failed."""
        self._process.send_signal(signal.SIGTERM)
        try:
            status = self._process.wait(120)
        except subprocess.TimeoutExpired:
            return ["the server doesn't exit after SIGTERM"]
        log = self._log.read_text()
        messages = [f"the server exited with status {status}"] if status else []
        if "Traceback" in log:
            messages.append("the server's log has a traceback:\n" + log)
        return messages


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog="Other flags are passed to t2t-server.", allow_abbrev=False
    )
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--output_dir", type=Path, help="model folder to start t2t-server with")
    where.add_argument("--server", help="host:port of a running t2t-server; needs --lines")
    parser.add_argument("--lines", type=Path, help="file of lines; random tokens by default")
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
    print(f"All {len(lines):,} answers of each round are right; nothing failed.")


def test(address: str, lines: list[str], clients: int, server: Server | None = None) -> list[str]:
    """Runs all rounds and prints their results; returns messages of what failed."""
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
    with MisbehavingClients((host, int(port)), path, bodies[0]) as misbehaving:
        measure(f"{clients} clients, and misbehaving ones", clients)
    get(address, "/healthz")
    alone = rounds[0].answers
    show(rounds, peaks)
    for measured in rounds[1:]:
        print(f"{measured.name}: {measured.ties(alone)} answers with another text, the same score")
    for kind, outcomes in misbehaving.outcomes.items():
        print(f"{kind}: " + ", ".join(f"{n} times {outcome}" for outcome, n in outcomes.items()))
    failures = [failure for measured in rounds for failure in measured.failures(alone)]
    failures += misbehaving.unexpected()
    if clients > 1 and rounds[1].lines_per_batch() <= 1:
        failures.append("no two requests shared a batch")
    return failures


def show(rounds: list[Round], peaks: list[float]) -> None:
    """Prints a table of the rounds."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"{len(rounds[0].answers):,} requests of one line")
    for column in ("", *(one.name for one in rounds)):
        table.add_column(column, justify="right")
    table.add_row("errors", *(str(sum(bool(a.error) for a in one.answers)) for one in rounds))
    table.add_row("requests/s", *(f"{len(one.answers) / one.seconds:.1f}" for one in rounds))
    for title, share in (("p50", 0.5), ("p99", 0.99), ("longest", 1.0)):
        table.add_row(f"{title}, ms", *(f"{one.percentile(share):,.0f}" for one in rounds))
    table.add_row("lines per batch", *(f"{one.lines_per_batch():.1f}" for one in rounds))
    before = 0
    for size in rounds[0].batches():
        title = f"{before + 1} to {size}" if size > before + 1 else f"{size}"
        table.add_row(f"batches of {title}", *(str(one.batches()[size]) for one in rounds))
        before = size
    table.add_row("clients' share of a core", *(f"{one.client_share:.0%}" for one in rounds))
    if any(peaks):
        table.add_row("server's peak MB so far", *(f"{peak:,.0f}" for peak in peaks))
    Console(width=100).print(table)
    for one in rounds:
        statuses = ", ".join(f"{status}: {n}" for status, n in sorted(one.statuses().items()))
        print(f"{one.name}: the server counted answers with status {statuses}")


if __name__ == "__main__":
    main()
