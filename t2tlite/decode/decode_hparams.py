"""How to decode: T2T's decode hparams and a few more; and what decoding returns."""

from __future__ import annotations

import dataclasses
import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from t2tlite.assignments import (
    MAX_SEED,
    Bounds,
    CheckedFields,
    Pattern,
    convert,
    field_hints,
    parse_assignments,
    shown,
)
from t2tlite.errors import HParamsError
from t2tlite.t2t_names import decode_hparams as t2t_names

MAX_BEAMS = 1000
MAX_ALPHA = 10.0
MAX_LENGTH = 100_000
_Tokens = Annotated[int, Bounds(0, MAX_LENGTH)]
# Fields about the lines of files and the output, which a compiled search doesn't depend on.
_ABOUT_FILES = {
    *("batch_size", "return_beams", "write_beam_scores", "num_samples", "max_input_size"),
    *("delimiter", "decode_in_memory"),
}
# Those of them that are about lines from elsewhere, too.
_ABOUT_TEXTS = {"batch_size", "max_input_size"}
# Fields that a compiled search takes as inputs, that are part of what it reads, or that order its
# answers.
_AROUND_SEARCH = {
    *("alpha", "extra_length", "random_seed", "decode_tag", "mbr"),
    *("sampling_temp", "sampling_keep_top_k", "sampling_top_p"),
}


@dataclass
class DecodeHParams(CheckedFields):
    """How to decode, with T2T's names and defaults.

    >>> DecodeHParams(beam_size=2).override("alpha=0.8").changes()
    {'beam_size': 2, 'alpha': 0.8}
    """

    beam_size: Annotated[int, Bounds(1, MAX_BEAMS)] = 4  # 1: greedy
    # Exponent of the length penalty ((5 + n) / 6)^alpha (Wu et al. 2016).
    alpha: Annotated[float, Bounds(0.0, MAX_ALPHA)] = 0.6
    extra_length: _Tokens = 100  # tokens that an answer may be longer than its input
    force_decode_length: bool = False  # every answer is as long as it may be
    min_length: _Tokens = 0  # fewest tokens of an answer; for a language model the line counts
    no_repeat_ngram_size: _Tokens = 0  # no n-gram of this size occurs twice in an answer; 0: any
    # Choose the beam most like the others, by this measure; "": the one with the best score.
    mbr: Literal["", "chrf", "bleu", "exact"] = ""
    # Lines per batch; 0: as many as fit the memory that a batch may use.
    batch_size: Annotated[int, Bounds(0, 100_000)] = 0
    return_beams: bool = False  # write all beams instead of the best, separated by tabs
    write_beam_scores: bool = False  # write each answer's score after it, separated by a tab
    # Lines of the input file to decode; -1: all.
    num_samples: Annotated[int, Bounds(-1, 2**63 - 1)] = -1
    # Longer inputs are cut to this many tokens, with a warning; -1: never.
    max_input_size: Annotated[int, Bounds(-1, 2**31 - 1)] = -1
    # Between the lines of files.
    delimiter: Annotated[str, Pattern("(?s).+", "a text of one character or more")] = "\n"
    decode_in_memory: bool = False  # no .part file: an interrupted decode of a file starts over
    sampling_method: Literal["", "argmax", "random"] = ""  # "": of the model's hparams
    # Divides the logits; 0: of the model's hparams.
    sampling_temp: Annotated[float, Bounds(1e-3, 1e3, also=0.0)] = 0.0
    # Most probable tokens to sample from; 0: the model's, -1: all.
    sampling_keep_top_k: Annotated[int, Bounds(-1, 2**31 - 1)] = 0
    sampling_top_p: Annotated[float, Bounds(1e-6, 1.0)] = 1.0  # probability mass to sample from
    random_seed: Annotated[int, Bounds(0, MAX_SEED)] = 0  # of sampling
    # Of a mixture: the tag, or the problem, to decode with; "": the one that a line begins with.
    decode_tag: Annotated[str, Pattern("(?s).*", "a text")] = ""

    @classmethod
    def of(
        cls,
        values: str | Mapping[str, Any] | DecodeHParams,
        defaults: Mapping[str, Any] | None = None,
    ) -> DecodeHParams:
        """Returns `values` themselves if they are DecodeHParams, else the defaults overridden.

        Args:
          values: what the user gives.
          defaults: of the model, from its run.json.

        Raises:
          HParamsError: as `override`; or a default isn't about the search.
        """
        if isinstance(values, DecodeHParams):
            return values
        return cls().override(_checked_defaults(defaults or {})).override(values)

    @classmethod
    def defaults_of_model(
        cls, assignments: str | Mapping[str, Any], earlier: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Returns what run.json keeps for a training: values by name.

        Args:
          assignments: of the training's `--decode_hparams`.
          earlier: of the problem, or of the training that goes on.

        Raises:
          HParamsError: a name doesn't exist, a value is impossible, or one isn't about the search.
        """
        return _checked_defaults(cls().override(earlier).override(assignments).check().changes())

    def override(self, assignments: str | Mapping[str, Any]) -> DecodeHParams:
        """Assigns from T2T's `--decode_hparams="beam_size=4,alpha=0.6"` or a dict; returns self.

        Whoever gives a `beam_size` or `mbr` without a `sampling_method` asks for a search. An
        earlier `mbr` ends with one beam or random samples.

        Raises:
          HParamsError: a name doesn't exist, or a value isn't of its type.
        """
        if isinstance(assignments, Mapping):
            for name, value in assignments.items():
                self._assign(str(name), value)
            searches = "beam_size" in assignments or assignments.get("mbr")
            if searches and "sampling_method" not in assignments and self.sampling_method:
                self.sampling_method = "argmax"
            ends = {"beam_size", "sampling_method"} & assignments.keys()
            if ends and "mbr" not in assignments and not self._has_choice:
                self.mbr = ""
            return self
        if not isinstance(assignments, str):
            raise HParamsError(
                f"decode_hparams={shown(assignments, quoted=True)}; expected a dict, "
                f"'beam_size=4,alpha=0.6' or a DecodeHParams"
            )
        # A comma ends an assignment; as the delimiter it is accepted where it ends the string.
        if re.search(r"(^|,)\s*delimiter\s*=\s*,$", assignments):
            self.delimiter = ","
            assignments = assignments.rpartition("delimiter")[0]
        return self.override(dict(parse_assignments(assignments)))

    def _assign(self, name: str, value: Any) -> None:
        hints = field_hints(DecodeHParams)
        if name in hints:
            setattr(self, name, convert(f"decode hparam {name}", value, hints[name]))
        elif name in t2t_names.T2T_ONLY:
            t2t_names.assign(name, value)
        else:
            close = " or ".join(difflib.get_close_matches(name, hints, n=3))
            hint = f"did you mean {close}?" if close else f"it has {list(hints)}"
            raise HParamsError(f"no decode hparam is named {shown(name)}: {hint}")

    def check(self) -> Self:
        super().check()
        if self.mbr and not self._has_choice:
            given = "answers are drawn" if self.beam_size > 1 else "beam_size is 1"
            raise HParamsError(
                f"decode hparam mbr={self.mbr} chooses among the answers of a beam search, and "
                f"{given}; give a beam_size of 2 or more without sampling_method, or leave mbr out"
            )
        return self

    @property
    def _has_choice(self) -> bool:
        return self.beam_size > 1 and self.sampling_method != "random"

    def for_call(
        self, given: DecodeHParams | Mapping[str, Any] | str | None, overrides: Mapping[str, Any]
    ) -> DecodeHParams:
        """Returns the checked hparams of one call.

        Args:
          given: in place of these if they are DecodeHParams; otherwise changes to these.
          overrides: further changes.

        Raises:
          HParamsError: one doesn't exist, isn't possible, or is an override about files alone.
        """
        if wrong := [name for name in overrides if name in _ABOUT_FILES - _ABOUT_TEXTS]:
            raise HParamsError(
                f"decode hparam {wrong[0]} is about files, as decode_file reads and writes them; "
                f"it has no effect on texts"
            )
        if isinstance(given, DecodeHParams):
            changed = dataclasses.replace(given)
        else:
            changed = dataclasses.replace(self).override(given or {})
        return changed.override(overrides).check()

    def changes(self) -> dict[str, Any]:
        """Returns the values that aren't the defaults, by name."""
        defaults = DecodeHParams()
        return {name: v for name, v in vars(self).items() if v != getattr(defaults, name)}

    def of_search(self) -> tuple[Any, ...]:
        """Returns the values that a search depends on; equal ones share a compiled search."""
        others = _ABOUT_FILES | _AROUND_SEARCH
        return tuple(value for name, value in vars(self).items() if name not in others)


def _checked_defaults(defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a model's defaults, which may not change what is read or written of a file."""
    if wrong := sorted(_ABOUT_FILES.intersection(defaults)):
        raise HParamsError(
            f"decode hparam {wrong[0]} is no default of a model: it is about files; give it when "
            f"you decode"
        )
    return dict(defaults)


@dataclass(frozen=True)
class Hypothesis:
    """One answer to a line.

    >>> answer = Decoder("model").n_best("1 2 3", n=2)[0]
    >>> isinstance(answer, Hypothesis), answer.score < 0
    (True, True)

    Attributes:
      text: the decoded ids.
      score: log-probability in nats; with a beam, divided by the length penalty; with the decode
        hparam mbr, how much the answer is expected to be like the right one, from 0 to 100.
      ids: token ids without EOS.
    """

    text: str
    score: float
    ids: list[int]


@dataclass(frozen=True)
class DecodeHookArgs:
    """What the decode hooks of a problem get after a file was decoded.

    >>> def count_words(hook_args):
    ...     print(sum(len(line.split()) for line in hook_args.inputs), "words")
    >>> class WordCounted(problem.Problem):
    ...     decode_hooks = [count_words]
    >>> answers = [[Hypothesis("2 1", -0.5, [3, 2])]]
    >>> hook_args = DecodeHookArgs("model", ["1 2"], answers, WordCounted(), DecodeHParams())
    >>> for hook in WordCounted().decode_hooks:
    ...     hook(hook_args)
    2 words

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
