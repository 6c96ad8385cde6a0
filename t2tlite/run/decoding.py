"""Decoding: a trained model folder turned into text, from Python, files or a prompt."""

from __future__ import annotations

import dataclasses
import difflib
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from t2tlite import progress, registry
from t2tlite.compat import decode_hparams as foreign
from t2tlite.config import HParams, parse_assignments
from t2tlite.data.encoding import encode_batch
from t2tlite.errors import DataError, DeviceError, HParamsError
from t2tlite.files import atomic
from t2tlite.run import checkpoints, devices, record
from t2tlite.text import EOS_ID, PAD_ID

log = logging.getLogger(__name__)

# Tokens of a batch, all beams and the room for the answer included.
BATCH_TOKENS = 65_536
# Input lengths are padded to a multiple of this, so that few shapes are traced.
LENGTH_STEP = 8


@dataclass
class DecodeHParams:
    """How to decode, with T2T's names and defaults.

    Attributes:
      beam_size: beams; 1: greedy.
      alpha: exponent of the length penalty ((5 + n) / 6)^alpha (Wu et al. 2016).
      extra_length: tokens that an answer may be longer than its input.
      batch_size: lines a batch; 0: as many as fit BATCH_TOKENS.
      return_beams: write all beams, not only the best, separated by tabs.
      write_beam_scores: write each line's score after it, separated by a tab.
      num_samples: lines of the input file to decode; -1: all.
      max_input_size: longer inputs are cut to so many tokens; -1: never.
      delimiter: between the lines of the files.
      sampling_method: "argmax" (search) or "random" (sample); "": as the model's hparams say.
      sampling_temp: logits are divided by it when sampling; 0: as the model's hparams say.
      sampling_keep_top_k: sample from the k likeliest tokens; 0: as the model's hparams, -1: all.
      sampling_top_p: sample from the likeliest tokens that together have this probability.
      random_seed: of sampling.
    """

    beam_size: int = 4
    alpha: float = 0.6
    extra_length: int = 100
    batch_size: int = 0
    return_beams: bool = False
    write_beam_scores: bool = False
    num_samples: int = -1
    max_input_size: int = -1
    delimiter: str = "\n"
    sampling_method: str = ""
    sampling_temp: float = 0.0
    sampling_keep_top_k: int = 0
    sampling_top_p: float = 1.0
    random_seed: int = 0

    def override(self, assignments: str) -> DecodeHParams:
        """Assigns from T2T's `--decode_hparams="beam_size=4,alpha=0.6"`; returns self.

        Raises:
          HParamsError: an unknown name or a wrong value.
        """
        kinds: dict[str, type] = {"int": int, "float": float, "bool": bool, "str": str}
        types = {one.name: kinds[str(one.type)] for one in dataclasses.fields(self)}
        for name, text in parse_assignments(assignments):
            if name in foreign.FOREIGN:
                foreign.tell(name, text)
                continue
            if name not in types:
                close = difflib.get_close_matches(name, types, n=3)
                hint = f"did you mean {' or '.join(close)}?" if close else f"it has {list(types)}"
                raise HParamsError(f"no decode hparam is named {name}: {hint}")
            try:
                setattr(self, name, _bool(text) if types[name] is bool else types[name](text))
            except ValueError:
                raise HParamsError(
                    f"decode hparam {name}={text!r} isn't a {types[name].__name__}"
                ) from None
        return self

    def check(self) -> DecodeHParams:
        """Returns self if the values make sense.

        Raises:
          HParamsError: they don't.
        """
        if self.beam_size < 1:
            raise HParamsError(f"beam_size={self.beam_size} is less than 1 (1 is greedy)")
        if self.extra_length < 0:
            raise HParamsError(f"extra_length={self.extra_length} is negative")
        if self.sampling_method not in ("", "argmax", "random"):
            raise HParamsError(
                f"sampling_method={self.sampling_method} is not one of: argmax, random"
            )
        if not 0.0 < self.sampling_top_p <= 1.0:
            raise HParamsError(f"sampling_top_p={self.sampling_top_p} is outside 0 to 1")
        return self


def _bool(text: str) -> bool:
    if text.lower() not in ("true", "false", "1", "0"):
        raise ValueError
    return text.lower() in ("true", "1")


@dataclass(frozen=True)
class Hypothesis:
    """One answer.

    Attributes:
      text: decoded.
      score: log probability in nats; with a beam, divided by the length penalty.
      ids: its tokens without EOS.
    """

    text: str
    score: float
    ids: list[int]


@dataclass(frozen=True)
class DecodeHookArgs:
    """What a problem's decode hooks get after a file was decoded.

    Attributes:
      output_dir: the model folder.
      inputs: the lines.
      hypotheses: the answers to each line, best first.
      problem: the problem.
      decode_hparams: how it was decoded.
    """

    output_dir: str
    inputs: Sequence[str]
    hypotheses: Sequence[Sequence[Hypothesis]]
    problem: Any
    decode_hparams: DecodeHParams


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
    def checkpoint_name(self) -> str:
        """The weights file's name without its ending, as in T2T's output file names."""
        return self._weights.name.removesuffix(".safetensors")

    @property
    def classifies(self) -> bool:
        """Whether answers are class labels."""
        return self.problem_hparams.modality["targets"] == "class_label"

    @property
    def line_prefix(self) -> str:
        """Text put before each line; a language model's lines get none."""
        if not self.problem.has_inputs:
            return ""
        # The suffix _rev swaps the sides, and so their prefixes.
        reversed_ = self.run.problem != self.problem.name and "_rev" in self.run.problem
        return self.problem.targets_prefix if reversed_ else self.problem.inputs_prefix

    def decode(self, lines: Sequence[str]) -> list[str]:
        """Returns the best answer to each line; a blank line gets a blank one."""
        return [best[0].text for best in self.n_best(lines)]

    def n_best(
        self, lines: Sequence[str], decode_hparams: DecodeHParams | None = None
    ) -> list[list[Hypothesis]]:
        """Returns the answers to each line, best first: as many as there are beams.

        Args:
          lines: texts; for a language model, their beginnings.
          decode_hparams: for this call.
        """
        how = (decode_hparams or self.decode_hparams).check()
        answers: list[list[Hypothesis]] = [[Hypothesis("", 0.0, [])] for _ in lines]
        asked = [i for i, line in enumerate(lines) if line.strip()]
        encoded = dict(zip(asked, self._encode([lines[i] for i in asked], how), strict=True))
        batches = self._batches(encoded, how)
        tracked = progress.track(batches, "decoding") if len(batches) > 2 else batches
        for batch in tracked:
            for i, found in zip(batch, self._search([encoded[i] for i in batch], how), strict=True):
                answers[i] = found
        return answers

    def _encode(self, lines: list[str], how: DecodeHParams) -> list[list[int]]:
        if not self.problem.has_inputs:
            # A language model goes on from the line, so no EOS.
            return encode_batch(self.encoders["targets"], lines)
        prefix = self.line_prefix
        rows = encode_batch(self.encoders["inputs"], [prefix + line for line in lines])
        if how.max_input_size > 0:
            rows = [row[: how.max_input_size] for row in rows]
        return [[*row, EOS_ID] for row in rows]

    def _batches(self, encoded: dict[int, list[int]], how: DecodeHParams) -> list[list[int]]:
        """Groups lines of like length, the longest first: memory runs out at once or never."""
        order = sorted(encoded, key=lambda i: (-len(encoded[i]), i))
        batches: list[list[int]] = []
        limit = 0
        for i in order:
            if not batches or len(batches[-1]) >= limit:
                tokens = how.beam_size * (2 * len(encoded[i]) + how.extra_length)
                shares = self._device.row_shares
                limit = how.batch_size or max(1, shares * BATCH_TOKENS // tokens)
                batches.append([])
            batches[-1].append(i)
        return batches

    def _search(self, rows: list[list[int]], how: DecodeHParams) -> list[list[Hypothesis]]:
        import numpy as np

        longest = max(1, *(len(row) for row in rows))
        width, height = -(-longest // LENGTH_STEP) * LENGTH_STEP, len(rows)
        if self._device.static_shapes:
            # Each new shape is a compilation: powers of two keep them few.
            width, height = _power_of_two(width), _power_of_two(height)
            shares = self._device.row_shares
            height = -(-height // shares) * shares
        ids = np.full((height, width), PAD_ID, np.int32)
        for i, row in enumerate(rows):
            ids[i, : len(row)] = row
        # A filling row decodes one token.
        lengths = np.array([len(row) for row in rows] + [0] * (height - len(rows)), np.int32)
        found = self._compiled_search(how).predict_on_batch(
            self._device.feed({"ids": ids, "lengths": lengths})
        )
        return [
            self._hypotheses(row_ids, row_scores)
            for row_ids, row_scores in zip(
                found["ids"][: len(rows)], found["scores"][: len(rows)], strict=True
            )
        ]

    def _compiled_search(self, how: DecodeHParams) -> Any:
        # Whatever a search is built with is part of the key; sampling has its state besides.
        key = dataclasses.astuple(how)
        if key not in self._compiled:
            from t2tlite.run.searching import make_search

            self._compiled[key] = make_search(self.network, self.problem_hparams, self.hparams, how)
            self._compiled[key].compile(jit_compile=self._device.static_shapes)
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


def decode_file(
    decoder: Decoder, source: str | os.PathLike[str], target: str | os.PathLike[str] = ""
) -> Path:
    """Decodes a file of lines; line n of the output answers line n of the input.

    Args:
      decoder: the model and how to decode.
      source: UTF-8 text.
      target: output file; "": T2T's name, made of the source, model, sets and beam.

    Returns:
      The path written.

    Raises:
      DataError: the source is missing, or isn't UTF-8.
      OutputError: the target can't be written.
    """
    how = decoder.decode_hparams
    lines = read_lines(source, how.delimiter)
    if how.num_samples >= 0:
        lines = lines[: how.num_samples]
    target = Path(target) if target else Path(default_target(decoder, source))
    hypotheses = decoder.n_best(lines)
    with atomic(target, "w") as file:
        for answers in hypotheses:
            file.write(_line(answers, how) + how.delimiter)
    for hook in decoder.problem.decode_hooks:
        hook(DecodeHookArgs(decoder.output_dir, lines, hypotheses, decoder.problem, how))
    return target


def _line(answers: Sequence[Hypothesis], how: DecodeHParams) -> str:
    kept = answers if how.return_beams else answers[:1]
    fields: list[str] = []
    for one in kept:
        # A line break inside an answer would shift all lines after it.
        fields.append(one.text.replace("\n", " ") if how.delimiter == "\n" else one.text)
        if how.write_beam_scores:
            fields.append(f"{one.score:.6f}")
    return "\t".join(fields)


def default_target(decoder: Decoder, source: str | os.PathLike[str]) -> str:
    """Returns T2T's name of the output: SOURCE.MODEL.PROBLEM.beamB.alphaA.decodes."""
    how = decoder.decode_hparams
    parts = [
        os.fspath(source),
        decoder.run.model,
        decoder.run.problem,
        f"beam{how.beam_size}",
        f"alpha{how.alpha}",
        "decodes",
    ]
    return ".".join(parts)


def read_lines(path: str | os.PathLike[str], delimiter: str = "\n") -> list[str]:
    """Reads a UTF-8 file as lines, without the one that its last line break opens.

    Raises:
      DataError: it is missing, or isn't UTF-8.
    """
    if not Path(path).is_file():
        raise DataError(f"{path} doesn't exist; check --decode_from_file")
    data = Path(path).read_bytes()
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise DataError(
            f"{path}, line {line}: byte {data[error.start]:#04x} is not UTF-8; convert the file"
        ) from None
    lines = text.replace("\r\n", "\n").split(delimiter)
    return lines[:-1] if lines[-1] == "" else lines
