"""`Mixture`: several problems learned by one model.

    @registry.register_problem
    class TranslateEnglish(mixtures.Mixture):
        problems = {"translate_ende": 0.7, "translate_enfr": 0.3}
        tags = {"translate_ende": "<2de>", "translate_enfr": "<2fr>"}
        approx_vocab_size = 2**14

Every command also takes one by its members alone, such as --problem=a:0.7+b:0.3. The members share
a vocabulary, and each has its shards in the data folder, which any mixture with that vocabulary
reads. docs/mixtures.md explains how.
"""

from __future__ import annotations

import copy
import functools
import hashlib
import itertools
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from t2tlite import registry
from t2tlite.batches.mixed_examples import MixedExamples, TaggedExamples, WeightedExamples
from t2tlite.batches.mixing import Mixing
from t2tlite.batches.prepend import JoinedExamples
from t2tlite.config import HParams, ProblemHParams
from t2tlite.data.weights import weight_of
from t2tlite.errors import DataError, HParamsError
from t2tlite.mixtures import vocabulary
from t2tlite.mixtures.schedule import mixing_of
from t2tlite.mixtures.task_tag import TaskTag
from t2tlite.problem import DatasetSplit, Problem
from t2tlite.problem_vocabulary import VocabType
from t2tlite.regression import Text2RealProblem
from t2tlite.text_problems import Text2ClassProblem, Text2TextProblem

# Characters; the names of shards hold those of a member and of the vocabulary.
_LONGEST_NAME = 80

Schedule = str | tuple[str, Sequence[int], Sequence[Sequence[float]]]


class Mixture(Text2TextProblem):
    """Several problems of one kind, text to text or text alone, mixed within every batch.

    Attributes:
      problems: names of the members, also with `_rev` and `_copy`, or problems; or a dict of names
        with weights, of which the shares of the training examples are made. Without weights the
        shares are equal, or what T2T's hparams multiproblem_... say.
      temperature: T makes the share of a member proportional to its number of examples to the power
        of 1 / T: 1 as if all data were one, more gives small members more. In place of weights.
      schedule: shares by step, as T2T writes them: "linear @0 1.0 0.0 @10000 0.5 0.5". In place of
        weights.
      tags: text before every input of a member, by its name, which tells the model what to do;
        "<2de>" is one token. Decoding takes it as `decode_tag`.
      target_tags: the same before its targets; answers leave it out.
      loss_weights: how much the loss of a member's examples counts, by its name; 1 where it isn't
        named. The examples' own weights are multiplied by it.
      only_eval_first_problem: whether an evaluation is of the first member alone.
    """

    problems: Mapping[str, float] | Sequence[str | Problem] = ()
    temperature: float | None = None
    schedule: Schedule | None = None
    tags: Mapping[str, str] = MappingProxyType({})
    target_tags: Mapping[str, str] = MappingProxyType({})
    loss_weights: Mapping[str, float] = MappingProxyType({})
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
        names = self._names
        if len(set(names)) != len(names) or not names:
            raise DataError(
                f"{self.name}: problems are {', '.join(map(repr, names)) or 'empty'}; name each "
                f"member once"
            )
        for name, weight in self.loss_weights.items():
            weight_of(weight, f"{self.name}: loss_weights of {name}")
        for table in ("tags", "target_tags", "loss_weights"):
            if unknown := [name for name in getattr(self, table) if name not in names]:
                raise DataError(
                    f"{self.name}: {table} names {unknown[0]!r}, which is no member; expected some "
                    f"of {', '.join(names)}"
                )
        return {name: self._adapted(name, plain) for name, plain in self._plain_members.items()}

    @functools.cached_property
    def _plain_members(self) -> dict[str, Text2TextProblem]:
        """The members with their own vocabularies."""
        plain = dict(zip(self._names, map(self._made, self.problems), strict=True))
        (first_name, first), *others = plain.items()
        for name, member in plain.items():
            self._check_kind(name, member)
        joins = type(self).has_inputs is not Mixture.has_inputs and not self.has_inputs
        for name, member in others:
            if not joins and bool(member.has_inputs) != bool(first.has_inputs):
                with_inputs, without = (
                    (first_name, name) if first.has_inputs else (name, first_name)
                )
                raise DataError(
                    f"{self.name}: {without} is text alone and {with_inputs} has inputs; mix "
                    f"problems of one kind"
                )
        return plain

    @property
    def _names(self) -> list[str]:
        return [one if isinstance(one, str) else one.full_name for one in self.problems]

    @property
    def weights(self) -> dict[str, float] | None:
        """The weights of the members; None: they have none."""
        return dict(self.problems) if isinstance(self.problems, Mapping) else None

    def _made(self, one: str | Problem) -> Any:
        return registry.problem(one) if isinstance(one, str) else one

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
        vocabulary.check_member(self.name, name, plain)
        adapt = functools.partial(vocabulary.member_class, self)
        if name in map(str, self.problems):
            made: Text2TextProblem = registry.problem(name, adapt)
        else:
            # A problem itself, which needn't be registered.
            made = copy.copy(plain)
            made.__class__ = adapt(type(plain))
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
        """As the members; a class that says False joins their inputs and targets to one text."""
        return all(member.has_inputs for member in self._plain_members.values())

    # The vocabulary.

    @property
    def _common_vocabulary(self) -> Text2TextProblem | None:
        """A member whose vocabulary all members have, with the tags; None: there is none."""
        first, *others = self._plain_members.values()
        own = first.vocab_type, first.vocab_filename
        kind = self.vocab_type
        if first.vocab_type != kind or any(
            (one.vocab_type, one.vocab_filename) != own for one in others
        ):
            return None
        tokens = set(vocabulary.tag_tokens(self)) - set(first.additional_reserved_tokens)
        return None if tokens and first.vocab_type == VocabType.SUBWORD else first

    @property
    def vocab_type(self) -> str:
        kinds = {member.vocab_type for member in self._plain_members.values()}
        files = {member.vocab_filename for member in self._plain_members.values()}
        is_shared = len(files) == 1 or kinds == {VocabType.CHARACTER}
        return kinds.pop() if len(kinds) == 1 and is_shared else VocabType.SUBWORD

    @property
    def approx_vocab_size(self) -> int:
        """By default the largest of the members' sizes."""
        return max(int(member.approx_vocab_size) for member in self._plain_members.values())

    @property
    def additional_reserved_tokens(self) -> list[str]:
        """By default those of the members and the tags."""
        members = [one.additional_reserved_tokens for one in self._plain_members.values()]
        return list(dict.fromkeys([*itertools.chain(*members), *vocabulary.tag_tokens(self)]))

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
        vocabulary.check_tags(self, encoder)
        return encoder

    def generate_text_for_vocab(self, data_dir: str, tmp_dir: str) -> Iterator[str]:
        """Yields texts of all members, in proportion to their shares."""
        return vocabulary.texts(self, self._plain_members, data_dir, tmp_dir)

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

    def read_examples(
        self, shards: Sequence[str], mode: str, hparams: HParams, for_training: bool | None = None
    ) -> MixedExamples:
        if for_training is None:
            for_training = mode == DatasetSplit.TRAIN
        if for_training and hparams.task_balance < 1:
            raise HParamsError(
                f"task_balance={hparams.task_balance}, but a mixture has no teacher's "
                f"distributions; set task_balance=1"
            )
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
            if member.has_inputs and not self.has_inputs:
                read = JoinedExamples(read, 0, separates=False)
            read = TaggedExamples(read, tags[name]) if tags[name] else read
            read = JoinedExamples(read, hparams.max_target_seq_length) if joins else read
            factor = self.loss_weights.get(name, 1.0)
            weighs = for_training and factor != 1.0
            parts[name] = WeightedExamples(read, factor) if weighs else read
        if not for_training and self.only_eval_first_problem:
            parts = dict([next(iter(parts.items()))])
        sizes = {name: len(part.lengths) for name, part in parts.items()}
        mixing = mixing_of(self, sizes, hparams) if for_training else Mixing((), (), ())
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
