"""A problem as data: what run.json says of it, and why a plugin's code may be needed all the same.

`describe` is called when training starts. `DescribedProblem` (described_problem.py) is the problem
made from a description, which decodes, scores, exports, serves and evaluates without the plugin.
"""

from __future__ import annotations

import inspect
import logging
import math
import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from t2tlite import registry
from t2tlite.checkpoint import encoder_kinds
from t2tlite.checkpoint.problem_kinds import (
    KINDS,
    Member,
    kind_of,
    members_of,
    metrics_of,
    splits_of,
)
from t2tlite.config import HParams, ProblemHParams
from t2tlite.errors import CheckpointError, DataError
from t2tlite.files import plain_name
from t2tlite.mixtures.mixture import Mixture
from t2tlite.model import BUILT_IN
from t2tlite.problem import FILE_WORD, Problem
from t2tlite.problem_page import PageTexts, page_texts
from t2tlite.t2t_names.problem_hparams import MODALITIES

log = logging.getLogger(__name__)

# What code of a plugin may be needed for.
DECODING = "decoding"
HOOKS = "decode hooks"  # after a file was decoded
EVALUATION = "evaluation"  # also decoding a split of the data

# The same, as the start of a sentence.
VERBS = {
    DECODING: "decoding",
    HOOKS: "decoding a file",
    EVALUATION: "evaluating or decoding its data",
}

# The hooks of a problem that read data.
_READING = ["example_reading_spec", "decode_example", "preprocess", "preprocess_example"]
_READING += ["examples", "read_examples", "shards"]
# Where code is that every t2tlite has.
BUILT_IN_CODE = "t2tlite"
_FEATURES = ("inputs", "targets")


@dataclass(frozen=True)
class Need:
    """Code that isn't data.

    Attributes:
      use: what needs it: DECODING (and so everything), HOOKS or EVALUATION.
      what: for example "the encoder of the inputs, class Phonemes".
      where: the file that it was in when the model was trained, or its module; BUILT_IN_CODE: code
        of a built-in problem.
    """

    use: str
    what: str
    where: str

    def __str__(self) -> str:
        return f"{self.what} ({self.where})"


@dataclass(frozen=True)
class Feature:
    """A feature as the model sees it, `_rev` and `_copy` applied.

    Attributes:
      modality: "symbol" (a sequence of tokens), "class_label", ...
      vocab_size: number of ids that the model has logits or embeddings for; 0: none given.
      encoder: see `encoder_kinds`; {}: it has none, or one of the plugin's own.
      prefix: text that is put before every text.
    """

    modality: str
    vocab_size: int = 0
    encoder: dict[str, Any] = field(default_factory=dict)
    prefix: str = ""


@dataclass(frozen=True)
class Description:
    """A problem as data.

    Attributes:
      name: the registered name, without `_rev` and `_copy`.
      kind: a key of `KINDS`.
      dataset: what the names of data files start with.
      features: by name, as the model sees them.
      reversed, copied: whether the features of the data are swapped (`_rev`), and whether the
        targets are a copy of the inputs (`_copy`).
      has_inputs: False for a language model.
      splits: number of shards by split: train, eval, test.
      metrics: names of the metrics that an evaluation computes.
      max_length: of an example in tokens, by which evaluation is batched; 0: the hparam's.
      input_space_id, target_space_id, loss_multiplier, stop_at_eos: as in `ProblemHParams`.
      page: what the web page of t2t-server says of it.
      members: of a mixture.
    """

    name: str
    kind: str
    dataset: str
    features: dict[str, Feature]
    reversed: bool = False
    copied: bool = False
    has_inputs: bool = True
    splits: dict[str, int] = field(default_factory=dict)
    metrics: list[str] = field(default_factory=list)
    input_space_id: int = 0
    target_space_id: int = 0
    loss_multiplier: float = 1.0
    stop_at_eos: bool = True
    max_length: int = 0
    page: PageTexts = field(default_factory=PageTexts)
    members: list[Member] = field(default_factory=list)

    def member(self, one: Member) -> Description:
        """Returns the description of a member alone, whose name may end in `_rev`."""
        suffixes = "_rev" * one.reversed + "_copy" * one.copied
        # A mixture of text alone may join the inputs and targets of a member.
        names = ["inputs", "targets"] if one.has_inputs else ["targets"]
        features = {
            name: replace(
                self.features.get(name, self.features["targets"]), prefix=one.prefixes.get(name, "")
            )
            for name in names
        }
        return replace(
            self,
            name=one.name.removesuffix(suffixes),
            kind=one.kind,
            dataset=one.dataset,
            features=features,
            reversed=one.reversed,
            copied=one.copied,
            has_inputs=one.has_inputs,
            splits=one.splits,
            metrics=one.metrics,
            members=[],
        )

    def check(self, source: Path, vocabularies: dict[str, str]) -> None:
        """Checks a description that was read from a file.

        Args:
          source: the file, for messages.
          vocabularies: sha256 by name of the files that encoders may name.

        Raises:
          ValueError, TypeError: a value is impossible; the message is one line.
          CheckpointError: a name isn't a plain file name.
        """
        for name in (self.name, self.dataset):
            plain_name(name, source, CheckpointError)
        if self.kind not in KINDS:
            raise ValueError(f"the problem has the kind {self.kind[:40]!a}")
        needed = _FEATURES if self.has_inputs else _FEATURES[1:]
        if missing := [name for name in needed if name not in self.features]:
            raise ValueError(f"it has no feature {missing[0]}")
        for name in needed:
            if (modality := self.features[name].modality) not in MODALITIES:
                raise ValueError(f"the modality of the {name} is {modality[:40]!a}")
        self.page.check()
        for one in self.members:
            plain_name(one.name, source, CheckpointError)
            self.member(one).check(source, vocabularies)
        if bool(self.members) != (self.kind == "mixture"):
            raise ValueError(f"a problem of the kind {self.kind} has {len(self.members)} members")
        if not math.isfinite(self.loss_multiplier):
            raise ValueError("loss_multiplier is not finite")
        if unknown := [name for name in self.splits if name not in FILE_WORD]:
            raise ValueError(f"there is no split {unknown[0][:40]!a}")
        for name in ("input_space_id", "target_space_id", "max_length"):
            if not 0 <= getattr(self, name) < 2**31:
                raise ValueError(f"{name} is not in 0 to {2**31 - 1}")
        for name, feature in self.features.items():
            if not 0 <= feature.vocab_size <= encoder_kinds.MOST_IDS:
                raise ValueError(f"vocab_size of {name[:40]!a} is impossible")
            if feature.encoder:
                encoder_kinds.check(feature.encoder)
                file = encoder_kinds.file_of(feature.encoder)
                if file is not None and file not in vocabularies:
                    raise ValueError(f"the vocabulary {file[:80]!a} has no sha256")

    def problem_hparams(self, folder: str | os.PathLike[str]) -> ProblemHParams:
        """Returns modalities, vocabulary sizes and encoders, whose files are in `folder`.

        Raises:
          VocabularyError: a vocabulary is missing or damaged.
        """
        made: dict[str, Any] = {}
        for feature in self.features.values():
            # Features with the same vocabulary share an encoder.
            key = str(feature.encoder)
            if feature.encoder and key not in made:
                made[key] = _make(feature.encoder, folder)
        features = self.features.items()
        return ProblemHParams(
            vocab_size={name: one.vocab_size for name, one in features if one.vocab_size},
            modality={name: one.modality for name, one in features if one.modality},
            vocabulary={n: made[str(one.encoder)] for n, one in features if one.encoder},
            input_space_id=self.input_space_id,
            target_space_id=self.target_space_id,
            loss_multiplier=self.loss_multiplier,
            stop_at_eos=self.stop_at_eos,
        )


def _make(encoder: dict[str, Any], folder: str | os.PathLike[str]) -> Any:
    try:
        return encoder_kinds.make(encoder, Path(folder))
    except (TypeError, ValueError) as error:
        raise CheckpointError(
            f"{Path(folder) / 'run.json'} is damaged ({error}); train again or restore it"
        ) from None


def describe(
    problem: Problem, model: str, hparams: HParams, data_dir: str | os.PathLike[str]
) -> tuple[Description, list[Need]]:
    """Returns what decoding and evaluating need of a problem, and of what only code can do it.

    The `file` of an encoder is its path.

    Args:
      problem: with its vocabulary in `data_dir`.
      model: registered name.
      hparams: of the model.

    Raises:
      VocabularyError: the vocabulary is missing or damaged.
      Error: the problem's hooks don't fit each other.
    """
    filled = problem.get_hparams(hparams, os.fspath(data_dir))
    encoders = {name: encoder_kinds.describe(one) for name, one in filled.vocabulary.items()}
    prefixes = problem.text_prefixes
    features = {
        name: Feature(
            modality=filled.modality.get(name, ""),
            vocab_size=int(filled.vocab_size.get(name) or 0),
            encoder=encoders.get(name) or {},
            prefix=prefixes.get(name) or "",
        )
        for name in sorted({*filled.modality, *filled.vocabulary})
    }
    kind = kind_of(problem)
    suffixes = problem.full_name.removeprefix(problem.name)
    description = Description(
        name=problem.name,
        kind=kind,
        dataset=problem.dataset_filename(),
        features=features,
        reversed="_rev" in suffixes,
        copied="_copy" in suffixes,
        has_inputs=bool(problem.has_inputs),
        splits=splits_of(problem),
        metrics=metrics_of(problem),
        input_space_id=int(filled.input_space_id or 0),
        target_space_id=int(filled.target_space_id or 0),
        loss_multiplier=float(filled.loss_multiplier),
        stop_at_eos=bool(filled.stop_at_eos),
        max_length=int(problem.max_length(hparams)),
        page=_page(problem),
        members=members_of(problem, hparams) if isinstance(problem, Mixture) else [],
    )
    used = _FEATURES if problem.has_inputs else _FEATURES[1:]
    readers = [problem, *(problem.members.values() if isinstance(problem, Mixture) else ())]
    needs = [
        Need(DECODING, f"the encoder of the {name}, class {type(one).__qualname__}", where(one))
        for name, one in filled.vocabulary.items()
        if name in used and not encoders[name]
    ]
    needs += _needs_of_model(model)
    for one in readers:
        needs += _needs_of_hooks(one, KINDS[kind_of(one)])
    return description, needs


def _page(problem: Problem) -> PageTexts:
    try:
        return page_texts(problem)
    except (TypeError, ValueError) as error:
        raise DataError(f"{problem.name}: {error}") from None


def _needs_of_model(model: str) -> list[Need]:
    found = registry.model(model)
    # A plugin's registration may replace a built-in one.
    if model in BUILT_IN and found is BUILT_IN[model].load():
        return []
    what = "class" if inspect.isclass(found) else "function"
    return [Need(DECODING, f"the model {model}, {what} {found.__qualname__}", where(found))]


def _needs_of_hooks(problem: Problem, base: type[Problem]) -> list[Need]:
    """Returns the hooks of the plugin's own that decode files or read data."""
    # A built-in problem is everywhere.
    built_in = type(problem).__module__.startswith("t2tlite.")

    def add(use: str, what: str, definer: type) -> None:
        needs.append(Need(use, what, BUILT_IN_CODE if built_in else where(definer)))

    needs: list[Need] = []
    if problem.decode_hooks:
        add(HOOKS, "the decode hooks", _definer(problem, "decode_hooks"))
    for name in _READING:
        definer = _definer(problem, name)
        # T2T's classes read data as t2tlite's do.
        if definer.__module__.startswith("t2tlite.compat."):
            continue
        if vars(definer)[name] is not vars(_definer(base, name))[name]:
            add(EVALUATION, f"the hook {name} of class {definer.__qualname__}", definer)
    return needs


def _definer(problem: Any, name: str) -> type:
    """Returns the class that defines an attribute of a problem, or of a class of problems."""
    classes = (problem if isinstance(problem, type) else type(problem)).__mro__
    return next(one for one in classes if name in vars(one))


def where(code: Any) -> str:
    """Returns the file of a class, of an object's class or of a function; else its module."""
    named = code if inspect.isclass(code) or inspect.isfunction(code) else type(code)
    try:
        return os.path.abspath(inspect.getsourcefile(named) or "")
    except (OSError, TypeError):
        return f"module {named.__module__}"
