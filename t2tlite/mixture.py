"""`Mixture`: several problems learned by one model.

    @registry.register_problem
    class TranslateEnglish(mixture.Mixture):
        problems = {"translate_ende": 0.7, "translate_enfr": 0.3}
        tags = {"translate_ende": "<2de>", "translate_enfr": "<2fr>"}
        approx_vocab_size = 2**14

Every command also takes one by its members alone, such as --problem=a:0.7+b:0.3. The members share
a vocabulary, and each has its shards in the data folder, which any mixture with that vocabulary
reads. docs/mixtures.md explains how.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
import itertools
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from t2tlite import mixture_vocabulary, registry
from t2tlite.batches.mixed_examples import MixedExamples, TaggedExamples
from t2tlite.batches.mixing import Mixing
from t2tlite.batches.prepend import JoinedExamples
from t2tlite.config import HParams, ProblemHParams
from t2tlite.errors import DataError
from t2tlite.problem import DatasetSplit, Problem
from t2tlite.problem_vocabulary import VocabType
from t2tlite.regression import Text2RealProblem
from t2tlite.text_problems import Text2ClassProblem, Text2TextProblem

# Characters; the names of shards hold those of a member and of the vocabulary.
_LONGEST_NAME = 80

Schedule = str | tuple[str, Sequence[int], Sequence[Sequence[float]]]


@dataclass(frozen=True)
class TaskTag:
    """How a member's texts begin.

    Attributes:
      member: its name.
      tag: before its inputs, or the texts of a language model; "": none.
      target_tag: before its targets; "": none.
      prefixes: the member's own `inputs_prefix` and `targets_prefix`, by feature.
    """

    member: str
    tag: str = ""
    target_tag: str = ""
    prefixes: Mapping[str, str] = field(default_factory=dict)

    def ids(self, encoders: Mapping[str, Any]) -> dict[str, list[int]]:
        """Returns the ids that examples begin with, by feature; {} without tags.

        Args:
          encoders: of the mixture, by feature.
        """
        feature = "inputs" if "inputs" in encoders else "targets"
        texts = {"targets": self.target_tag, feature: self.tag}
        if feature == "targets":
            texts["targets"] = self.tag + self.target_tag
        return {name: list(encoders[name].encode(text)) for name, text in texts.items() if text}


class Mixture(Text2TextProblem):
    """Several problems of one kind, text to text or text alone, mixed within every batch.

    Attributes:
      problems: names of the members, also with `_rev` and `_copy`; as a dict with their weights, of
        which the shares of the training examples are made. Without weights the shares are equal.
      temperature: T makes the share of a member proportional to its number of examples to the power
        of 1 / T: 1 as if all data were one, more gives small members more. In place of weights.
      schedule: shares by step, as T2T writes them: "linear @0 1.0 0.0 @10000 0.5 0.5". In place of
        weights.
      tags: text before every input of a member, by its name, which tells the model what to do;
        "<2de>" is one token. Decoding takes it as `decode_tag`.
      target_tags: the same before its targets; answers leave it out.
      only_eval_first_problem: whether an evaluation is of the first member alone.
    """

    problems: Mapping[str, float] | Sequence[str] = ()
    temperature: float | None = None
    schedule: Schedule | None = None
    tags: Mapping[str, str] = MappingProxyType({})
    target_tags: Mapping[str, str] = MappingProxyType({})
    only_eval_first_problem = False

    def __init__(self, was_reversed: bool = False, was_copy: bool = False) -> None:
        super().__init__(was_reversed, was_copy)
        if was_reversed or was_copy:
            raise DataError(
                f"{self.name} is a mixture, which has no _rev and _copy; mix those of its members"
            )

    # The members.

    @functools.cached_property
    def members(self) -> dict[str, Text2TextProblem]:
        """The members by name, which read and generate data with the vocabulary of the mixture.

        Raises:
          DataError: there are fewer than two, or one is of another kind.
          UnknownNameError: one isn't registered.
        """
        names = list(self.problems)
        if len(set(names)) != len(names) or not names:
            raise DataError(
                f"{self.name}: problems are {', '.join(map(repr, names)) or 'empty'}; name each "
                f"member once"
            )
        for table in ("tags", "target_tags"):
            if unknown := [name for name in getattr(self, table) if name not in names]:
                raise DataError(
                    f"{self.name}: {table} names {unknown[0]!r}, which is no member; expected some "
                    f"of {', '.join(names)}"
                )
        return {name: self._adapted(name, plain) for name, plain in self._plain_members.items()}

    @functools.cached_property
    def _plain_members(self) -> dict[str, Text2TextProblem]:
        """The members with their own vocabularies."""
        plain = {name: self._made(name) for name in self.problems}
        (first_name, first), *others = plain.items()
        for name, member in plain.items():
            self._check_kind(name, member)
        for name, member in others:
            if bool(member.has_inputs) != bool(first.has_inputs):
                with_inputs, without = (
                    (first_name, name) if first.has_inputs else (name, first_name)
                )
                raise DataError(
                    f"{self.name}: {without} is text alone and {with_inputs} has inputs; mix "
                    f"problems of one kind"
                )
        return plain

    def _made(self, name: str) -> Text2TextProblem:
        made: Text2TextProblem = registry.problem(name)
        return made

    def _check_kind(self, name: str, member: Problem) -> None:
        kind = ""
        if isinstance(member, Mixture):
            kind = "a mixture itself; name its members"
        elif isinstance(member, Text2ClassProblem):
            kind = "a problem of classes"
        elif isinstance(member, Text2RealProblem):
            kind = "a problem of numbers"
        elif not isinstance(member, Text2TextProblem):
            kind = "no Text2TextProblem"
        if kind:
            raise DataError(f"{self.name}: {name} is {kind}; a mixture has texts as targets")

    def _adapted(self, name: str, plain: Text2TextProblem) -> Text2TextProblem:
        """Returns a member that uses the vocabulary of the mixture."""
        if self._has_own_data(plain):
            return plain
        mixture_vocabulary.check_member(self.name, name, plain)
        made: Text2TextProblem = registry.problem(name, functools.partial(_member_class, self))
        return made

    def _has_own_data(self, plain: Text2TextProblem) -> bool:
        """Whether a member's own vocabulary is that of the mixture, and so its own data."""
        kinds = plain.vocab_type, self.vocab_type
        is_bytes = kinds == (VocabType.CHARACTER, VocabType.CHARACTER)
        return is_bytes or (kinds[0] == kinds[1] and plain.vocab_filename == self.vocab_filename)

    @property
    def task_tags(self) -> list[TaskTag]:
        """How the texts of each member begin."""
        return [
            TaskTag(
                name,
                self.tags.get(name, ""),
                self.target_tags.get(name, ""),
                {feature: text for feature, text in member.text_prefixes.items() if text},
            )
            for name, member in self.members.items()
        ]

    @property
    def has_inputs(self) -> bool:
        return all(member.has_inputs for member in self._plain_members.values())

    # The vocabulary.

    @property
    def _common_vocabulary(self) -> Text2TextProblem | None:
        """A member whose vocabulary all members have, with the tags; None: there is none."""
        first, *others = self._plain_members.values()
        own = first.vocab_type, first.vocab_filename
        if any((one.vocab_type, one.vocab_filename) != own for one in others):
            return None
        tokens = set(mixture_vocabulary.tag_tokens(self)) - set(first.additional_reserved_tokens)
        return None if tokens and first.vocab_type == VocabType.SUBWORD else first

    @property
    def vocab_type(self) -> str:
        kinds = {member.vocab_type for member in self._plain_members.values()}
        return kinds.pop() if len(kinds) == 1 else VocabType.SUBWORD

    @property
    def approx_vocab_size(self) -> int:
        """By default the largest of the members' sizes."""
        return max(int(member.approx_vocab_size) for member in self._plain_members.values())

    @property
    def additional_reserved_tokens(self) -> list[str]:
        """By default those of the members and the tags."""
        members = [one.additional_reserved_tokens for one in self._plain_members.values()]
        return list(
            dict.fromkeys([*itertools.chain(*members), *mixture_vocabulary.tag_tokens(self)])
        )

    @property
    def vocab_filename(self) -> str:
        """By default a file of the mixture's own; the members' if they share one with the tags."""
        if not self.use_vocab_from_other_problem and (common := self._common_vocabulary):
            return str(common.vocab_filename)
        return str(super().vocab_filename)

    def get_or_create_vocab(
        self, data_dir: str, tmp_dir: str | None, force_get: bool = False
    ) -> Any:
        common = None if self.use_vocab_from_other_problem else self._common_vocabulary
        if common is not None and common.vocab_filename == self.vocab_filename:
            encoder = common.get_or_create_vocab(data_dir, tmp_dir, force_get)
        else:
            encoder = super().get_or_create_vocab(data_dir, tmp_dir, force_get)
        mixture_vocabulary.check_tags(self, encoder)
        return encoder

    def generate_text_for_vocab(self, data_dir: str, tmp_dir: str) -> Iterator[str]:
        """Yields texts of all members, in proportion to their shares."""
        return mixture_vocabulary.texts(self, self._plain_members, data_dir, tmp_dir)

    # Data.

    def dataset_filename(self) -> str:
        """Returns what the name of the vocabulary starts with; there are no shards of this name."""
        name = str(super().dataset_filename())
        if len(name) <= _LONGEST_NAME:
            return name
        return f"mixture.{hashlib.sha256(name.encode()).hexdigest()[:12]}"

    def generate_data(self, data_dir: str, tmp_dir: str, task_id: int = -1) -> None:
        for member in self.distinct_members:
            member.random_seed, member.num_workers = self.random_seed, self.num_workers
            member.generate_data(data_dir, tmp_dir, task_id)

    @property
    def distinct_members(self) -> list[Text2TextProblem]:
        """One member for each set of shards: NAME and NAME_rev read the same."""
        return list({one.dataset_filename(): one for one in self.members.values()}.values())

    def shards(self, data_dir: str, split: str) -> list[str]:
        found = [member.shards(data_dir, split) for member in self.distinct_members]
        return list(itertools.chain(*found))

    def filepaths_by_split(self, data_dir: str) -> dict[str, list[str]]:
        joined: dict[str, list[str]] = {}
        for member in self.distinct_members:
            for split, paths in member.filepaths_by_split(data_dir).items():
                joined.setdefault(split, []).extend(paths)
        return joined

    @property
    def dataset_splits(self) -> list[dict[str, Any]]:
        counts = {split: len(paths) for split, paths in self.filepaths_by_split("").items()}
        return [{"split": split, "shards": count} for split, count in counts.items()]

    # Reading.

    def mixing(self, sizes: Mapping[str, int], hparams: HParams) -> Mixing:
        """Returns the shares of the members.

        Args:
          sizes: the number of training examples of each.
          hparams: of the model; some classes of T2T's read their schedule from them.

        Raises:
          DataError: weights or the schedule aren't possible, or several of them are given.
        """
        names, where = list(self.members), self.name
        weights = self.problems if isinstance(self.problems, Mapping) else None
        given = {"schedule": self.schedule, "temperature": self.temperature, "weights": weights}
        if len(named := [name for name, value in given.items() if value is not None]) > 1:
            raise DataError(f"{where} has both a {' and '.join(named)}; give one of them")
        if self.schedule is not None:
            return Mixing.scheduled(names, self.schedule, where)
        if self.temperature is not None:
            if not (isinstance(self.temperature, int | float) and self.temperature > 0):
                raise DataError(
                    f"{where}: temperature is {self.temperature!r}; expected a number above 0"
                )
            powers = [sizes[name] ** (1.0 / self.temperature) for name in names]
            return Mixing.constant(names, powers, where)
        return Mixing.constant(names, list((weights or dict.fromkeys(names, 1.0)).values()), where)

    def read_examples(
        self, shards: Sequence[str], mode: str, hparams: HParams, for_training: bool | None = None
    ) -> MixedExamples:
        if for_training is None:
            for_training = mode == DatasetSplit.TRAIN
        encoders = self.get_feature_encoders(os.path.dirname(shards[0]))
        # The tags come before inputs and targets are joined.
        joins = for_training and hparams.prepend_mode != "none"
        plain = hparams.copy()
        plain.prepend_mode = "none"
        parts: dict[str, Any] = {}
        tags = {tag.member: tag.ids(encoders) for tag in self.task_tags}
        for name, member in self.members.items():
            stem = f"{member.dataset_filename()}-"
            own = [path for path in shards if _is_of(Path(path).name, stem)]
            read: Any = member.read_examples(own, mode, plain, for_training)
            read = TaggedExamples(read, tags[name]) if tags[name] else read
            parts[name] = JoinedExamples(read, hparams.max_target_seq_length) if joins else read
        if not for_training and self.only_eval_first_problem:
            parts = dict([next(iter(parts.items()))])
        sizes = {name: len(part.lengths) for name, part in parts.items()}
        mixing = self.mixing(sizes, hparams) if for_training else Mixing((), (), ())
        return MixedExamples(parts, mixing)

    # The model.

    def max_length(self, model_hparams: HParams) -> int:
        return max(member.max_length(model_hparams) for member in self.members.values())

    def hparams(self, defaults: ProblemHParams, model_hparams: HParams) -> None:
        super().hparams(defaults, model_hparams)
        first = next(iter(self.members.values()))
        own = ProblemHParams(vocabulary=defaults.vocabulary)
        first.hparams(own, model_hparams)
        defaults.loss_multiplier = own.loss_multiplier

    def eval_metrics(self) -> list[str]:
        """Returns the metrics that all members have."""
        first, *others = (member.eval_metrics() for member in self.members.values())
        return [name for name in first if all(name in names for names in others)]


def _is_of(file: str, stem: str) -> bool:
    """Whether a shard is of the data whose files begin with `stem`: STEM-train-00000-of-00010."""
    return file.startswith(stem) and file.removeprefix(stem).count("-") == 3


def _member_class(mixture: Mixture, base: Any) -> Any:
    """Returns a problem class whose data have the vocabulary of a mixture, under their own names.

    The names of the data say which vocabulary it is: PROBLEM.VOCABULARY-train-00000-of-00010.
    """
    stem = mixture_vocabulary.stem(mixture.vocab_filename)

    def dataset_filename(self: Any) -> str:
        return f"{base.dataset_filename(self)}.{stem}"

    def source_sha256(self: Any) -> str:
        try:
            return hashlib.sha256(inspect.getsource(base).encode()).hexdigest()
        except (OSError, TypeError):
            return ""

    members = {
        "__module__": base.__module__,
        "__doc__": base.__doc__,
        "dataset_filename": dataset_filename,
        "source_sha256": source_sha256,
        "use_vocab_from_other_problem": mixture,
        "vocab_filename": mixture.vocab_filename,
        "vocab_type": mixture.vocab_type,
        "oov_token": mixture.oov_token,
    }
    return type(base.__name__, (base,), members)


def of_spec(spec: str) -> Mixture:
    """Returns the mixture of a text such as "a+b", "a<2de>:0.7+b<2fr>:0.3" or "a+b temperature=5".

    Each member may have a tag in angle brackets and a weight, 1 by default. After a space come
    `temperature=T`, `vocab_filename=FILE`, `vocab_size=N` or a schedule of T2T's, such as
    "a+b linear @0 1 0 @10000 0.5 0.5".

    Raises:
      DataError: it isn't such a text.
      UnknownNameError: a member isn't registered.
    """
    text, _, rest = spec.strip().partition(" ")
    where = f"the mixture {spec!r}"
    weights: dict[str, float] = {}
    tags: dict[str, str] = {}
    for part in text.split("+"):
        name, tag, weight = _member_of(part, where)
        if name in weights:
            raise DataError(f"{where} names {name} twice; name each member once")
        weights[name] = 1.0 if weight is None else weight
        if tag:
            tags[name] = tag
    members = {"problems": weights, "tags": tags, **_options(rest, where)}
    if {"temperature", "schedule"} & set(members):
        if ":" in text:
            raise DataError(f"{where} has weights beside a temperature or schedule; leave them out")
        members["problems"] = list(weights)
    made: Mixture = type("Mixture", (Mixture,), {"__module__": __name__, **members})()
    made.name = "+".join(weights)
    # Unknown members and impossible weights are errors at once.
    made.mixing(dict.fromkeys(made.members, 1), HParams())
    return made


def _member_of(part: str, where: str) -> tuple[str, str, float | None]:
    """Returns the name, the tag and the weight of a member."""
    rest, tag, weight = part, "", None
    if "<" in part:
        rest, _, after = part.partition("<")
        inner, closed, after = after.rpartition(">")
        if not (closed and inner):
            raise DataError(f"{where}: found {part!r}; expected a tag such as <2de> after the name")
        tag, rest = f"<{inner}>", rest + after
    name, colon, number = rest.partition(":")
    if colon:
        try:
            weight = float(number)
        except ValueError:
            raise DataError(
                f"{where}: {name} has the weight {number!r}; expected a number, such as 0.7"
            ) from None
    if not name:
        raise DataError(f"{where} has a member without a name; expected NAME+NAME")
    return name, tag, weight


def _options(text: str, where: str) -> dict[str, Any]:
    """Returns the attributes that the words after the members set."""
    words = text.split()
    if words and "=" not in words[0]:
        return {"schedule": text}
    options: dict[str, Any] = {}
    for word in words:
        name, _, value = word.partition("=")
        try:
            if name == "temperature":
                options["temperature"] = float(value)
            elif name == "vocab_size":
                options["approx_vocab_size"] = int(value)
            elif name == "vocab_filename" and value:
                options["vocab_filename"] = value
            else:
                raise ValueError
        except ValueError:
            raise DataError(
                f"{where}: found {word!r}; expected temperature=5, vocab_size=8000, "
                f"vocab_filename=FILE or a schedule such as 'linear @0 1 0 @10000 0.5 0.5'"
            ) from None
    return options
