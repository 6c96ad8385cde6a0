"""Draws segmentations of a text into the pieces of a SentencePiece model.

SentencePiece itself can, but its random numbers differ between processes, whatever their seed.
"""

from __future__ import annotations

import heapq
import itertools
import math
import random
import re
import struct
from collections.abc import Iterator
from typing import Any

from t2tlite.errors import VocabularyError

# Numbers of SentencePiece's ModelProto: the types of models and of pieces.
UNIGRAM, BPE = 1, 2
_NORMAL, _UNKNOWN, _USER_DEFINED, _UNUSED, _BYTE = 1, 2, 4, 5, 6
# An unknown character scores this much less than the least likely piece.
_UNKNOWN_PENALTY = 10.0


class PieceSampler:
    """Draws segmentations, by BPE-dropout or from a unigram model.

    Args:
      model: the content of a SentencePiece model file.
      processor: the `SentencePieceProcessor` of it.
      filename: for messages.

    Raises:
      VocabularyError: a model of this type has one segmentation of a text.
    """

    def __init__(self, model: bytes, processor: Any, filename: str):
        self._processor = processor
        # The default type is unigram.
        self.kind, pieces = UNIGRAM, []
        for number, value in _fields(model):
            if number == 1:
                pieces.append({1: b"", 2: 0.0, 3: _NORMAL, **dict(_fields(value))})
            elif number == 2:
                self.kind = dict(_fields(value)).get(3, UNIGRAM)
        types = [piece[3] for piece in pieces]
        if self.kind not in (UNIGRAM, BPE) or _UNUSED in types:
            raise VocabularyError(
                f"{filename} can't be sampled: its type isn't bpe or unigram, or it has unused "
                f"pieces; use another vocabulary, or remove sampled_segmentations"
            )
        names = [piece[1].decode() for piece in pieces]
        self._unknown = types.index(_UNKNOWN)
        self._bytes = [number for number, kind in enumerate(types) if kind == _BYTE]
        self._ids, self._scores = {}, {}
        for number, (name, kind) in enumerate(zip(names, types, strict=True)):
            if kind in (_NORMAL, _USER_DEFINED):
                self._ids[name], self._scores[name] = number, pieces[number][2]
        # The longest first, as SentencePiece matches them.
        whole = [name for name, kind in zip(names, types, strict=True) if kind == _USER_DEFINED]
        self._whole = set(whole)
        escaped = map(re.escape, sorted(whole, key=len, reverse=True))
        self._first = re.compile("|".join([*escaped, "."]), re.DOTALL)
        self._longest = max(map(len, self._ids), default=1)
        self._least = min(self._scores.values(), default=0.0) - _UNKNOWN_PENALTY

    def sample(
        self, text: str, alpha: float, nbest_size: int, generator: random.Random
    ) -> list[int]:
        """Returns the ids of a segmentation of a text; see `SampledSegmentations`."""
        if self.kind == UNIGRAM and nbest_size > 0:
            return self._of_nbest(text, alpha, nbest_size, generator)
        normal = self._processor.normalize(text)
        symbols = self._first.findall(normal)
        drawn = self._merged if self.kind == BPE else self._of_lattice
        ids: list[int] = []
        for piece in drawn(symbols, alpha, generator):
            if piece in self._ids:
                ids.append(self._ids[piece])
            elif self._bytes:
                ids += [self._bytes[byte] for byte in piece.encode()]
            elif ids[-1:] != [self._unknown]:
                # As in SentencePiece, neighbouring unknown characters are one piece.
                ids.append(self._unknown)
        return ids

    def _merged(self, symbols: list[str], drop: float, generator: random.Random) -> list[str]:
        """Merges neighbours, the best pair first, each with the probability 1 - drop."""
        pieces: list[str] = symbols + [""]
        before, after = [*range(-1, len(symbols))], [*range(1, len(symbols) + 2)]
        queue: list[tuple[float, int, int, int]] = []

        def add(left: int, right: int) -> None:
            if left < 0 or right >= len(symbols):
                return
            if pieces[left] in self._whole or pieces[right] in self._whole:
                return
            pair = pieces[left] + pieces[right]
            if pair in self._scores:
                heapq.heappush(queue, (-self._scores[pair], left, right, len(pair)))

        for left in range(len(symbols) - 1):
            add(left, left + 1)
        while queue:
            _, left, right, length = heapq.heappop(queue)
            # One of the two may have been merged since.
            if not pieces[left] or not pieces[right]:
                continue
            if len(pieces[left]) + len(pieces[right]) != length:
                continue
            if drop and generator.random() < drop:
                continue
            pieces[left] += pieces[right]
            pieces[right] = ""
            after[left] = after[right]
            before[after[right]] = left
            add(before[left], left)
            add(left, after[left])
        return [piece for piece in pieces if piece]

    def _of_lattice(self, symbols: list[str], alpha: float, generator: random.Random) -> list[str]:
        """Draws a segmentation with the probability of its pieces to the power of alpha."""
        # For each end, the pieces before it and the sums of all ways that end with them.
        totals = [0.0]
        ways: list[list[tuple[int, str, float]]] = [[]]
        for end in range(1, len(symbols) + 1):
            found, piece = [], ""
            for start in range(end - 1, -1, -1):
                piece = symbols[start] + piece
                is_symbol = end - start == 1
                if len(piece) > self._longest and not is_symbol:
                    break
                if is_symbol or piece in self._scores:
                    score = self._scores.get(piece, self._least)
                    found.append((start, piece, totals[start] + alpha * score))
                # A whole piece is alone.
                if symbols[start] in self._whole or symbols[end - 1] in self._whole:
                    break
            ways.append(found)
            highest = max(total for *_, total in found)
            spread = sum(math.exp(total - highest) for *_, total in found)
            totals.append(highest + math.log(spread))
        pieces: list[str] = []
        end = len(symbols)
        while end:
            weights = [math.exp(total - totals[end]) for *_, total in ways[end]]
            end, piece, _ = ways[end][_drawn(weights, generator)]
            pieces.append(piece)
        return pieces[::-1]

    def _of_nbest(
        self, text: str, alpha: float, nbest_size: int, generator: random.Random
    ) -> list[int]:
        rows: list[list[int]] = self._processor.nbest_encode_as_ids(text, nbest_size)
        names = self._processor.id_to_piece
        totals = [
            alpha * sum(self._scores.get(names(id_), self._least) for id_ in row) for row in rows
        ]
        highest = max(totals, default=0.0)
        return rows[_drawn([math.exp(total - highest) for total in totals], generator)]


def _drawn(weights: list[float], generator: random.Random) -> int:
    """Returns a position, drawn in proportion to the weights."""
    # Of Python's random numbers only those of random() are guaranteed never to change.
    limit = generator.random() * sum(weights)
    sums = itertools.accumulate(weights)
    return next((i for i, total in enumerate(sums) if total > limit), len(weights) - 1)


def _fields(message: bytes) -> Iterator[tuple[int, Any]]:
    """Yields the fields of a protocol buffer: number, and an int, a float or bytes."""
    place = 0

    def varint() -> int:
        nonlocal place
        value = shift = 0
        while True:
            byte = message[place]
            place += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while place < len(message):
        number, kind = divmod(varint(), 8)
        if kind == 0:
            yield number, varint()
            continue
        size = varint() if kind == 2 else {1: 8, 5: 4}[kind]
        content, place = message[place : place + size], place + size
        yield number, struct.unpack("<f", content)[0] if kind == 5 else content
