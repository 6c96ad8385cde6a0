"""Examples as the reading hooks of a problem make them, with TensorFlow operations, once."""

from __future__ import annotations

import collections
import contextlib
import logging
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from t2tlite import libraries
from t2tlite.batches.examples import StoredExamples
from t2tlite.data.records import read_examples
from t2tlite.errors import DataError

log = logging.getLogger(__name__)

# Maps a tf.data.Dataset of serialized records to one of dicts of int32 or float32 [length].
ToExamples = Callable[[Any], Any]

# Examples that are taken from TensorFlow at a time.
_CHUNK = 1024


def read_hooked(shards: Sequence[str], to_examples: ToExamples, problem: str) -> StoredExamples:
    """Runs the hooks over a split and keeps the examples in memory.

    Args:
      shards: TFRecord files.
      to_examples: parses and preprocesses records.
      problem: its name, for messages.

    Raises:
      DataError: a record is damaged, or there is no example.
    """
    tf = libraries.import_tensorflow()
    examples = to_examples(tf.data.TFRecordDataset(list(shards)))
    if _draws_random_numbers(examples):
        log.warning(
            "%s: preprocess_example draws random numbers; they are drawn once, not anew in each "
            "epoch",
            problem,
        )
    ids: dict[str, list[Any]] = {name: [] for name in examples.element_spec}
    lengths: dict[str, list[Any]] = {name: [] for name in examples.element_spec}
    with shard_errors(shards):
        for chunk in examples.ragged_batch(_CHUNK):
            for name, values in chunk.items():
                if isinstance(values, tf.RaggedTensor):
                    ids[name].append(values.flat_values.numpy())
                    lengths[name].append(values.row_lengths().numpy().astype(np.int32))
                else:
                    rows = values.numpy().reshape(len(values), -1)
                    ids[name].append(rows.reshape(-1))
                    lengths[name].append(np.full(len(rows), rows.shape[1], np.int32))
    if not any(map(len, lengths.values())):
        raise DataError(f"{os.path.dirname(shards[0])} has no example; run t2t-datagen again")
    widths = {
        name: spec.shape.num_elements()
        for name, spec in examples.element_spec.items()
        if spec.shape.is_fully_defined()
    }
    return StoredExamples(
        {name: np.concatenate(parts) for name, parts in ids.items()},
        {name: np.concatenate(parts) for name, parts in lengths.items()},
        widths,
    )


def _draws_random_numbers(dataset: Any) -> bool:
    """Whether the functions of a dataset contain random operations that aren't stateless."""
    import tensorflow as tf

    graph = tf.compat.v1.GraphDef.FromString(
        tf.raw_ops.DatasetToGraphV2(input_dataset=dataset._variant_tensor).numpy()
    )
    return any(
        _RANDOM.match(node.op) for function in graph.library.function for node in function.node_def
    )


_RANDOM = re.compile("Random|Stateful|Multinomial|TruncatedNormal|ParameterizedTruncated")


@contextlib.contextmanager
def shard_errors(shards: Iterable[str]) -> Iterator[None]:
    """Turns TensorFlow's errors about damaged records, within the block, into one that names them.

    Args:
      shards: the TFRecord files that the block reads.

    Raises:
      DataError: a record is damaged or isn't a tf.Example.
    """
    import tensorflow as tf

    try:
        yield
    except (tf.errors.DataLossError, tf.errors.InvalidArgumentError, UnicodeDecodeError) as error:
        # TensorFlow quotes a record that isn't a tf.Example; Python can't decode that as UTF-8.
        message = error.reason if isinstance(error, UnicodeDecodeError) else error.message
        if isinstance(error, tf.errors.InvalidArgumentError) and not _PARSING.search(message):
            raise
        # TensorFlow doesn't name the file; reading all of them raises an error that does.
        paths = list(shards)
        collections.deque(read_examples(paths), maxlen=0)
        if isinstance(error, UnicodeDecodeError):
            raise
        reason = message.strip().splitlines()[0]
        raise DataError(
            f"a record in {os.path.dirname(paths[0])} is damaged or not of this problem "
            f"({reason}); run t2t-datagen --overwrite or copy the folder again"
        ) from error


# In TensorFlow's message when a record isn't a tf.Example, or has another feature.
_PARSING = re.compile("[Pp]ars|Key: ")
