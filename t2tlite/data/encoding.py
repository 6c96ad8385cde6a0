"""Samples to serialized examples: which encoder makes ids of which text of a sample."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

from t2tlite.config import EOS_ID
from t2tlite.data.records import SINGLE, entries_of, entry_of, examples_of, ids_features
from t2tlite.errors import DataError, Error, SampleError
from t2tlite.text.sampling import SampledSegmentations

# Samples whose texts are encoded by one call.
_BATCH = 1024


@dataclass(frozen=True)
class Encoding:
    """Encodes the texts of samples and appends EOS; other values stay unchanged.

    It can be pickled for other processes if its encoders can.

    Attributes:
      encoders: by the key of the text: any object with `encode`.
      prefixes: text put before all texts of a key.
      sampling: the copies of each training example; None: one.
    """

    encoders: Mapping[str, Any]
    prefixes: Mapping[str, str] = field(default_factory=dict)
    sampling: SampledSegmentations | None = None

    @property
    def copies(self) -> int:
        """How often a training example is in the data."""
        return self.sampling.copies if self.sampling else 1

    def copying(self, sampling: SampledSegmentations | None) -> Encoding:
        """Returns this encoding with copies of the training examples.

        Raises:
          Error: its encoders can't sample.
        """
        return replace(self, sampling=sampling.check(self.encoders) if sampling else None)

    def sampled(self, seed: int) -> Encoding:
        """Returns the encoding of a further copy of the training examples, by `sampling`."""
        encoders = dict(self.encoders)
        if self.sampling:
            for name in self.sampling.features or encoders:
                encoders[name] = self.sampling.encoder(encoders[name], seed)
        return replace(self, encoders=encoders)

    def encoded(self, samples: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
        """Yields the samples with lists of ids in place of texts."""
        iterator = iter(samples)
        # Copied at once, since a generator may yield the same dict again with other values.
        while batch := [dict(sample) for sample in islice(iterator, _BATCH)]:
            for name in self.encoders:
                rows = self.ids(name, [sample[name] for sample in batch])
                for sample, ids in zip(batch, rows, strict=True):
                    sample[name] = ids
            yield from batch

    def ids(self, name: str, texts: Sequence[str]) -> list[list[int]]:
        """Returns the ids of texts of one key, prefix and EOS included."""
        prefix = self.prefixes.get(name, "")
        rows = encode_batch(self.encoders[name], [prefix + text for text in texts])
        return [[*ids, EOS_ID] for ids in rows]


def serialize(
    samples: Sequence[Mapping[str, Any]], encoding: Encoding, first: int, source: str
) -> tuple[list[bytes], dict[str, Sequence[int]], dict[str, Sequence[bool]]]:
    """Encodes and serializes samples, each distinct text once.

    (In a problem that predicts the next line, every line is a target and then an input.)

    Args:
      samples: texts, and other values for the records.
      encoding: encodes the texts.
      first: number of the first sample, for messages.
      source: names the hook that yielded them, for messages.

    Returns:
      The serialized examples; by feature, the number of values of each example, 0 if it lacks the
      feature; by encoded feature, whether the text of each example is empty.

    Raises:
      SampleError: a text can't be encoded; the message names the sample.
    """
    tables = _encode_texts(encoding, samples, first, source)
    columns: list[Sequence[bytes]] = []
    lengths: dict[str, Sequence[int]] = {}
    empty: dict[str, Sequence[bool]] = {}
    # Columns and look-ups instead of a loop over samples, of which there may be millions.
    for name in sorted(set().union(*samples)):
        if name in tables:
            rows = [tables[name][sample[name]] for sample in samples]
            entries, lengths[name], empty[name] = zip(*rows, strict=True)
            columns.append(entries)
        else:
            column = []
            for number, sample in enumerate(samples, first):
                try:
                    column.append(entry_of(name, sample[name]) if name in sample else b"")
                except DataError as error:
                    raise SampleError(f"{source}, sample {number}: {error}") from None
            columns.append(column)
            values = [sample.get(name, ()) for sample in samples]
            lengths[name] = [1 if isinstance(v, SINGLE) else len(v) for v in values]
    return examples_of(columns), lengths, empty


def _encode_texts(
    encoding: Encoding, samples: Sequence[Mapping[str, Any]], first: int, source: str
) -> dict[str, dict[str, tuple[bytes, int, bool]]]:
    """Returns by feature and text: its map entry, its number of ids, and whether it is empty."""
    # Features with the same encoder and prefix share their texts.
    groups: dict[tuple[int, str], list[str]] = {}
    for name, encoder in encoding.encoders.items():
        groups.setdefault((id(encoder), encoding.prefixes.get(name, "")), []).append(name)
    tables = {}
    for names in groups.values():
        texts = list(dict.fromkeys(sample[name] for sample in samples for name in names))
        try:
            rows = encoding.ids(names[0], texts)
        except Error as error:
            # Encode the texts one by one, to find the one that fails.
            for number, sample in enumerate(samples, first):
                for name in names:
                    try:
                        encoding.ids(name, [sample[name]])
                    except Error as text_error:
                        message = f"{source}, sample {number}: {name!r}: {text_error}"
                        raise SampleError(message) from error
            raise
        features, lengths = ids_features(rows), list(map(len, rows))
        empty = [not text.strip() for text in texts]
        for name in names:
            values = zip(entries_of(name, features), lengths, empty, strict=True)
            tables[name] = dict(zip(texts, values, strict=True))
    return tables


def encode_batch(encoder: Any, texts: list[str]) -> list[list[int]]:
    """Encodes texts with any encoder, by its batch call if it has one."""
    batch: Callable[[list[str]], list[list[int]]] | None = getattr(encoder, "encode_batch", None)
    return batch(texts) if batch else [list(encoder.encode(text)) for text in texts]
