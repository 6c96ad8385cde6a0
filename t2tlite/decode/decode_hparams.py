"""How to decode: T2T's decode hparams and a few more; and what decoding returns."""

from __future__ import annotations

import difflib
import typing
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from t2tlite.assignments import Bounds, check_fields, convert, parse_assignments
from t2tlite.errors import HParamsError
from t2tlite.t2t_names import decode_hparams as t2t_names

_MAX = 2**31
_Count = Annotated[int, Bounds(0, _MAX)]
_Nonnegative = Annotated[float, Bounds(0.0, float("inf"))]
# Fields about the lines of files and the output, which a compiled search doesn't depend on.
_ABOUT_FILES = {
    *("batch_size", "return_beams", "write_beam_scores", "num_samples", "max_input_size"),
    *("delimiter", "decode_in_memory"),
}


@dataclass
class DecodeHParams:
    """How to decode, with T2T's names and defaults."""

    beam_size: Annotated[int, Bounds(1, _MAX)] = 4  # 1: greedy
    alpha: _Nonnegative = 0.6  # exponent of the length penalty ((5 + n) / 6)^alpha (Wu et al. 2016)
    extra_length: _Count = 100  # tokens that an answer may be longer than its input
    force_decode_length: bool = False  # every answer is as long as it may be
    min_length: _Count = 0  # fewest tokens of an answer; for a language model the line counts
    no_repeat_ngram_size: _Count = 0  # no n-gram of this size occurs twice in an answer; 0: any may
    batch_size: int = 0  # lines per batch; 0: as many as fit the memory that a batch may use
    return_beams: bool = False  # write all beams instead of the best, separated by tabs
    write_beam_scores: bool = False  # write each answer's score after it, separated by a tab
    num_samples: int = -1  # lines of the input file to decode; -1: all
    max_input_size: int = -1  # longer inputs are cut to this many tokens, with a warning; -1: never
    delimiter: str = "\n"  # between the lines of files
    decode_in_memory: bool = False  # no .part file: an interrupted decode of a file starts over
    sampling_method: Literal["", "argmax", "random"] = ""  # "": of the model's hparams
    sampling_temp: _Nonnegative = 0.0  # divides the logits; 0: of the model's hparams
    sampling_keep_top_k: int = 0  # most probable tokens to sample from; 0: the model's, -1: all
    sampling_top_p: Annotated[float, Bounds(1e-6, 1.0)] = 1.0  # probability mass to sample from
    random_seed: int = 0  # of sampling

    def override(self, assignments: str) -> DecodeHParams:
        """Assigns from T2T's `--decode_hparams="beam_size=4,alpha=0.6"`; returns self.

        Raises:
          HParamsError: a name doesn't exist, or a value isn't of its type.
        """
        for name, text in parse_assignments(assignments):
            if name in _TYPES:
                setattr(self, name, convert(f"decode hparam {name}", text, _TYPES[name]))
            elif name in t2t_names.T2T_ONLY:
                t2t_names.assign(name, text)
            else:
                close = " or ".join(difflib.get_close_matches(name, _TYPES, n=3))
                hint = f"did you mean {close}?" if close else f"it has {list(_TYPES)}"
                raise HParamsError(f"no decode hparam is named {name}: {hint}")
        return self

    def check(self) -> DecodeHParams:
        """Checks that each value is within its field's bounds or choices; returns self.

        Raises:
          HParamsError: the first value that isn't, with the values that are.
        """
        check_fields(self, _HINTS)
        return self

    def of_search(self) -> tuple[Any, ...]:
        """Returns the values that a search depends on; equal ones share a compiled search."""
        return tuple(value for name, value in vars(self).items() if name not in _ABOUT_FILES)


_TYPES: dict[str, Any] = typing.get_type_hints(DecodeHParams)
_HINTS: dict[str, Any] = typing.get_type_hints(DecodeHParams, include_extras=True)


@dataclass(frozen=True)
class Hypothesis:
    """One answer to a line.

    Attributes:
      text: the decoded ids.
      score: log-probability in nats; with a beam, divided by the length penalty.
      ids: token ids without EOS.
    """

    text: str
    score: float
    ids: list[int]


@dataclass(frozen=True)
class DecodeHookArgs:
    """What the decode hooks of a problem get after a file was decoded.

    Attributes:
      output_dir: the model folder.
      inputs: the lines of the file.
      hypotheses: the answers to each line, best first.
      problem: the problem.
      decode_hparams: how the file was decoded.
    """

    output_dir: str
    inputs: Sequence[str]
    hypotheses: Sequence[Sequence[Hypothesis]]
    problem: Any
    decode_hparams: DecodeHParams
