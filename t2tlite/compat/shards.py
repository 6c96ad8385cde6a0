"""Writing the shards of a problem that writes them itself, as T2T's `generator_utils` does."""

from __future__ import annotations

import itertools
import logging
import os
import random
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from t2tlite.data.records import ShardWriter, read_shard, serialized, write_shard
from t2tlite.files import make_folder

log = logging.getLogger(__name__)

UNSHUFFLED_SUFFIX = "-unshuffled"


def outputs_exist(filenames: Sequence[str]) -> str | None:
    """Returns the first of the shuffled shards that exists."""
    finals = (name.replace(UNSHUFFLED_SUFFIX, "") for name in filenames)
    return next((name for name in finals if os.path.exists(name)), None)


def generate_files(
    generator: Iterable[dict[str, Any] | None],
    output_filenames: Sequence[str],
    max_cases: int | None = None,
    cycle_every_n: int = 1,
) -> None:
    """Distributes examples over shards, unless the shuffled shards exist."""
    if existing := outputs_exist(output_filenames):
        log.info("%s exists already", existing)
        return
    for folder in {os.path.dirname(name) or "." for name in output_filenames}:
        make_folder(folder)
    writers = [ShardWriter(f"{name}.incomplete") for name in output_filenames]
    examples = (example for example in generator if example is not None)
    count = 0
    for example in itertools.islice(examples, max_cases):
        writers[count // cycle_every_n % len(writers)].write(serialized(example))
        count += 1
    for writer, name in zip(writers, output_filenames, strict=True):
        writer.close()
        os.replace(f"{name}.incomplete", name)
    log.info("wrote %d samples", count)


def shuffle_dataset(
    filenames: Sequence[str], extra_fn: Callable[[list[bytes]], Iterable[bytes]] | None = None
) -> None:
    """Replaces each unshuffled shard by a shuffled one, whose name lacks the suffix."""
    if outputs_exist(filenames):
        return
    for name in filenames:
        final = name.replace(UNSHUFFLED_SUFFIX, "")
        records = list(read_shard(name))
        random.Random(os.path.basename(final)).shuffle(records)
        write_shard(f"{final}.incomplete", extra_fn(records) if extra_fn else records)
        os.replace(f"{final}.incomplete", final)
        if final != name:
            os.remove(name)
