"""How to decode: T2T's decode hparams, and what the engine here can do besides."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from t2tlite.assignments import parse_assignments
from t2tlite.errors import HParamsError
from t2tlite.t2t_names import decode_hparams as t2t_names

# Fields that a search doesn't depend on: they say which lines, and what is written of the answers.
_ABOUT_FILES = frozenset(
    ["batch_size", "return_beams", "write_beam_scores", "num_samples", "max_input_size"]
    + ["delimiter", "decode_in_memory"]
)


@dataclass
class DecodeHParams:
    """How to decode, with T2T's names and defaults.

    Attributes:
      beam_size: beams; 1: greedy.
      alpha: exponent of the length penalty ((5 + n) / 6)^alpha (Wu et al. 2016).
      extra_length: tokens that an answer may be longer than its input.
      force_decode_length: every answer is as long as it may be: none ends of itself.
      min_length: tokens that an answer has at least; a language model's line counts.
      no_repeat_ngram_size: no run of so many tokens comes twice in an answer; 0: any may.
      batch_size: lines a batch; 0: as many as fit BATCH_TOKENS.
      return_beams: write all beams, not only the best, separated by tabs.
      write_beam_scores: write each line's score after it, separated by a tab.
      num_samples: lines of the input file to decode; -1: all.
      max_input_size: longer inputs are cut to so many tokens, and told; -1: never.
      delimiter: between the lines of the files.
      decode_in_memory: keep the answers to a file in memory until all are there; an interrupted
        decode then starts over.
      sampling_method: "argmax" (search) or "random" (sample); "": as the model's hparams say.
      sampling_temp: logits are divided by it when sampling; 0: as the model's hparams say.
      sampling_keep_top_k: sample from the k likeliest tokens; 0: as the model's hparams, -1: all.
      sampling_top_p: sample from the likeliest tokens that together have this probability.
      random_seed: of sampling.
    """

    beam_size: int = 4
    alpha: float = 0.6
    extra_length: int = 100
    force_decode_length: bool = False
    min_length: int = 0
    no_repeat_ngram_size: int = 0
    batch_size: int = 0
    return_beams: bool = False
    write_beam_scores: bool = False
    num_samples: int = -1
    max_input_size: int = -1
    delimiter: str = "\n"
    decode_in_memory: bool = False
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
            if name in t2t_names.T2T_ONLY:
                t2t_names.assign(name, text)
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
        if self.alpha < 0:
            raise HParamsError(f"alpha={self.alpha} is negative; 0 is no length penalty")
        if self.extra_length < 0:
            raise HParamsError(f"extra_length={self.extra_length} is negative")
        if self.min_length < 0:
            raise HParamsError(f"min_length={self.min_length} is negative; 0 asks for no length")
        if self.no_repeat_ngram_size < 0:
            raise HParamsError(
                f"no_repeat_ngram_size={self.no_repeat_ngram_size} is negative; 0 lets all repeat"
            )
        if self.sampling_method not in ("", "argmax", "random"):
            raise HParamsError(
                f"sampling_method={self.sampling_method} is not one of: argmax, random"
            )
        if self.sampling_temp < 0:
            raise HParamsError(f"sampling_temp={self.sampling_temp} is negative; for 0 use greedy")
        if not 0.0 < self.sampling_top_p <= 1.0:
            raise HParamsError(f"sampling_top_p={self.sampling_top_p} is outside 0 to 1")
        return self

    def of_search(self) -> tuple[Any, ...]:
        """Returns the values that a search is built with; equal ones share a compiled search."""
        names = [one.name for one in dataclasses.fields(self) if one.name not in _ABOUT_FILES]
        return tuple(getattr(self, name) for name in names)


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
