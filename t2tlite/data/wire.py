"""Reads tf.Examples from their serialized form, the wire format of Protocol Buffers.

`decode_ids` decodes many examples at once with vector operations, ten times as fast as a call for
each. It knows the form that protobuf libraries write; an example in another valid form goes through
`parse_example`, which reads everything. Shapes: N examples, F features.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

# Tags of the length-delimited fields 1, 2 and 3.
_FIELD_1, _FIELD_2, _FIELD_3 = 0x0A, 0x12, 0x1A


def parse_example(record: bytes) -> dict[str, list[Any]]:
    """Returns the values of a serialized tf.Example by feature: int, float or bytes.

    Raises:
      ValueError: it isn't a tf.Example.
    """
    features: dict[str, list[Any]] = {}
    for number, content in _fields(record):
        for entry_number, entry in _fields(content) if number == 1 else ():
            if entry_number != 1:
                continue
            parts = dict(_fields(entry))
            key, value = parts.get(1, b""), parts.get(2, b"")
            if not (isinstance(key, bytes) and isinstance(value, bytes)):
                raise ValueError("a feature has no name or value")
            features[key.decode()] = _values(value)
    return features


def _values(feature: bytes) -> list[Any]:
    """Returns the values of a tf.train.Feature."""
    values: list[Any] = []
    for kind, content in _fields(feature):
        for number, value in _fields(content) if kind in (1, 2, 3) else ():
            if number != 1:
                continue
            if kind != 3 and (isinstance(value, int) or kind == 2 and len(value) % 4):
                raise ValueError("a feature's value is of another type")
            if kind == 1:
                values.append(value)
            elif kind == 2:
                values.extend(struct.unpack(f"<{len(value) // 4}f", value))
            elif isinstance(value, int):
                values.append(_signed(value))
            else:
                values.extend(map(_signed, _varints(value)))
    return values


def _signed(value: int) -> int:
    return value - 2**64 if value >= 2**63 else value


def _varint(data: bytes, place: int) -> tuple[int, int]:
    """Returns the varint at a place and the place behind it."""
    value = shift = 0
    while True:
        if place >= len(data) or shift > 63:
            raise ValueError("a number is cut off")
        byte = data[place]
        value |= (byte & 127) << shift
        place, shift = place + 1, shift + 7
        if byte < 128:
            return value, place


def _varints(data: bytes) -> Iterator[int]:
    place = 0
    while place < len(data):
        value, place = _varint(data, place)
        yield value


def _fields(data: Any) -> Iterator[tuple[int, Any]]:
    """Yields number and content of each field of a message: int, or bytes."""
    if not isinstance(data, bytes):
        raise ValueError("a message is a number")
    place = 0
    while place < len(data):
        tag, place = _varint(data, place)
        kind = tag & 7
        if kind == 0:
            value, place = _varint(data, place)
            yield tag >> 3, value
            continue
        if kind == 2:
            size, place = _varint(data, place)
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
        else:
            raise ValueError("a field has an unknown type")
        if place + size > len(data):
            raise ValueError("a field is cut off")
        yield tag >> 3, data[place : place + size]
        place += size


def decode_ids(
    data: Array, starts: Array, sizes: Array, names: Sequence[str], fail: Callable[[int, str], None]
) -> list[tuple[Array, Array]]:
    """Decodes features of many serialized tf.Examples: lists of ids from 0 to the largest int32.

    Args:
      data: the bytes, uint8.
      starts, sizes: where each example is in them, int64 [N].
      names: F features; an example that lacks one has no ids of it.
      fail: is called with the number of a damaged example and what it has, and must raise.

    Returns:
      For each feature the ids of all examples, int32 [tokens], and their lengths, int32 [N].
    """
    begins, ends, is_odd = _payloads(data, starts, sizes, names)
    odd = np.flatnonzero(is_odd)
    begins[odd] = ends[odd] = 0
    results = []
    for feature in range(len(names)):
        ids, lengths, damaged = _packed_varints(data, begins[:, feature], ends[:, feature])
        if damaged.size:
            fail(int(damaged[0]), f"has an id beyond int32, or one cut off, in {names[feature]}")
        results.append((ids, lengths))
    return _with_parsed(results, odd, data, starts, sizes, names, fail) if odd.size else results


def _with_parsed(
    results: list[tuple[Array, Array]],
    odd: Array,
    data: Array,
    starts: Array,
    sizes: Array,
    names: Sequence[str],
    fail: Callable[[int, str], None],
) -> list[tuple[Array, Array]]:
    """Returns the results with those of the examples `odd`, which are parsed one by one."""
    parsed = []
    for example in odd.tolist():
        record = data[starts[example] : starts[example] + sizes[example]].tobytes()
        try:
            features = parse_example(record)
        except (ValueError, struct.error):
            fail(example, "isn't a tf.Example")
        rows = [features.get(name, []) for name in names]
        for name, row in zip(names, rows, strict=True):
            if not all(isinstance(i, int) and 0 <= i < 2**31 for i in row):
                fail(example, f"has other values than ids in {name}")
        parsed.append(rows)
    merged = []
    for feature, (ids, lengths) in enumerate(results):
        columns = [np.array(row[feature], np.int32) for row in parsed]
        counts = list(map(len, columns))
        places = np.cumsum(lengths)[odd] - lengths[odd]
        ids = np.insert(ids, np.repeat(places, counts), np.concatenate(columns))
        lengths = lengths.copy()
        lengths[odd] = counts
        merged.append((ids, lengths))
    return merged


def spans(begins: Array, sizes: Array) -> Array:
    """Returns the indices of all elements of spans, one span after the other, int64."""
    ends = np.cumsum(sizes)
    total = int(ends[-1]) if len(sizes) else 0
    return np.repeat(begins - ends + sizes, sizes) + np.arange(total)


def _varints_at(data: Array, places: Array) -> tuple[Array, Array]:
    """Reads a varint of at most four bytes at each place; returns values and places behind."""
    byte = data[places].astype(np.int64)
    value, more = byte & 127, byte > 127
    places, shift = places + 1, 7
    while more.any() and shift < 28:
        byte = data[np.minimum(np.where(more, places, 0), len(data) - 1)].astype(np.int64)
        value = np.where(more, value | (byte & 127) << shift, value)
        places = places + more
        more, shift = more & (byte > 127), shift + 7
    return value, places


def _payloads(
    data: Array, starts: Array, sizes: Array, names: Sequence[str]
) -> tuple[Array, Array, Array]:
    """Finds the packed varints of each feature: begins and ends [N, F], and bool [N]: is odd.

    All examples are parsed in step, one entry of the map each, so Python runs once per entry, not
    once per example. What isn't in the form that protobuf libraries write is odd.
    """
    begins, ends = np.zeros((2, len(starts), len(names)), np.int64)
    seen = np.zeros((len(starts), len(names)), bool)
    last, stops = len(data) - 1, starts + sizes
    is_odd = (sizes < 2) | (data[np.minimum(starts, last)] != _FIELD_1)
    size, places = _varints_at(data, np.minimum(starts + 1, last))
    is_odd |= places + size != stops
    live = np.flatnonzero(~is_odd & (places < stops))
    places = places[live]
    keys = [np.frombuffer(name.encode(), np.uint8) for name in names]
    while len(live):
        # An entry of the map: its key and its value, a Feature.
        ok = data[places] == _FIELD_1
        size, at = _varints_at(data, np.minimum(places + 1, last))
        behind = at + size
        ok &= (behind <= stops[live]) & (data[np.minimum(at, last)] == _FIELD_1)
        key_size, key = _varints_at(data, np.minimum(at + 1, last))
        value = np.minimum(key + key_size, last)
        ok &= data[value] == _FIELD_2
        size, at = _varints_at(data, np.minimum(value + 1, last))
        ok &= at + size == behind
        feature = np.full(len(live), -1)
        for number, letters in enumerate(keys):
            rows = np.flatnonzero(ok & (key_size == len(letters)))
            spelled = data[np.minimum(key[rows, None] + np.arange(len(letters)), last)]
            feature[rows[(spelled == letters).all(axis=1)]] = number
        # The Feature is an Int64List of packed values; either may be empty.
        wanted = filled = feature >= 0
        for tag in (_FIELD_3, _FIELD_1):
            filled = filled & (at < behind)
            ok &= ~filled | (data[np.minimum(at, last)] == tag)
            size, content = _varints_at(data, np.minimum(at + 1, last))
            ok &= ~filled | (content + size == behind)
            at = np.where(filled, content, at)
        # A feature that comes twice is for `parse_example`.
        ok &= ~(wanted & seen[live, feature])
        rows = np.flatnonzero(filled & ok)
        begins[live[rows], feature[rows]], ends[live[rows], feature[rows]] = at[rows], behind[rows]
        seen[live[wanted], feature[wanted]] = True
        is_odd[live[~ok]] = True
        going = ok & (behind < stops[live])
        live, places = live[going], behind[going]
    return begins, ends, is_odd


def _packed_varints(data: Array, begins: Array, ends: Array) -> tuple[Array, Array, Array]:
    """Decodes spans of varints.

    Returns:
      Ids, int32 [tokens]; lengths, int32 [N]; the numbers of the spans that hold an id beyond
      int32 or end within one.
    """
    sizes = ends - begins
    packed = data[spans(begins, sizes)]
    is_last = packed < 128
    counts = np.concatenate([[0], np.cumsum(is_last, dtype=np.int64)])
    span_ends = np.cumsum(sizes)
    lengths = counts[span_ends] - counts[span_ends - sizes]
    lasts = np.flatnonzero(is_last)
    widths = np.diff(lasts, prepend=-1)
    ids = packed[lasts].astype(np.int32)
    for position in range(1, min(5, int(widths.max(initial=1)))):
        # From the highest seven bits to the lowest.
        rows = np.flatnonzero(widths > position)
        ids[rows] = ids[rows] << 7 | (packed[lasts[rows] - position] & 127)
    too_wide = (widths > 5) | ((widths == 5) & (packed[lasts] > 7))
    filled = sizes > 0
    cut_off = np.zeros(len(sizes), bool)
    cut_off[filled] = ~is_last[span_ends[filled] - 1]
    if not (too_wide.any() or cut_off.any()):
        return ids, lengths.astype(np.int32), np.zeros(0, np.int64)
    owners = np.searchsorted(span_ends, lasts[too_wide], side="right")
    return ids, lengths.astype(np.int32), np.union1d(owners, np.flatnonzero(cut_off))
