"""Decoding: a trained model folder turned into text, from Python, files or a prompt."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from t2tlite import console, registry
from t2tlite.checkpoint import checkpoints, run_record
from t2tlite.config import HParams
from t2tlite.decode.batches import (
    BATCH_TOKENS,
    encode_lines,
    encode_prefixes,
    grouped,
)
from t2tlite.decode.decode_hparams import DecodeHookArgs, DecodeHParams, Hypothesis
from t2tlite.decode.files import decode_file, default_target
from t2tlite.decode.scoring import Score, score
from t2tlite.devices import devices
from t2tlite.errors import DeviceError
from t2tlite.sources.text_lines import read_lines
from t2tlite.text import EOS_ID, PAD_ID

if TYPE_CHECKING:
    from t2tlite.decode.attention import Attention

__all__ = [
    "BATCH_TOKENS",
    "LENGTH_STEP",
    "DecodeHParams",
    "DecodeHookArgs",
    "Decoder",
    "Hypothesis",
    "Score",
    "decode_file",
    "default_target",
    "read_lines",
]

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
      checkpoint: a step, or the path of a weights file; "best": the best that was evaluated in
        training; "": the newest.
      decode_hparams: how to decode; T2T's names in one text or a `DecodeHParams`.
      usr_dirs: plugin folders, if they have moved since training.
      device: from `t2tlite.devices.devices.choose`; by default one of Keras's current backend.

    Attributes:
      from_nothing: whether a language model writes a text where the line is blank. Files, servers
        and exports keep a blank line blank; an interactive session sets it.

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
        self.run = run_record.read(output_dir)
        run_record.load_plugins(self.run, list(usr_dirs))
        self.run.check_vocabularies(output_dir)
        self.problem = registry.problem(self.run.problem)
        self.hparams = HParams.from_values(self.run.hparams)
        if isinstance(decode_hparams, str):
            decode_hparams = DecodeHParams().override(decode_hparams)
        self.decode_hparams = decode_hparams.check()
        self.problem_hparams = self.problem.get_hparams(self.hparams, self.output_dir)
        self.encoders = self.problem_hparams.vocabulary
        self._compiled: dict[Any, Any] = {}
        # Tokens that inputs are padded to at least: who decodes line by line has one shape by it.
        self.least_width = 1
        self.from_nothing = False
        self._load(checkpoint, device)

    def _load(self, checkpoint: str | int, device: devices.Devices | None) -> None:
        """Loads the weights into the engine that answers, here Keras."""
        self._weights = checkpoints.find(self.output_dir, checkpoint)
        self._device = device or devices.current()
        if self._device.workers > 1:
            raise DeviceError(
                f"decoding runs on one machine, and this is one of {self._device.workers}; unset "
                f"TF_CONFIG, or decode on a machine that is no part of a TPU pod"
            )
        with self._device.scope():
            self.network = self.run.make_model(self.problem_hparams)
        checkpoints.load_weights(self.network, self._weights)

    def load_checkpoint(self, checkpoint: str | int) -> None:
        """Takes the weights of another checkpoint of the same model: a step, "best", or a path.

        What is compiled stays.

        Raises:
          CheckpointError: it is gone, or of another model.
        """
        path = checkpoints.find(self.output_dir, checkpoint)
        checkpoints.load_weights(self.network, path)
        self._weights = path

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

    @property
    def labels(self) -> list[str]:
        """All class labels, in the order of their numbers; none unless it classifies."""
        encoder = self.encoders["targets"]
        return [encoder.decode([i]) for i in range(encoder.vocab_size)] if self.classifies else []

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

    def stream(
        self, line: str, decode_hparams: DecodeHParams | None = None
    ) -> Iterator[Hypothesis]:
        """Yields the answer to a line after each of its tokens; the last one is `n_best`'s.

        Where `streams` says no, it yields only that.

        Args:
          line: a text; for a language model, its beginning.
          decode_hparams: for this call.
        """
        how = (decode_hparams or self.decode_hparams).check()
        if not (self._asks(line) and self.streams(how)):
            yield self.n_best([line], how)[0][0]
            return
        row = encode_lines(self, [line], [0], how, 0)[0]
        for ids, scores in self._compiled_stream(how).ids(self._features([(row, [])])):
            yield self._hypotheses(ids[0], scores[0])[0]

    def warm_up(self, how: DecodeHParams, rows: int = 1, stream: bool = False) -> None:
        """Traces or compiles what the answers to short lines need, without an answer.

        Args:
          how: to decode.
          rows: lines at once.
          stream: for `stream` and not for `n_best`.
        """
        features = self._features([([], [])] * rows)
        if stream:
            self._compiled_stream(how).warm_up(features)
        else:
            self._compiled_search(how).predict_on_batch(self._device.feed(features))

    def streams(self, how: DecodeHParams) -> bool:
        """Whether answers are written token by token: not by beams, nor by several devices."""
        one_path = how.beam_size == 1 or self.samples(how)
        return self.is_alone and not self.classifies and one_path

    @property
    def is_alone(self) -> bool:
        """Whether one device does it all."""
        return self._device.count * self._device.model_parallel == 1

    def samples(self, how: DecodeHParams) -> bool:
        """Whether answers are drawn, one a line, and not searched."""
        return not self.classifies and (
            (how.sampling_method or self.hparams.sampling_method) == "random"
        )

    def score(self, pairs: Sequence[tuple[str, str]]) -> list[Score]:
        """Returns how probable each pair's second text is, given the first.

        A language model reads the second alone.
        """
        return score(self, pairs)

    def attention(self, line: str, answer: str | Hypothesis | None = None) -> Attention:
        """Returns what the model looks at while it writes an answer: all layers and heads.

        Args:
          line: a text; for a language model, the beginning of the answer.
          answer: a text or one of `n_best`'s; by default the best one. A classifier has none, and
            a language model's holds the line.

        Returns:
          Tokens and weights, which draw themselves; a notebook shows them.

        Raises:
          DataError: the line is blank, or the model is a plugin's that doesn't tell its weights.
        """
        from t2tlite.decode.attention import attend

        return attend(self, line, answer)

    @property
    def has_attention(self) -> bool:
        """Whether the model tells what it looks at."""
        return hasattr(self.network, "attention_weights")

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
            samples are then drawn by it and not by what was drawn before, and whoever reads the
            file shows the progress.

        Yields:
          Indices of lines that ask for an answer, which blank ones mostly don't, and the answers.
        """
        how = (decode_hparams or self.decode_hparams).check()
        asked = [i for i, line in enumerate(lines) if self._asks(line)]
        rows = encode_lines(self, lines, asked, how, first or 0)
        begun = encode_prefixes(self, lines, asked, prefixes)
        batches = grouped(rows, begun, how, self._device.row_shares)
        with contextlib.ExitStack() as shown:
            advance = None
            if first is None and len(batches) > 2:
                meter = console.meter("decoding", "lines", len(asked))
                advance = shown.enter_context(meter)
            for number, batch in enumerate(batches):
                if any(i not in known for i in batch):
                    draw = None if first is None else first + number
                    yield batch, self._search([(rows[i], begun[i]) for i in batch], how, draw)
                if advance:
                    advance(len(batch))

    def _asks(self, line: str) -> bool:
        """Whether a line gets an answer."""
        return bool(line.strip()) or (self.from_nothing and not self.problem.has_inputs)

    @property
    def sides(self) -> tuple[str, str]:
        """The texts that the problem puts before all inputs and before all targets."""
        problem = self.problem
        prefixes = getattr(problem, "inputs_prefix", ""), getattr(problem, "targets_prefix", "")
        # The suffix _rev swaps the sides, and so their prefixes.
        swapped = self.run.problem != problem.name and "_rev" in self.run.problem
        return (prefixes[1], prefixes[0]) if swapped else prefixes

    def _search(
        self, rows: list[tuple[list[int], list[int]]], how: DecodeHParams, draw: int | None
    ) -> list[list[Hypothesis]]:
        """Answers rows of ids, each with the ids that its answers begin with."""
        search = self._compiled_search(how)
        if draw is not None and not self.classifies:
            search.seed(draw)
        found = search.predict_on_batch(self._device.feed(self._features(rows)))
        return [
            self._hypotheses(row_ids, row_scores)
            for row_ids, row_scores in zip(
                found["ids"][: len(rows)], found["scores"][: len(rows)], strict=True
            )
        ]

    def _features(self, rows: list[tuple[list[int], list[int]]]) -> dict[str, Any]:
        import numpy as np

        ids_BL = self.padded([line for line, _ in rows])
        # A filling row has length 0.
        lengths = [len(line) for line, _ in rows] + [0] * (len(ids_BL) - len(rows))
        features = {"ids": ids_BL, "lengths": np.array(lengths, np.int32)}
        if any(begun for _, begun in rows):
            features["prefix"] = self.padded([begun for _, begun in rows])
        return features

    def padded(self, rows: Sequence[Sequence[int]]) -> Any:
        """Returns ids as an int32 array of one of few shapes, with 0 where there are none."""
        import numpy as np

        longest, height = max(self.least_width, *map(len, rows)), len(rows)
        width = -(-longest // LENGTH_STEP) * LENGTH_STEP
        if self._device.static_shapes:
            # Each new shape is a compilation: powers of two keep them few.
            width, height = _power_of_two(width), _power_of_two(height)
            shares = self._device.row_shares
            height = -(-height // shares) * shares
        ids = np.full((height, width), PAD_ID, np.int32)
        for i, row in enumerate(rows):
            ids[i, : len(row)] = row
        return ids

    @functools.cached_property
    def scorer(self) -> Any:
        """A Keras model that returns the loss of each row of given features."""
        from t2tlite.model.scorer import Scorer

        modality = self.problem_hparams.modality["targets"]
        scorer = Scorer(self.network, modality, self._device.gather)
        scorer.compile(jit_compile=self._device.static_shapes)
        return scorer

    @functools.cached_property
    def watched(self) -> Any:
        """A Keras model that returns the attention weights of given features, by kind."""
        from t2tlite.model.scorer import Watched

        watched = Watched(self.network, self._device.gather)
        watched.compile(jit_compile=self._device.static_shapes)
        return watched

    def _compiled_search(self, how: DecodeHParams) -> Any:
        def make() -> Any:
            from t2tlite.decode.search_model import make_search

            # A copy: an interactive session goes on changing its own.
            search = make_search(
                self.network, self.problem_hparams, self.hparams, dataclasses.replace(how)
            )
            search.compile(jit_compile=self._device.static_shapes)
            return search

        return self._kept(how.of_search(), make)

    def _compiled_stream(self, how: DecodeHParams) -> Any:
        def make() -> Any:
            from t2tlite.decode.streaming import Stream

            return Stream(self._compiled_search(how), self._device.static_shapes)

        return self._kept(("stream", *how.of_search()), make)

    def _kept(self, key: tuple[Any, ...], make: Callable[[], Any]) -> Any:
        if key not in self._compiled:
            if len(self._compiled) >= _SEARCHES:
                del self._compiled[next(iter(self._compiled))]
            self._compiled[key] = make()
        return self._compiled[key]

    def _hypotheses(self, ids: Any, scores: Any) -> list[Hypothesis]:
        found = []
        encoder = self.encoders["targets"]
        for row, found_score in zip(ids.tolist(), scores.tolist(), strict=True):
            if not self.classifies:
                row = row[: row.index(EOS_ID)] if EOS_ID in row else row
                row = [one for one in row if one != PAD_ID]
            found.append(Hypothesis(encoder.decode(row), found_score, row))
        return found


def _power_of_two(number: int) -> int:
    return 1 << max(0, number - 1).bit_length()
