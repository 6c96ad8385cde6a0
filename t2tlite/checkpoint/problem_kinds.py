"""The kinds of problems that run.json describes, and the members of a mixture."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

from t2tlite.config import HParams
from t2tlite.errors import DataError
from t2tlite.mixtures.mixture import Mixture
from t2tlite.mixtures.schedule import mixing_of
from t2tlite.problem import Problem
from t2tlite.regression import Text2RealProblem
from t2tlite.text_problems import Text2ClassProblem, Text2SelfProblem, Text2TextProblem
from t2tlite.translate import TranslateDistillProblem

log = logging.getLogger(__name__)

# The kinds of problems: the class that reads the data of each, subclasses before their bases.
KINDS: dict[str, type[Problem]] = {
    "mixture": Mixture,
    "text2real": Text2RealProblem,
    "translate_distill": TranslateDistillProblem,
    "text2class": Text2ClassProblem,
    "text2self": Text2SelfProblem,
    "text2text": Text2TextProblem,
    "problem": Problem,
}


@dataclass(frozen=True)
class Member:
    """A problem of a mixture.

    Attributes:
      name: with `_rev` and `_copy`.
      tag, target_tag: as of `TaskTag`.
      prefixes: the member's own, by feature as the model sees them.
      share: of the training examples, as the mixture begins.
      kind, dataset, reversed, copied, has_inputs, splits, metrics: as of `Description`.
    """

    name: str
    kind: str
    dataset: str
    tag: str = ""
    target_tag: str = ""
    prefixes: dict[str, str] = field(default_factory=dict)
    share: float = 0.0
    reversed: bool = False
    copied: bool = False
    has_inputs: bool = True
    splits: dict[str, int] = field(default_factory=dict)
    metrics: list[str] = field(default_factory=list)


def kind_of(problem: Problem) -> str:
    """Returns the key in `KINDS` of a problem's kind."""
    return next(name for name, base in KINDS.items() if isinstance(problem, base))


def members_of(mixture: Mixture, hparams: HParams) -> list[Member]:
    """Returns the members of a mixture; `hparams` are those of the model."""
    made = []
    shares = mixing_of(mixture, dict.fromkeys(mixture.members, 1), hparams).shares[0]
    tags = mixture.task_tags
    for (name, one), tag, share in zip(mixture.members.items(), tags, shares, strict=True):
        suffixes = one.full_name.removeprefix(one.name)
        made.append(
            Member(
                name=name,
                kind=kind_of(one),
                dataset=one.dataset_filename(),
                tag=tag.tag,
                target_tag=tag.target_tag,
                prefixes=dict(tag.prefixes),
                share=share,
                reversed="_rev" in suffixes,
                copied="_copy" in suffixes,
                has_inputs=bool(one.has_inputs),
                splits=splits_of(one),
                metrics=metrics_of(one),
            )
        )
    return made


def splits_of(problem: Problem) -> dict[str, int]:
    """Returns the numbers of shards by split; none if the data can't be generated."""
    try:
        return {name: len(paths) for name, paths in problem.filepaths_by_split("").items()}
    except DataError as error:
        log.info("%s; run.json names no splits", error)
        return {}


def metrics_of(problem: Problem) -> list[str]:
    """Returns the names of the metrics; none if the hook fails, which a training may never call."""
    try:
        return [str(name) for name in problem.eval_metrics()]
    except Exception as error:
        log.info("%s: eval_metrics fails, so run.json names no metrics: %s", problem.name, error)
        return []
