"""A problem's data made by an Apache Beam pipeline: in processes here, or on many machines.

The vocabulary is made first, in the process that starts the pipeline. Workers then run the tasks of
the problem's generators; the chunks of samples that these yield are dealt out anew, encoded and
sorted by other workers; Beam brings together what belongs to one shard, which a worker merges and
writes. Chunks, keys and shards are those of `data/chunks.py`, so the bytes are those of a run
without Beam. Manifest and moving the shards into place are the work of the starting process again.

What goes wrong in a worker is an output of the pipeline, not an exception: runners repeat what
raises, and hand it on as text.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import pickle
import secrets
import shlex
import shutil
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import apache_beam as beam  # noqa: TID251 - the one place for it
import numpy as np
from apache_beam.options import pipeline_options  # noqa: TID251
from apache_beam.pvalue import AsIter, TaggedOutput  # noqa: TID251
from apache_beam.runners.portability.fn_api_runner import FnApiRunner  # noqa: TID251
from apache_beam.transforms import environments  # noqa: TID251

from t2tlite import errors, plugins, registry
from t2tlite.data.chunks import (
    Chunk,
    ChunkJob,
    ChunkSummary,
    SortedRun,
    count_shared,
    make_chunk,
    merged,
)
from t2tlite.data.encoding import Encoding
from t2tlite.data.generate import Dataset
from t2tlite.data.records import framed
from t2tlite.data.samples import users_traceback
from t2tlite.data.streams import Spread, draws_kept, is_portable
from t2tlite.errors import DataError, Error, OutputError, SampleError
from t2tlite.files import atomic, opened_below
from t2tlite.problem import DatasetSplit
from t2tlite.text_problems import Text2TextProblem

log = logging.getLogger(__name__)

_WORKER = """
import os, signal
signal.signal(signal.SIGINT, lambda *_: os._exit(0))
import logging, runpy
handler = logging.StreamHandler()
handler.setLevel(logging.CRITICAL)
logging.getLogger().addHandler(handler)
runpy.run_module("apache_beam.runners.worker.sdk_worker_main", run_name="__main__")
"""

_REPORT = "report.json"
# The hashes of all examples are compared in this many parts, each by one worker.
_HASH_BITS = 4
# Hooks draw from the random numbers of their process, so a process runs one generator at a time.
_generating = threading.Lock()


@dataclass(frozen=True)
class Work:
    """Where a worker finds the generators: all machines must have these files and folders.

    Attributes:
      problem: its registered name.
      data_dir: the data folder.
      tmp_dir: downloads and the user's own files.
      seed: of the shuffle, and of what hooks draw.
      usr_dirs: folders of plugins.
    """

    problem: str
    data_dir: str
    tmp_dir: str
    seed: int
    usr_dirs: tuple[str, ...] = ()

    def dataset(self) -> Dataset:
        """The data set, of a problem object of its own.

        Raises:
          Error: a plugin isn't there or fails, or the problem isn't in any.
        """
        for one in self.usr_dirs:
            plugins.load_usr_dir(one)
        problem = registry.problem(self.problem)
        if (
            not isinstance(problem, Text2TextProblem)
            or type(problem).generate_data is not Text2TextProblem.generate_data
        ):
            raise DataError(
                f"{self.problem} has a generate_data of its own, which writes shards by itself; "
                f"leave --runner=beam out, and make parts of it on many machines with --task_id"
            )
        problem.random_seed = self.seed
        return problem.dataset_to_write(self.data_dir, self.tmp_dir)


def pipeline_of(words: Sequence[str], num_workers: int) -> beam.Pipeline:
    """Returns an empty pipeline with Beam's options; without any it runs in processes here.

    Args:
      words: options as Beam's own programs take them.
      num_workers: processes, where `words` say nothing.

    Raises:
      DataError: Beam can't parse them; it has said why.
    """
    told = io.StringIO()
    try:
        # What argparse says is pages of usage, and then the line that counts.
        with contextlib.redirect_stderr(told):
            options = pipeline_options.PipelineOptions(list(words))
            runner = options.view_as(pipeline_options.StandardOptions).runner
            _hear(logging.WARNING if runner else logging.ERROR)
            known = options.get_all_options()
        if runner:
            return beam.Pipeline(runner, options)
    except SystemExit:
        reason = told.getvalue().strip().splitlines()[-1].partition("error: ")[2]
        raise DataError(f"--beam_options: {reason}") from None
    except ValueError as error:
        raise DataError(f"--beam_options: {error}") from None
    for name in options.get_all_options(retain_unknown_options=True):
        if name not in known:
            raise DataError(f"--beam_options: Beam has no option --{name}")
    direct = options.view_as(pipeline_options.DirectOptions)
    environment = None
    if not words and num_workers > 1:
        direct.direct_num_workers = num_workers
        environment = _process()
    elif direct.direct_running_mode == "multi_processing":
        # This word would bring a process of Beam's, in place of the one given.
        direct.direct_running_mode = "in_memory"
        environment = _process()
    return beam.Pipeline(FnApiRunner(environment), options)


def _process() -> environments.Environment:
    """A worker process here: Beam's own, which says less and ends at once at Ctrl-C."""
    # Beam has a shell run it. Until Python can hear a Ctrl-C it needn't: there is no work yet.
    command = f"trap '' INT; exec {shlex.join([sys.executable, '-c', _WORKER])}"
    return environments.SubprocessSDKEnvironment.from_command_string(command)


def _hear(level: int) -> None:
    """Shows what Beam logs from a level on, but for its tracebacks of a Ctrl-C."""
    logger = logging.getLogger("apache_beam")
    handler = logging.StreamHandler()
    handler.setLevel(level)
    handler.addFilter(lambda record: "KeyboardInterrupt" not in handler.format(record))
    logger.handlers = [handler]
    logger.propagate = False


def write(work: Work, pipeline: beam.Pipeline) -> None:
    """Makes vocabulary, shards and manifest of a problem by a pipeline, which is empty yet.

    Raises:
      Error: as without Beam; or the pipeline itself failed. Nothing half-written is left.
    """
    dataset = work.dataset()

    def make(folder: Path) -> tuple[Spread, Mapping[str, int]]:
        with opened_below(dataset.source_dir) as opened:
            encodings = [_first_encoding(dataset, n) for n in range(len(dataset.streams))]
        # Of its own: a worker of an earlier run may be at work still.
        place = folder / f"beam-{secrets.token_hex(8)}"
        place.mkdir()
        started = time.monotonic()
        _fill(pipeline, work, dataset, encodings, place)
        _run(pipeline)
        report = _read(place / _REPORT)
        for names in (stream.names for stream in dataset.streams):
            for name in (name for split in names.values() for name in split):
                os.replace(place / name, folder / name)
        shutil.rmtree(place)
        spread = Spread(vocabularies=dataset.vocabularies())
        for number, stream in enumerate(dataset.streams):
            held = [ChunkSummary(**one) for n, one in report["summaries"] if n == number]
            count = spread.add_stream(stream, [], held)
            log.info("%s: %s samples", stream.name, f"{count:,}")
        log.info("the pipeline took %.1f s", time.monotonic() - started)
        spread.sources = dict(
            sorted({**dataset.sources(opened), **dict(report["sources"])}.items())
        )
        leaked: dict[str, int] = {}
        for split, count in report["leaked"]:
            leaked[split] = leaked.get(split, 0) + count
        return spread, leaked

    dataset.write_by(make)


def _first_encoding(dataset: Dataset, number: int) -> Encoding | None:
    """A stream's encoding, its vocabulary made; None: only a generator's process can have it."""
    stream = dataset.streams[number]
    if stream.tasks > 1:
        log.info("%s: %d tasks, which workers share", stream.name, stream.tasks)
    else:
        log.info(
            "%s: one worker reads it all, as num_generate_tasks is 1; workers share the encoding "
            "and what follows",
            stream.name,
        )
    # A problem may download and write its vocabulary with the first sample.
    samples = dataset.samples(number, 0)
    encoding = dataset.encoding(number)
    del samples
    return encoding if is_portable(encoding) else None


def _fill(
    pipeline: beam.Pipeline,
    work: Work,
    dataset: Dataset,
    encodings: Sequence[Encoding | None],
    place: Path,
) -> None:
    """Adds to a pipeline all that writes shards and a report into a folder."""
    names = [stream.names for stream in dataset.streams]
    tasks = [(number, t) for number, one in enumerate(dataset.streams) for t in range(one.tasks)]
    own = [number for number, one in enumerate(encodings) if one is None]
    generated = (
        pipeline
        | "tasks" >> beam.Create(tasks, reshuffle=False)
        | "spread tasks" >> beam.Reshuffle()
        | "generate" >> beam.ParDo(_Generate(work, own)).with_outputs("failed", "sources", main="")
    )
    encoded = (
        generated[""]
        | "spread chunks" >> beam.Reshuffle()
        | "encode"
        >> beam.ParDo(
            _Encode([pickle.dumps(one or Encoding({})) for one in encodings], names)
        ).with_outputs("failed", "summaries", "hashes", main="")
    )
    failed = (generated.failed, encoded.failed) | "failed" >> beam.Flatten()
    all_shards = [(name, None) for one in names for split in one.values() for name in split]
    empty = pipeline | "shards" >> beam.Create(all_shards)
    unwritten = (
        (encoded[""], empty)
        | "with empty shards" >> beam.Flatten()
        | "shuffle" >> beam.GroupByKey()
        | "write" >> beam.FlatMap(_write, os.fspath(place), AsIter(failed))
    )
    leaked = (
        encoded.hashes
        | "bring hashes together" >> beam.GroupByKey()
        | "compare" >> beam.FlatMap(_leaked)
    )
    _ = (
        pipeline
        | "once" >> beam.Create([os.fspath(place)])
        | "report"
        >> beam.Map(
            _report,
            summaries=AsIter(encoded.summaries),
            sources=AsIter(generated.sources),
            leaked=AsIter(leaked),
            failed=AsIter((failed, unwritten) | "all that failed" >> beam.Flatten()),
        )
    )


class _Generate(beam.DoFn):
    """From tasks (stream, task) to `ChunkJob`s; besides, the files read, and what failed."""

    def __init__(self, work: Work, own_encoders: Sequence[int]):
        self.work = work
        self.own_encoders = own_encoders

    def process(self, element: tuple[int, int]) -> Iterator[Any]:
        number, task = element
        with _generating, opened_below(self.work.tmp_dir) as opened:
            try:
                dataset = self.work.dataset()
                samples = dataset.samples(number, task)
                # What workers share has no encoders yet: each vocabulary is sent to them once.
                own = number in self.own_encoders
                encoding = dataset.encoding(number) if own else Encoding({})
                for job in dataset.chunk_jobs(number, task, samples, encoding):
                    # Beam draws, too, when it deals them out.
                    with draws_kept():
                        yield number, job
                sources = dataset.sources(opened)
                yield from (TaggedOutput("sources", one) for one in sources.items())
            except Error as error:
                yield TaggedOutput("failed", _failure(error, (number, task, 2**62)))


class _Encode(beam.DoFn):
    """From (stream, `ChunkJob`) to (shard, run); besides, summaries, hashes, and what failed."""

    def __init__(self, encodings: Sequence[bytes], names: Sequence[Mapping[str, Sequence[str]]]):
        self.encodings = encodings
        self.names = names

    def process(self, element: tuple[int, ChunkJob]) -> Iterator[Any]:
        number, job = element
        place = job.entropy[-2:]
        try:
            chunk = make_chunk(replace(job, encoding=self.encodings[number]))
        except Error as error:
            yield TaggedOutput("failed", _failure(error, (number, place[0], job.first)))
            return
        yield TaggedOutput("summaries", (number, asdict(chunk.summary)))
        names = self.names[number]
        for shard, name in enumerate(name for split in names.values() for name in split):
            if chunk.summary.examples[shard]:
                yield name, (place, chunk.run(shard))
        yield from (TaggedOutput("hashes", one) for one in _hashes(chunk, names))


def _hashes(
    chunk: Chunk, names: Mapping[str, Sequence[str]]
) -> Iterator[tuple[int, tuple[str, Any]]]:
    """Yields (part, (split, hashes)) of the examples of a chunk."""
    first = 0
    for split, shards in names.items():
        hashes = chunk.hashes[chunk.starts[first] : chunk.starts[first + len(shards)]]
        first += len(shards)
        parts = hashes >> np.uint64(64 - _HASH_BITS)
        for part in np.unique(parts).tolist():
            yield part, (split, hashes[parts == part])


def _leaked(element: tuple[int, Iterable[tuple[str, Any]]]) -> Iterator[tuple[str, int]]:
    """Yields for each split how many of its examples the training data have, too, in one part."""
    by_split: dict[str, list[Any]] = {}
    for split, hashes in element[1]:
        by_split.setdefault(split, []).append(hashes)
    trained = by_split.pop(DatasetSplit.TRAIN, [])
    held = {split: np.concatenate(hashes) for split, hashes in by_split.items()}
    yield from count_shared(held, trained).items()


def _write(
    element: tuple[str, Iterable[tuple[tuple[int, ...], SortedRun] | None]],
    place: str,
    failed: Iterable[Any],
) -> Iterator[dict[str, Any]]:
    """Writes a shard, unless something failed; yields what fails now."""
    if any(True for _ in failed):
        return
    name, found = element
    runs = sorted((one for one in found if one is not None), key=lambda one: one[0])
    try:
        _check_place(place)
        with atomic(Path(place, name)) as file:
            file.writelines(map(framed, merged(run for _, run in runs)))
    except Error as error:
        yield _failure(error, (2**62,))


def _report(place: str, **found: Iterable[Any]) -> None:
    """Writes what the pipeline has to say as a file, which any runner can."""
    _check_place(place)
    with atomic(Path(place, _REPORT), "w") as file:
        json.dump({name: list(values) for name, values in found.items()}, file)


def _check_place(place: str) -> None:
    if not os.path.isdir(place):
        folder = Path(place).parents[1]
        raise OutputError(
            f"a worker doesn't find {place}; {folder} must be a folder that all workers share"
        )


def _failure(error: Error, order: tuple[int, ...]) -> dict[str, Any]:
    """An error in a worker as JSON has it; the first by `order` is the one to tell."""
    return {
        "order": order,
        "kind": type(error).__name__,
        "text": str(error),
        "traceback": users_traceback(error) if isinstance(error, SampleError) else "",
    }


def _run(pipeline: beam.Pipeline) -> None:
    """Runs a pipeline to its end.

    Raises:
      DataError: Beam raised; its own exception is the cause.
    """
    result = None
    # Threads of Beam's end with tracebacks when a worker is gone.
    hook, threading.excepthook = threading.excepthook, lambda told: log.debug("%s", told)
    try:
        result = pipeline.run()
        result.wait_until_finish()
    except KeyboardInterrupt:
        if result is not None:
            result.cancel()
        raise
    except Exception as error:
        if "KeyboardInterrupt" in str(error):
            raise KeyboardInterrupt from error
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        last = lines[-1].rstrip(".") if lines else "no message"
        raise DataError(
            f"the Beam pipeline failed with {type(error).__name__}: {last}; if nothing above says "
            f"why, a worker was killed, perhaps as memory ran out"
        ) from error
    finally:
        threading.excepthook = hook


def _read(path: Path) -> dict[str, Any]:
    """Reads the pipeline's report.

    Raises:
      Error: there is none, or it tells what failed.
    """
    if not path.exists():
        raise DataError(
            f"the Beam pipeline ended without {path}; {path.parents[2]} must be a folder that all "
            f"workers share, and the runner's log says whether it failed"
        )
    report: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if report["failed"]:
        first = min(report["failed"], key=lambda one: one["order"])
        error = getattr(errors, first["kind"], DataError)(first["text"])
        if isinstance(error, SampleError):
            error.remote_traceback = first["traceback"]
        raise error
    return report
