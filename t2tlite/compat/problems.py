"""The problem classes that T2T plugins subclass: t2tlite's, with T2T's further names.

Before T2T 1.4 a problem had one hook, `generator(data_dir, tmp_dir, is_training)`, and the names
`targeted_vocab_size`, `vocab_name`, `use_subword_tokenizer`, `is_character_level` and `num_shards`
for what `approx_vocab_size`, `vocab_filename`, `vocab_type` and `dataset_splits` are now. A class
that has a newer hook, too, ignores the old names, as in T2T.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

from t2tlite import problem, regression, text_problems
from t2tlite.compat.reading import Reading
from t2tlite.config import HParams, ProblemHParams
from t2tlite.plugins.stand_ins import absent_names
from t2tlite.problem import DatasetSplit
from t2tlite.problem_vocabulary import label_encoder_of
from t2tlite.text import TextEncoder
from t2tlite.text_problems import VocabType

_HOOKS = {"generate_samples", "generate_encoded_samples", "source_data_files"}


class Problem(Reading, problem.Problem):
    """Problem with T2T's further names."""

    batch_size_means_tokens = False
    already_shuffled = False
    skip_random_fraction_when_training = True
    export_assets = None
    task_id = -1

    def set_task_id(self, new_task_id: int) -> None:
        """Sets the number that problems have in T2T's multi-problem training."""
        self.task_id = new_task_id

    @property
    def was_reversed(self) -> bool:
        """Whether inputs and targets are swapped."""
        return self._was_reversed

    def feature_encoders(self, data_dir: str | None) -> dict[str, Any]:
        """Returns encoders of numbers by default, as in T2T."""
        if isinstance(self, text_problems.Text2TextProblem):
            return super().feature_encoders(data_dir)
        return {"inputs": TextEncoder(), "targets": TextEncoder()}


class Text2TextProblem(Problem, text_problems.Text2TextProblem):
    """Text2TextProblem with the names of all T2T versions."""

    batch_size_means_tokens = True

    # Before T2T 1.4.
    generator: Callable[..., Iterator[dict[str, Any]]]
    is_character_level = False
    use_subword_tokenizer = True
    use_train_shards_for_dev = False
    num_shards = 100
    num_dev_shards = 1
    targeted_vocab_size = 2**15

    @property
    def vocab_name(self) -> str:
        """The name of the vocabulary file without the size."""
        return f"vocab.{self.name}"

    @property
    def vocab_file(self) -> str:
        """The name of the vocabulary file."""
        if self._is_before_1_4:
            return f"{self.vocab_name}.{self.targeted_vocab_size}"
        return self.vocab_filename

    @property
    def _is_before_1_4(self) -> bool:
        return hasattr(self, "generator") and not self._overridden(_HOOKS)

    def _overridden(self, hooks: set[str]) -> bool:
        """Whether a class of a plugin or a built-in problem has one of these hooks."""
        modules = ((base, f"{base.__module__}.") for base in type(self).__mro__)
        return any(
            vars(base).keys() & hooks
            for base, module in modules
            if module.startswith("t2tlite.problems.") or not module.startswith("t2tlite.")
        )

    @property
    def vocab_filename(self) -> str:
        return self.vocab_file if self._is_before_1_4 else super().vocab_filename

    @property
    def vocab_type(self) -> str:
        if not self._is_before_1_4:
            return super().vocab_type
        if self.is_character_level:
            return VocabType.CHARACTER
        return VocabType.SUBWORD if self.use_subword_tokenizer else VocabType.TOKEN

    @property
    def approx_vocab_size(self) -> int:
        return self.targeted_vocab_size if self._is_before_1_4 else super().approx_vocab_size

    @property
    def is_generate_per_split(self) -> bool:
        if self._is_before_1_4:
            return not self.use_train_shards_for_dev
        return super().is_generate_per_split

    @property
    def dataset_splits(self) -> list[dict[str, Any]]:
        if not self._is_before_1_4:
            return super().dataset_splits
        return [
            {"split": DatasetSplit.TRAIN, "shards": self.num_shards},
            {"split": DatasetSplit.EVAL, "shards": self.num_dev_shards},
        ]

    def generate_encoded_samples(
        self, data_dir: str, tmp_dir: str, dataset_split: str
    ) -> Iterator[dict[str, Any]]:
        if self._is_before_1_4:
            return self.generator(data_dir, tmp_dir, dataset_split == DatasetSplit.TRAIN)
        return super().generate_encoded_samples(data_dir, tmp_dir, dataset_split)

    @property
    def _tasks(self) -> int:
        # In T2T a generate_data that writes shards itself uses num_generate_tasks.
        accepted = inspect.signature(self.generate_samples).parameters
        return super()._tasks if "task_id" in accepted else 1

    @property
    def _overrides_encoding(self) -> bool:
        # The method above just calls the base class if there is a newer hook.
        return self._is_before_1_4 or self._overridden({"generate_encoded_samples"})

    @property
    def text_prefixes(self) -> dict[str, str]:
        try:
            return super().text_prefixes
        except NotImplementedError:
            # T2T reads them when it encodes only, and such a problem encodes itself.
            return {"inputs": "", "targets": ""}

    def _maybe_pack_examples(self, generator: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        # The reader packs examples (hparam pack_dataset), not the generator.
        return generator

    def hparams(self, defaults: ProblemHParams, model_hparams: HParams) -> None:
        super().hparams(defaults, model_hparams)
        if self._is_before_1_4:
            for name in ("input_space_id", "target_space_id"):
                setattr(defaults, name, getattr(self, name, 0))


class Text2SelfProblem(Text2TextProblem, text_problems.Text2SelfProblem):
    """T2T's Text2SelfProblem."""


class Text2ClassProblem(Text2TextProblem, text_problems.Text2ClassProblem):
    """T2T's Text2ClassProblem."""

    def get_feature_encoders(self, data_dir: str | None = None) -> dict[str, Any]:
        if self._encoders is None:
            encoders = dict(self.feature_encoders(data_dir))
            # T2T trains without one of the targets.
            if "targets" not in encoders:
                encoders["targets"] = label_encoder_of(self, data_dir)
            self._encoders = encoders
        return super().get_feature_encoders(data_dir)


class Text2RealProblem(Text2TextProblem, regression.Text2RealProblem):
    """T2T's Text2RealProblem."""


_COUNTERPARTS = {
    regression.Text2RealProblem: Text2RealProblem,
    problem.Problem: Problem,
    text_problems.Text2TextProblem: Text2TextProblem,
    text_problems.Text2SelfProblem: Text2SelfProblem,
    text_problems.Text2ClassProblem: Text2ClassProblem,
}


@functools.cache
def with_t2t_names(problem_class: type) -> type:
    """Returns a subclass of a t2tlite problem class that has T2T's further names.

    Its bases have them as well, so that `issubclass` answers as in T2T.
    """
    if problem_class in _COUNTERPARTS:
        return _COUNTERPARTS[problem_class]
    if issubclass(problem_class, Problem) or not issubclass(problem_class, problem.Problem):
        return problem_class
    base: Any = next(one for one in problem_class.__bases__ if issubclass(one, problem.Problem))
    bases = (with_t2t_names(base), problem_class)
    members = {"__module__": problem_class.__module__}
    if "num_shards" in vars(problem_class):
        # Not the default of T2T before 1.4, which the first base has.
        members["num_shards"] = vars(problem_class)["num_shards"]
    return type(problem_class.__name__, bases, members)


def names_of(source: ModuleType, t2t_module: str) -> Callable[[str], Any]:
    """Returns the `__getattr__` of a module of T2T: the names of `source`, else absent names."""

    def get(name: str) -> Any:
        if not hasattr(source, name):
            return absent_names(t2t_module)(name)
        value = getattr(source, name)
        return with_t2t_names(value) if isinstance(value, type) else value

    return get
