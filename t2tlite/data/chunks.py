"""Chunk files: encoded samples on their way from a generator to the shards.

A chunk file holds some thousand serialized examples, sorted by shard and, within a shard, by a
random key. A shard is the merge by key of its parts of all chunks: a shuffle of all data that keeps
only a part of one shard in memory. (An external sort; Knuth, The Art of Computer Programming 3,
5.4.) Chunk files are named after what they are made from, so that a resumed run recognizes them,
and hold a digest of their content, so that it notices damaged ones.
"""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save

from t2tlite.data.encoding import Encoding, serialize
from t2tlite.data.manifest import Split
from t2tlite.data.records import framed
from t2tlite.files import atomic

Array = np.ndarray[Any, Any]

_TRAIN = "train"

# Bytes of a shard that are merged at a time.
_MERGE_BYTES = 2**26


@dataclass(frozen=True)
class ChunkJob:
    """What a process needs to write one chunk file.

    Attributes:
      folder: where to write it.
      stream: number of the stream.
      task: number of the task within the stream.
      chunk: number of the chunk within the task.
      source: names the hook that yielded the samples, for messages.
      first: number of the first sample within the task.
      samples: the pickled list of samples.
      encoding: the pickled `Encoding`.
      shards: number of shards by split; example n goes to shard (task + n) modulo their sum.
      seed: of the shuffle.
      versions: of the libraries whose change could change the examples.
    """

    folder: str
    stream: int
    task: int
    chunk: int
    source: str
    first: int
    samples: bytes
    encoding: bytes
    shards: Mapping[str, int]
    seed: int
    versions: Mapping[str, str]

    @property
    def path(self) -> Path:
        """The chunk file. Its name ends in a digest of everything that its content depends on."""
        settings = repr((self.first, self.shards, self.seed, self.versions)).encode()
        digest = hashlib.blake2b(settings, digest_size=16)
        digest.update(self.encoding)
        digest.update(self.samples)
        stem = f"{self.stream}-{self.task:06d}-{self.chunk:06d}"
        return Path(self.folder, f"{stem}-{digest.hexdigest()}.chunk")


def write_chunk(job: ChunkJob) -> str:
    """Encodes the samples of a chunk and writes its file, unless it exists and is intact.

    Returns:
      The name of the file.

    Raises:
      Error: a sample can't be encoded; the message names it.
      OutputError: the file can't be written.
    """
    path = job.path
    if is_intact(path):
        return path.name
    samples: list[Mapping[str, Any]] = pickle.loads(job.samples)
    encoding: Encoding = pickle.loads(job.encoding)
    shard_count = sum(job.shards.values())
    # Of NumPy's random numbers only these are guaranteed never to change.
    entropy = abs(job.seed), int(job.seed < 0), job.stream, job.task, job.chunk
    encoded, lengths, empty, shards = _examples(job, samples, encoding, entropy)
    keys = np.random.PCG64(np.random.SeedSequence(entropy)).random_raw(len(encoded))
    order = np.lexsort((keys, shards))
    records = [encoded[i] for i in order]
    hashes = b"".join(hashlib.blake2b(record, digest_size=8).digest() for record in records)
    arrays: dict[str, Array] = {
        # Where each shard's examples start, and each example's bytes; then the end of all.
        "starts": np.cumsum([0, *np.bincount(shards, minlength=shard_count)]),
        "offsets": np.cumsum([0, *map(len, records)]),
        "keys": np.asarray(keys)[order],
        "hashes": np.frombuffer(hashes, np.uint64),
        "records": np.frombuffer(b"".join(records), np.uint8),
    }
    splits: dict[str, dict[str, Any]] = {}
    first = 0
    for name, count in job.shards.items():
        chosen = (shards >= first) & (shards < first + count)
        first += count
        chosen_lengths = {k: np.asarray(v)[chosen] for k, v in lengths.items()}
        splits[name] = {
            "examples": int(chosen.sum()),
            "tokens": {k: int(v.sum()) for k, v in chosen_lengths.items()},
            "max_length": {k: int(v.max(initial=0)) for k, v in chosen_lengths.items()},
            "empty": {k: int(np.asarray(v)[chosen].sum()) for k, v in empty.items()},
        }
    content = save(arrays, {"splits": json.dumps(splits), "digest": _NO_DIGEST.decode()})
    with atomic(path) as file:
        file.write(content.replace(_NO_DIGEST, _digest(content), 1))
    return path.name


def _examples(
    job: ChunkJob,
    samples: Sequence[Mapping[str, Any]],
    encoding: Encoding,
    entropy: tuple[int, ...],
) -> tuple[list[bytes], dict[str, list[int]], dict[str, list[bool]], Array]:
    """Serializes the samples of a chunk, then further copies of the training examples.

    Returns:
      As `serialize`, and the shard of each example.
    """
    split_of = np.repeat([*job.shards], [*job.shards.values()])
    shards = (job.task + job.first + np.arange(len(samples))) % len(split_of)
    examples, lengths, empty = serialize(samples, encoding, job.first, job.source)
    all_lengths = {name: [*values] for name, values in lengths.items()}
    all_empty = {name: [*values] for name, values in empty.items()}
    training = np.flatnonzero(split_of[shards] == _TRAIN)
    of_training = [samples[i] for i in training.tolist()]
    for copy in range(1, encoding.copies if of_training else 1):
        seed = int(np.random.SeedSequence([*entropy, copy]).generate_state(1)[0])
        more, lengths, empty = serialize(of_training, encoding.sampled(seed), 0, job.source)
        examples += more
        # A feature may be missing in all training examples.
        for name, values in all_lengths.items():
            values += lengths.get(name, [0] * len(more))
        for name, flags in all_empty.items():
            flags += empty.get(name, [False] * len(more))
        shards = np.append(shards, shards[training])
    return examples, all_lengths, all_empty, shards


# In place of the digest while it is computed.
_NO_DIGEST = b"-" * 32


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=len(_NO_DIGEST) // 2).hexdigest().encode()


def is_intact(path: Path) -> bool:
    """Whether a chunk file exists and each of its bits is as it was written."""
    try:
        content = path.read_bytes()
    except OSError:
        return False
    match = re.search(rb'"digest":"([0-9a-f]{32})"', content)
    if match is None:
        return False
    return match[1] == _digest(content.replace(match[1], _NO_DIGEST, 1))


def read_splits(path: str | os.PathLike[str]) -> dict[str, Split]:
    """Returns the counts, by split, of the examples in a chunk file."""
    with safe_open(path, framework="np") as file:
        splits = json.loads(file.metadata()["splits"])
    return {name: Split(**values) for name, values in splits.items()}


@dataclass(frozen=True)
class ShardJob:
    """What a process needs to write one shard.

    Attributes:
      path: the TFRecord file to write.
      chunks: the chunk files.
      shard: number of the shard in them, of `shards` in all.
    """

    path: str
    chunks: Sequence[Path]
    shard: int
    shards: int


def write_merged_shard(job: ShardJob) -> None:
    """Writes a shard: its examples from all chunks in the order of their keys.

    Raises:
      OutputError: it can't be written.
    """
    chunk_bytes = sum(path.stat().st_size for path in job.chunks)
    parts = chunk_bytes // job.shards // _MERGE_BYTES + 1
    with atomic(job.path) as file:
        for part in range(parts):
            bounds = 2**64 * part // parts, 2**64 * (part + 1) // parts
            examples = [_read_examples(path, job.shard, *bounds) for path in job.chunks]
            keys = np.concatenate([np.zeros(0, np.uint64), *(keys for keys, _ in examples)])
            records = list(chain.from_iterable(records for _, records in examples))
            file.writelines(framed(records[i]) for i in np.argsort(keys, kind="stable"))


def _read_examples(path: Path, shard: int, first: int, last: int) -> tuple[Array, list[bytes]]:
    """Returns keys, uint64 [examples], and examples of a shard whose keys are in [first, last)."""
    with safe_open(path, framework="np") as file:
        start, stop = file.get_slice("starts")[shard : shard + 2].tolist()
        # safetensors can't slice an empty range at the end of an array.
        keys = file.get_slice("keys")[start:stop] if start < stop else np.zeros(0, np.uint64)
        # `last` may be 2**64, which doesn't fit a uint64.
        begin = int(np.searchsorted(keys, np.uint64(first), "left"))
        end = int(np.searchsorted(keys, np.uint64(last - 1), "right"))
        if begin == end:
            return np.zeros(0, np.uint64), []
        offsets = file.get_slice("offsets")[start + begin : start + end + 1].tolist()
        content = file.get_slice("records")[offsets[0] : offsets[-1]].tobytes()
    ends = [offset - offsets[0] for offset in offsets]
    return keys[begin:end], [content[a:b] for a, b in pairwise(ends)]


def _read_hashes(paths: Sequence[Path], shards: range) -> Iterator[Array]:
    """Yields, chunk by chunk, the hashes of the examples of some shards, uint64 [examples]."""
    for path in paths:
        with safe_open(path, framework="np") as file:
            starts = file.get_slice("starts")
            start, stop = (int(starts[at : at + 1][0]) for at in (shards.start, shards.stop))
            if start < stop:
                yield file.get_slice("hashes")[start:stop]


def count_leaks(chunks: Mapping[str, tuple[Sequence[Path], range]], train: str) -> dict[str, int]:
    """Counts the examples of each split that are in the training split too.

    Args:
      chunks: by split, its chunk files and the numbers of its shards in them.
      train: name of the training split.

    Returns:
      Numbers of examples by split, without `train`.
    """
    hashes = {
        split: np.concatenate([np.zeros(0, np.uint64), *_read_hashes(*files)])
        for split, files in chunks.items()
        if split != train
    }
    leaked = {split: np.zeros(len(values), bool) for split, values in hashes.items()}
    for train_hashes in _read_hashes(*chunks[train]) if train in chunks else ():
        for split, values in hashes.items():
            leaked[split] |= np.isin(values, train_hashes)
    return {split: int(mask.sum()) for split, mask in leaked.items()}
