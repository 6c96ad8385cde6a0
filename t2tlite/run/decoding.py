"""Decoding: a trained model folder turned into text, from Python, files or a prompt."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import os
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from t2tlite import progress, registry
from t2tlite.config import HParams
from t2tlite.data.encoding import encode_batch
from t2tlite.errors import DataError, DeviceError
from t2tlite.run import checkpoints, devices, record
from t2tlite.run.decode_files import decode_file, default_target, read_lines
from t2tlite.run.decode_hparams import DecodeHParams
from t2tlite.run.hypothesis import DecodeHookArgs, Hypothesis
from t2tlite.text import EOS_ID, PAD_ID

__all__ = [
    "BATCH_TOKENS",
    "LENGTH_STEP",
    "DecodeHParams",
    "DecodeHookArgs",
    "Decoder",
    "Hypothesis",
    "decode_file",
    "default_target",
    "read_lines",
]

log = logging.getLogger(__name__)

# Tokens of a batch, all beams and the room for the answer included.
BATCH_TOKENS = 65_536
# Input lengths are padded to a multiple of this, so that few shapes are traced.
LENGTH_STEP = 8
# Searches kept compiled; each other way to decode is one more.
_SEARCHES = 8


class Decoder:
    """A trained model, loaded once, that answers lines of text.

        decoder = Decoder("model")
        decoder.decode(["the woods are lovely dark and deep"])

    Args:
      output_dir: what t2t-trainer wrote.
      checkpoint: a step, or the path of a weights file; "": the newest.
      decode_hparams: how to decode; T2T's names in one text or a `DecodeHParams`.
      usr_dirs: plugin folders, if they have moved since training.
      device: from `t2tlite.run.devices.choose`; by default one of Keras's current backend.

    Raises:
      Error: the folder holds no model, or its vocabulary or plugins are missing.
    """

    def __init__(
        self,
        output_dir: str | os.PathLike[str],
        checkpoint: str | int = "",
        decode_hparams: str | DecodeHParams = "",
        usr_dirs: Sequence[str] = (),
        device: devices.Devices | None = None,
    ):
        self.output_dir = str(output_dir)
        self.run = record.read(output_dir)
        record.load_plugins(self.run, list(usr_dirs))
        self.run.check_vocabularies(output_dir)
        self.problem = registry.problem(self.run.problem)
        self.hparams = HParams.from_values(self.run.hparams)
        if isinstance(decode_hparams, str):
            decode_hparams = DecodeHParams().override(decode_hparams)
        self.decode_hparams = decode_hparams.check()
        self._weights = _weights_file(output_dir, checkpoint)
        self._device = device or devices.current()
        if self._device.workers > 1:
            raise DeviceError(
                f"decoding runs on one machine, and this is one of {self._device.workers}; unset "
                f"TF_CONFIG, or decode on a machine that is no part of a TPU pod"
            )
        self.problem_hparams = self.problem.get_hparams(self.hparams, self.output_dir)
        self.encoders = self.problem_hparams.vocabulary
        with self._device.scope():
            self.network = self.run.make_model(self.problem_hparams)
        checkpoints.load_weights(self.network, self._weights)
        self._compiled: dict[Any, Any] = {}

    @property
    def weights(self) -> Path:
        """The weights file."""
        return self._weights

    @property
    def device(self) -> devices.Devices:
        """Where the model runs."""
        return self._device

    @property
    def checkpoint_name(self) -> str:
        """The weights file's name without its ending, as in T2T's output file names."""
        return self._weights.name.removesuffix(".safetensors")

    @property
    def classifies(self) -> bool:
        """Whether answers are class labels."""
        return self.problem_hparams.modality["targets"] == "class_label"

    def decode(self, lines: Sequence[str]) -> list[str]:
        """Returns the best answer to each line; a blank line gets a blank one."""
        return [best[0].text for best in self.n_best(lines)]

    def n_best(
        self,
        lines: Sequence[str],
        decode_hparams: DecodeHParams | None = None,
        prefixes: Sequence[str] | None = None,
    ) -> list[list[Hypothesis]]:
        """Returns the answers to each line, best first: as many as there are beams.

        Args:
          lines: texts; for a language model, their beginnings.
          decode_hparams: for this call.
          prefixes: for each line the text that its answers begin with, which scores don't count;
            "": none. Whitespace at its end is left to the model.

        Raises:
          DataError: the model takes no prefixes, or there isn't one for each line.
        """
        answers: list[list[Hypothesis]] = [[Hypothesis("", 0.0, [])] for _ in lines]
        for batch, found in self.batches(lines, decode_hparams, prefixes):
            for i, hypotheses in zip(batch, found, strict=True):
                answers[i] = hypotheses
        return answers

    def batches(
        self,
        lines: Sequence[str],
        decode_hparams: DecodeHParams | None = None,
        prefixes: Sequence[str] | None = None,
        known: Collection[int] = (),
        first: int | None = None,
    ) -> Iterator[tuple[list[int], list[list[Hypothesis]]]]:
        """Yields batch after batch of answers as they are found, those to the longest lines first.

        Args:
          lines, decode_hparams, prefixes: as for `n_best`.
          known: indices of lines; a batch of such lines alone is left out.
          first: number of the first of the lines, from 0, in the file that they are a part of;
            samples are then drawn by it and not by what was drawn before.

        Yields:
          Indices of lines, which aren't blank, and the answers to each.
        """
        how = (decode_hparams or self.decode_hparams).check()
        asked = [i for i, line in enumerate(lines) if line.strip()]
        encoded = dict(zip(asked, self._encode(lines, asked, how, first or 0), strict=True))
        begun = dict(zip(asked, self._begin(lines, asked, prefixes), strict=True))
        batches = self._batches(encoded, begun, how)
        with contextlib.ExitStack() as shown:
            advance = None
            if len(batches) > 2:
                meter = progress.meter("decoding", "lines", len(asked))
                advance = shown.enter_context(meter)
            for number, batch in enumerate(batches):
                if any(i not in known for i in batch):
                    draw = None if first is None else first + number
                    rows = [(encoded[i], begun[i]) for i in batch]
                    yield batch, self._search(rows, how, draw)
                if advance:
                    advance(len(batch))

    @property
    def _sides(self) -> tuple[str, str]:
        """The texts that the problem puts before all inputs and before all targets."""
        problem = self.problem
        prefixes = getattr(problem, "inputs_prefix", ""), getattr(problem, "targets_prefix", "")
        # The suffix _rev swaps the sides, and so their prefixes.
        swapped = self.run.problem != problem.name and "_rev" in self.run.problem
        return (prefixes[1], prefixes[0]) if swapped else prefixes

    def _encode(
        self, lines: Sequence[str], asked: list[int], how: DecodeHParams, first: int
    ) -> list[list[int]]:
        if not self.problem.has_inputs:
            # A language model goes on from the line, so no EOS.
            return encode_batch(self.encoders["targets"], [lines[i] for i in asked])
        before, limit = self._sides[0], how.max_input_size
        rows = encode_batch(self.encoders["inputs"], [before + lines[i] for i in asked])
        if limit > 0:
            cut = [first + i + 1 for i, row in zip(asked, rows, strict=True) if len(row) > limit]
            if cut:
                more = f" and {len(cut) - 5:,} others" if len(cut) > 5 else ""
                log.warning(
                    "cut to max_input_size=%d tokens: line %s%s; -1 decodes them in full",
                    limit,
                    ", ".join(map(str, cut[:5])),
                    more,
                )
            rows = [row[:limit] for row in rows]
        return [[*row, EOS_ID] for row in rows]

    def _begin(
        self, lines: Sequence[str], asked: list[int], prefixes: Sequence[str] | None
    ) -> list[list[int]]:
        """The ids that the answers begin with."""
        if prefixes is None:
            return [[] for _ in asked]
        if len(prefixes) != len(lines):
            raise DataError(
                f"there are {len(lines)} lines and {len(prefixes)} prefixes; give one for each "
                f"line, an empty one where nothing is asked"
            )
        if self.classifies or not self.problem.has_inputs:
            why = "names a class" if self.classifies else "goes on from the line itself"
            raise DataError(f"the model {why}, so its answers take no prefixes; leave them out")
        texts = [prefixes[i].rstrip() for i in asked]
        ids = encode_batch(self.encoders["targets"], [self._sides[1] + text for text in texts])
        return [one if text else [] for one, text in zip(ids, texts, strict=True)]

    def _batches(
        self, encoded: dict[int, list[int]], begun: dict[int, list[int]], how: DecodeHParams
    ) -> list[list[int]]:
        """Groups lines of like length, the longest first: memory runs out at once or never."""
        sizes = {i: len(encoded[i]) + len(begun[i]) for i in encoded}
        order = sorted(encoded, key=lambda i: (-sizes[i], i))
        batches: list[list[int]] = []
        limit = 0
        for i in order:
            if not batches or len(batches[-1]) >= limit:
                tokens = how.beam_size * (2 * sizes[i] + max(how.extra_length, how.min_length))
                shares = self._device.row_shares
                limit = how.batch_size or max(1, shares * BATCH_TOKENS // tokens)
                batches.append([])
            batches[-1].append(i)
        return batches

    def _search(
        self, rows: list[tuple[list[int], list[int]]], how: DecodeHParams, draw: int | None
    ) -> list[list[Hypothesis]]:
        """Answers rows of ids, each with the ids that its answers begin with."""
        import numpy as np

        lines, begun = [line for line, _ in rows], [one for _, one in rows]
        height = len(rows)
        if self._device.static_shapes:
            # Each new shape is a compilation: powers of two keep them few.
            shares = self._device.row_shares
            height = -(-_power_of_two(height) // shares) * shares
        # A filling row has length 0.
        lengths = np.array([len(row) for row in lines] + [0] * (height - len(rows)), np.int32)
        features = {"ids": self._padded(lines, height), "lengths": lengths}
        if any(begun):
            features["prefix"] = self._padded(begun, height)
        search = self._compiled_search(how)
        if draw is not None and not self.classifies:
            search.seed(draw)
        found = search.predict_on_batch(self._device.feed(features))
        return [
            self._hypotheses(row_ids, row_scores)
            for row_ids, row_scores in zip(
                found["ids"][: len(rows)], found["scores"][: len(rows)], strict=True
            )
        ]

    def _padded(self, rows: list[list[int]], height: int) -> Any:
        """The rows as an array of one of few widths, and rows of padding up to the height."""
        import numpy as np

        width = -(-max(1, *map(len, rows)) // LENGTH_STEP) * LENGTH_STEP
        if self._device.static_shapes:
            width = _power_of_two(width)
        ids = np.full((height, width), PAD_ID, np.int32)
        for i, row in enumerate(rows):
            ids[i, : len(row)] = row
        return ids

    def _compiled_search(self, how: DecodeHParams) -> Any:
        key = how.of_search()
        if key not in self._compiled:
            from t2tlite.run.searching import make_search

            if len(self._compiled) >= _SEARCHES:
                del self._compiled[next(iter(self._compiled))]
            # A copy: an interactive session goes on changing its own.
            search = make_search(
                self.network, self.problem_hparams, self.hparams, dataclasses.replace(how)
            )
            search.compile(jit_compile=self._device.static_shapes)
            self._compiled[key] = search
        return self._compiled[key]

    def _hypotheses(self, ids: Any, scores: Any) -> list[Hypothesis]:
        found = []
        encoder = self.encoders["targets"]
        for row, score in zip(ids.tolist(), scores.tolist(), strict=True):
            if not self.classifies:
                row = row[: row.index(EOS_ID)] if EOS_ID in row else row
                row = [one for one in row if one != PAD_ID]
            found.append(Hypothesis(encoder.decode(row), score, row))
        return found


def _power_of_two(number: int) -> int:
    return 1 << max(0, number - 1).bit_length()


def _weights_file(output_dir: str | os.PathLike[str], checkpoint: str | int) -> Path:
    """Returns the weights file that a step, a path, T2T's path without ending, or "" means."""
    text = str(checkpoint)
    if not text:
        return checkpoints.weights_path(output_dir, checkpoints.newest(output_dir))
    if text.isdigit():
        return checkpoints.weights_path(output_dir, text)
    return Path(text if text.endswith(".safetensors") else f"{text}.safetensors")
