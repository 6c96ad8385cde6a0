"""Samples to examples: which encoder makes ids of which text of a sample."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from t2tlite.config import EOS_ID
from t2tlite.data.records import entries_of, examples_of, feature_of, ids_features
from t2tlite.errors import Error, SampleError

# Samples whose texts are encoded by one call.
_BATCH = 1024


@dataclass(frozen=True)
class Encoding:
    """Makes ids of the texts of samples and ends each with EOS; other values stay as they are.

    It can be pickled if its encoders can, so that other processes encode.

    Attributes:
      encoders: by the key of the text: any object with `encode`.
      prefixes: text put before all texts of a key.
    """

    encoders: Mapping[str, Any]
    prefixes: Mapping[str, str] = field(default_factory=dict)

    def encoded(self, samples: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
        """Yields the samples with lists of ids in place of texts."""
        iterator = iter(samples)
        # Copied as they come: a generator may yield one dict again and again with other values.
        while batch := [dict(one) for one in islice(iterator, _BATCH)]:
            for name in self.encoders:
                ids = self.ids(name, [sample[name] for sample in batch])
                for sample, one in zip(batch, ids, strict=True):
                    sample[name] = one
            yield from batch

    def ids(self, name: str, texts: Sequence[str]) -> list[list[int]]:
        """Returns the ids of texts of one key, prefix and EOS included."""
        prefix = self.prefixes.get(name, "")
        ids = encode_batch(self.encoders[name], [prefix + text for text in texts])
        return [[*one, EOS_ID] for one in ids]


@dataclass
class Encoded:
    """Samples made ready to be written.

    Attributes:
      records: serialized examples.
      lengths: by feature, the ids of each example; 0 where it lacks the feature.
      empty: by feature, whether each example's text is empty; of texts encoded here alone.
    """

    records: list[bytes]
    lengths: dict[str, Sequence[int]]
    empty: dict[str, Sequence[bool]]


def serialize(
    samples: Sequence[Mapping[str, Any]], encoding: Encoding, first: int, source: str
) -> Encoded:
    """Encodes and serializes samples, each text once however often it occurs in them.

    In a problem whose answer is the next line, every line is a target and then an input.

    Args:
      samples: texts and whatever else belongs into the records.
      encoding: encodes the texts.
      first: number of the first sample, for messages.
      source: names the hook that yielded them, for messages.

    Raises:
      SampleError: a text can't be encoded; names the sample.
    """
    tables = _tables(encoding, samples, first, source)
    columns: list[Iterable[bytes]] = []
    encoded = Encoded([], {}, {})
    # Columns and look-ups instead of a loop over samples: this is done for millions.
    for name in sorted(set().union(*samples)):
        if name in tables:
            found = [tables[name][sample[name]] for sample in samples]
            entries, encoded.lengths[name], encoded.empty[name] = zip(*found, strict=True)
            columns.append(entries)
        else:
            columns.append([_entry(name, sample) for sample in samples])
            encoded.lengths[name] = [_length(sample.get(name, ())) for sample in samples]
    encoded.records = examples_of(columns)
    return encoded


def _entry(name: str, sample: Mapping[str, Any]) -> bytes:
    return entries_of(name, [feature_of(name, sample[name])])[0] if name in sample else b""


def _length(value: Any) -> int:
    return 1 if isinstance(value, (str, bytes, int, float)) else len(value)


def _tables(
    encoding: Encoding, samples: Sequence[Mapping[str, Any]], first: int, source: str
) -> dict[str, dict[str, tuple[bytes, int, bool]]]:
    """By name and text: its part of an example, its number of ids, and whether it is empty."""
    groups: dict[tuple[int, str], list[str]] = {}
    for name, encoder in encoding.encoders.items():
        groups.setdefault((id(encoder), encoding.prefixes.get(name, "")), []).append(name)
    found = {}
    for names in groups.values():
        texts = list(dict.fromkeys(sample[name] for sample in samples for name in names))
        try:
            ids = encoding.ids(names[0], texts)
        except Error as error:
            raise _with_its_sample(error, encoding, names, samples, first, source) from error
        features, lengths = ids_features(ids), list(map(len, ids))
        empty = [not text.strip() for text in texts]
        for name in names:
            rows = zip(entries_of(name, features), lengths, empty, strict=True)
            found[name] = dict(zip(texts, rows, strict=True))
    return found


def _with_its_sample(
    error: Error,
    encoding: Encoding,
    names: Sequence[str],
    samples: Sequence[Mapping[str, Any]],
    first: int,
    source: str,
) -> Error:
    """The error of the first sample that can't be encoded alone."""
    for number, sample in enumerate(samples, first):
        for name in names:
            try:
                encoding.ids(name, [sample[name]])
            except Error as one:
                return SampleError(f"{source}, sample {number}: {name!r}: {one}")
    return error


def encode_batch(encoder: Any, texts: list[str]) -> list[list[int]]:
    """Encodes texts with the encoder's batch call if it has one; any encoder will do."""
    batch: Callable[[list[str]], list[list[int]]] | None = getattr(encoder, "encode_batch", None)
    return batch(texts) if batch else [list(encoder.encode(text)) for text in texts]
