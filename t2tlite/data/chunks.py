"""Chunks: some thousand examples in a file, sorted, on their way from a generator to the shards.

A chunk file is what survives a killed run. It holds serialized examples in the order in which the
shards want them: by shard, then by a random number of each example's own, its key. So a shard is
what the chunks have for it, merged by key: a shuffle of all data that needs memory for one part of
one shard. (An external sort; Knuth, The Art of Computer Programming 3, 5.4.)
"""

from __future__ import annotations

import hashlib
import json
import os
import pickle
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from t2tlite.data.encoding import Encoding, serialize
from t2tlite.data.records import framed
from t2tlite.files import atomic

Array = np.ndarray[Any, Any]

# A chunk ends with the first of these: samples, and characters of text.
CHUNK_SAMPLES = 2**15
CHUNK_CHARACTERS = 2**23
# Of a shard, this much is merged at a time.
_MERGE_BYTES = 2**26


@dataclass(frozen=True)
class ChunkJob:
    """What a process needs to make one chunk.

    Attributes:
      path: the file to write.
      source: names the hook that yielded the samples, for messages.
      first: number of the first sample.
      turn: number of the shard that the first sample goes to; past the last one it begins anew.
      samples: the pickled list of samples.
      encoding: the pickled `Encoding`.
      shards: how many the data set's stream has; examples go to them in turn.
      entropy: seed, stream, task and chunk: keys are drawn from them.
    """

    path: str
    source: str
    first: int
    turn: int
    samples: bytes
    encoding: bytes
    shards: int
    entropy: tuple[int, ...]

    @property
    def digest(self) -> str:
        """What the chunk is made from: the same digest, the same file."""
        settings = repr((self.first, self.turn, self.shards, self.entropy)).encode()
        parts = hashlib.blake2b(settings, digest_size=16)
        parts.update(self.encoding)
        parts.update(self.samples)
        return parts.hexdigest()


@dataclass(frozen=True)
class ChunkSummary:
    """What a chunk holds, by shard.

    Attributes:
      examples: [shards].
      bytes: of the serialized examples, [shards].
      tokens: by feature, [shards].
      longest: by feature, ids of the longest, [shards].
      empty: by feature, examples whose text is empty, [shards].
    """

    examples: list[int]
    bytes: list[int]
    tokens: dict[str, list[int]]
    longest: dict[str, list[int]]
    empty: dict[str, list[int]]


@dataclass(frozen=True)
class SortedRun:
    """Examples of one shard, sorted by key.

    Attributes:
      keys: uint64 [examples].
      ends: where each serialized example ends in `content`, int64 [examples].
      content: the serialized examples.
    """

    keys: Array
    ends: Array
    content: bytes


@dataclass(frozen=True)
class Chunk:
    """Serialized examples by shard, then by key.

    Attributes:
      summary: what there is by shard.
      keys: uint64 [examples].
      hashes: of the serialized examples, uint64 [examples].
      lengths: of the serialized examples, int64 [examples].
      records: the serialized examples.
    """

    summary: ChunkSummary
    keys: Array
    hashes: Array
    lengths: Array
    records: list[bytes]

    @property
    def starts(self) -> Array:
        """The first example of each shard, and the number of all; int64 [shards + 1]."""
        return np.concatenate([[0], np.cumsum(self.summary.examples)]).astype(np.int64)

    def run(self, shard: int) -> SortedRun:
        """What there is for one shard."""
        here = slice(*self.starts[shard : shard + 2].tolist())
        ends = np.cumsum(self.lengths[here])
        return SortedRun(self.keys[here], ends, b"".join(self.records[here]))


def write_chunk(job: ChunkJob) -> ChunkSummary:
    """Encodes the samples of a chunk and writes its file, unless it is there already.

    Raises:
      Error: a sample can't be encoded; names it.
      OutputError: the file can't be written.
    """
    from safetensors.numpy import save

    digest = job.digest
    found = read_summary(job.path, digest)
    if found:
        return found
    chunk = make_chunk(job)
    arrays: dict[str, Array] = {
        "starts": chunk.starts,
        "keys": chunk.keys,
        "hashes": chunk.hashes,
        "ends": np.cumsum(chunk.lengths),
        "records": np.frombuffer(b"".join(chunk.records), np.uint8),
    }
    with atomic(job.path) as file:
        file.write(save(arrays, {"digest": digest, "summary": json.dumps(vars(chunk.summary))}))
    return chunk.summary


def make_chunk(job: ChunkJob) -> Chunk:
    """Encodes the samples of a chunk, deals them to the shards and draws their keys.

    Raises:
      Error: a sample can't be encoded; names it.
    """
    samples: list[Mapping[str, Any]] = pickle.loads(job.samples)
    encoding: Encoding = pickle.loads(job.encoding)
    encoded = serialize(samples, encoding, job.first, job.source)
    count = len(samples)
    shards = (job.turn + np.arange(count)) % job.shards
    # Of all of NumPy's random numbers only these are promised to stay the same for ever.
    keys = np.random.PCG64(np.random.SeedSequence(job.entropy)).random_raw(count)
    order = np.lexsort((keys, shards))
    lengths = np.array([len(record) for record in encoded.records], np.int64)
    hashes = np.frombuffer(
        b"".join(hashlib.blake2b(one, digest_size=8).digest() for one in encoded.records), np.uint64
    )
    summary = ChunkSummary(
        examples=_sums(shards, job.shards, np.ones(count)),
        bytes=_sums(shards, job.shards, lengths),
        tokens={k: _sums(shards, job.shards, v) for k, v in encoded.lengths.items()},
        longest={k: _most(shards, job.shards, v) for k, v in encoded.lengths.items()},
        empty={k: _sums(shards, job.shards, v) for k, v in encoded.empty.items()},
    )
    return Chunk(
        summary,
        keys=np.asarray(keys)[order],
        hashes=hashes[order],
        lengths=lengths[order],
        records=[encoded.records[i] for i in order],
    )


def read_summary(path: str | os.PathLike[str], digest: str) -> ChunkSummary | None:
    """Returns the summary of a chunk file, or None if it isn't there or made from something else.

    Args:
      path: the file.
      digest: of the job that would write it.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as file:
            metadata = file.metadata()
    except (FileNotFoundError, SafetensorError):
        return None
    if metadata["digest"] != digest:
        return None
    return ChunkSummary(**json.loads(metadata["summary"]))


def _read_hashes(paths: Sequence[Path], shards: range) -> Iterator[Array]:
    """Yields from each chunk the hashes, uint64 [examples], of its examples of some shards."""
    from safetensors import safe_open

    for path in paths:
        with safe_open(path, framework="np") as file:
            starts = file.get_slice("starts")
            first, last = (int(starts[at : at + 1][0]) for at in (shards.start, shards.stop))
            # Nothing at the end of a file can't be sliced.
            if first < last:
                yield file.get_slice("hashes")[first:last]


@dataclass(frozen=True)
class ShardJob:
    """What a process needs to write one shard.

    Attributes:
      path: the TFRecord file to write.
      chunks: the chunk files.
      shard: its number in them.
      bytes: of its serialized examples.
    """

    path: str
    chunks: Sequence[Path]
    shard: int
    bytes: int


def write_merged_shard(job: ShardJob) -> None:
    """Writes a shard from what the chunks have for it, in the order of the keys.

    Raises:
      OutputError: it can't be written.
    """
    parts = job.bytes // _MERGE_BYTES + 1
    bounds = [2**64 * part // parts for part in range(parts + 1)]
    with atomic(job.path) as file:
        for first, last in zip(bounds, bounds[1:], strict=False):
            file.writelines(map(framed, merged(_runs(job, first, last))))


def _runs(job: ShardJob, first: int, last: int) -> Iterator[SortedRun]:
    """The shard's examples with keys in [first, last), chunk by chunk."""
    from safetensors import safe_open

    for path in job.chunks:
        with safe_open(path, framework="np") as file:
            start, stop = map(int, file.get_slice("starts")[job.shard : job.shard + 2])
            if start == stop:
                continue
            here = file.get_slice("keys")[start:stop]
            begin = int(np.searchsorted(here, np.uint64(first), "left"))
            # The last bound, 2**64, is no uint64.
            end = int(np.searchsorted(here, np.uint64(last - 1), "right"))
            if begin == end:
                continue
            ends = file.get_slice("ends")[max(start + begin - 1, 0) : start + end].tolist()
            ends = ends if start + begin else [0, *ends]
            content = file.get_slice("records")[ends[0] : ends[-1]].tobytes()
            yield SortedRun(here[begin:end], np.array(ends[1:]) - ends[0], content)


def merged(runs: Iterable[SortedRun]) -> list[bytes]:
    """Returns the examples of runs sorted by key; those with the same key in the order of runs."""
    records: list[bytes] = []
    keys: list[Array] = [np.zeros(0, np.uint64)]
    for run in runs:
        ends = [0, *run.ends.tolist()]
        records += [run.content[a:b] for a, b in zip(ends, ends[1:], strict=False)]
        keys.append(run.keys)
    order = np.argsort(np.concatenate(keys), kind="stable")
    return [records[i] for i in order]


def _sums(shards: Array, count: int, values: Any) -> list[int]:
    sums = np.bincount(shards, np.asarray(values, np.float64), count)
    return [int(one) for one in sums]


def _most(shards: Array, count: int, values: Sequence[int]) -> list[int]:
    most = np.zeros(count, np.int64)
    np.maximum.at(most, shards, np.asarray(values, np.int64))
    return [int(one) for one in most]


def count_leaks(chunks: Mapping[str, tuple[Sequence[Path], range]], trained: str) -> dict[str, int]:
    """Counts the examples of each split that another split, the training one, has too.

    Args:
      chunks: by split, its chunk files and the numbers of its shards in them.
      trained: the split that the others are compared with.

    Returns:
      Numbers of examples by split, without `trained`.
    """
    held = {
        split: np.concatenate([np.zeros(0, np.uint64), *_read_hashes(*where)])
        for split, where in chunks.items()
        if split != trained
    }
    return count_shared(held, _read_hashes(*chunks.get(trained, ((), range(0)))))


def count_shared(held: Mapping[str, Array], others: Iterable[Array]) -> dict[str, int]:
    """Counts by split the hashes, uint64 [examples], that are among the others'."""
    leaked = {split: np.zeros(len(hashes), bool) for split, hashes in held.items()}
    for seen in others:
        seen = np.sort(seen)
        for split, hashes in held.items():
            places = np.searchsorted(seen, hashes)
            here = places < len(seen)
            leaked[split][here] |= seen[places[here]] == hashes[here]
    return {split: int(one.sum()) for split, one in leaked.items()}
