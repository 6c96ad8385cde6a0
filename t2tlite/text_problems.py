"""The problem classes that users subclass: text to text, text to class, text alone.

    from t2tlite import registry, text_problems

    @registry.register_problem
    class PoetryLines(text_problems.Text2TextProblem):
        approx_vocab_size = 2**13
        is_generate_per_split = False

        def generate_samples(self, data_dir, tmp_dir, dataset_split):
            for line, next_line in ...:
                yield {"inputs": line, "targets": next_line}

A subclass implements `generate_samples` and overrides hooks whose default doesn't fit. A property
may be overridden by a plain class attribute. Names and meanings are Tensor2Tensor's.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from t2tlite.batches.examples import RecordFeature
from t2tlite.config import HParams, ProblemHParams
from t2tlite.data import generate
from t2tlite.data.encoding import Encoding
from t2tlite.data.samples import checked, one_label, source_of
from t2tlite.data.streams import Stream
from t2tlite.errors import DataError
from t2tlite.metrics import Metrics
from t2tlite.problem import DatasetSplit, Problem, SpaceID
from t2tlite.problem_vocabulary import VocabType as VocabType
from t2tlite.problem_vocabulary import encoder_of, label_encoder_of, sentencepiece_filename
from t2tlite.sources.text_files import text2class_txt_iterator as text2class_txt_iterator
from t2tlite.sources.text_files import text2self_txt_iterator as text2self_txt_iterator
from t2tlite.sources.text_files import text2text_distill_iterator as text2text_distill_iterator
from t2tlite.sources.text_files import text2text_txt_iterator as text2text_txt_iterator
from t2tlite.sources.text_files import text2text_txt_tab_iterator as text2text_txt_tab_iterator
from t2tlite.sources.text_files import txt_line_iterator as txt_line_iterator


class Text2TextProblem(Problem):
    """A text as input, another text as target. Implement `generate_samples`."""

    # A `text.SampledSegmentations`: copies of the training examples in other segmentations.
    sampled_segmentations: Any = None
    # Numbers of samples by split, as far as making the vocabulary has counted them.
    _counted: Mapping[str, int] = MappingProxyType({})

    # Hooks that a subclass implements or overrides.

    def generate_samples(
        self, data_dir: str, tmp_dir: str, dataset_split: str
    ) -> Iterator[dict[str, Any]]:
        """Yields samples: dicts of str with the keys "inputs" and "targets".

        If `num_generate_tasks` is above 1, it takes a fourth argument, the `task_id` of the part to
        yield.

        Args:
          data_dir: the data folder, for vocabulary files that the problem provides.
          tmp_dir: the folder of downloads and of the user's own files.
          dataset_split: "train", "eval" or "test"; always "train" unless `is_generate_per_split`.
        """
        raise NotImplementedError(f"{type(self).__name__} has no generate_samples; write one")

    @property
    def is_generate_per_split(self) -> bool:
        """Whether `generate_samples` is called once for each split.

        If False, it is called once, and its samples are distributed over the shards of all splits:
        with 9 training shards and 1 evaluation shard, one of ten samples is for evaluation.
        """
        return True

    @property
    def vocab_type(self) -> str:
        """The kind of vocabulary, one of `VocabType`."""
        return VocabType.SUBWORD

    @property
    def approx_vocab_size(self) -> int:
        """The size of a SUBWORD vocabulary in tokens."""
        return 2**15

    @property
    def additional_reserved_tokens(self) -> list[str]:
        """Strings that a SUBWORD vocabulary always encodes as one token each."""
        return []

    @property
    def oov_token(self) -> str | None:
        """The token of a TOKEN vocabulary that replaces unknown ones; None: they are errors."""
        return None

    @property
    def max_subtoken_length(self) -> int | None:
        """The longest token of a SUBWORD vocabulary in characters; None: SentencePiece's limit."""
        return None

    @property
    def max_samples_for_vocab(self) -> int | None:
        """How many training samples a SUBWORD vocabulary is learned from; None: all."""
        return None

    @property
    def vocab_filename(self) -> str:
        """T2T's name of the vocabulary file; a SentencePiece file ends in .model instead."""
        if self.use_vocab_from_other_problem:
            return str(self.use_vocab_from_other_problem.vocab_filename)
        if self.vocab_type == VocabType.SUBWORD:
            stem = f"vocab.{self.dataset_filename()}"
            return f"{stem}.{self.approx_vocab_size}.{VocabType.SUBWORD}"
        return f"vocab.{self.dataset_filename()}.{VocabType.TOKEN}"

    @property
    def use_vocab_from_other_problem(self) -> Any:
        """A problem instance whose vocabulary is used, and created if missing; None: its own."""
        return None

    @property
    def inputs_prefix(self) -> str:
        """Text put before all inputs, in training and decoding."""
        return ""

    @property
    def targets_prefix(self) -> str:
        """Text put before all targets."""
        return ""

    def generate_text_for_vocab(self, data_dir: str, tmp_dir: str) -> Iterator[str]:
        """Yields the texts that a SUBWORD vocabulary is learned from: the training samples."""
        count = 0
        for sample in self._checked_samples(data_dir, tmp_dir, DatasetSplit.TRAIN):
            if count == self.max_samples_for_vocab:
                return
            count += 1
            for name in self._vocab_features:
                yield sample[name]
        self._counted = {DatasetSplit.TRAIN: count}

    @property
    def _vocab_features(self) -> list[str]:
        """The texts of a sample that the vocabulary is learned from."""
        return ["inputs", "targets"] if self.has_inputs else ["targets"]

    def generate_encoded_samples(
        self, data_dir: str, tmp_dir: str, dataset_split: str
    ) -> Iterator[dict[str, Any]]:
        """Yields samples as lists of ids, each with EOS at its end.

        A subclass that overrides this is encoded by a single process.
        """
        samples = self._samples_to_encode(data_dir, tmp_dir, dataset_split)
        # A problem may write its TOKEN vocabulary while it generates, so the first sample is
        # generated before the vocabulary is loaded.
        samples = itertools.chain(list(itertools.islice(samples, 1)), samples)
        yield from self._encoding(data_dir, tmp_dir).encoded(samples)

    # Vocabularies.

    @property
    def sentencepiece_filename(self) -> str:
        """The name of the SentencePiece file that replaces `vocab_filename`."""
        return sentencepiece_filename(self.vocab_filename)

    @property
    def vocabulary_filenames(self) -> list[str]:
        if self.vocab_type == VocabType.CHARACTER:
            return []
        if self.vocab_type == VocabType.TOKEN:
            return [self.vocab_filename]
        return [self.vocab_filename, self.sentencepiece_filename]

    def get_or_create_vocab(
        self, data_dir: str, tmp_dir: str | None, force_get: bool = False
    ) -> Any:
        """Returns the encoder; creates its vocabulary file if it is missing.

        Args:
          data_dir: the folder of the vocabulary file.
          tmp_dir: passed to `generate_text_for_vocab`; None: never create a vocabulary.
          force_get: never create a vocabulary.

        Raises:
          VocabularyError: the vocabulary is missing and may not be created, or it is damaged.
        """
        if other := self.use_vocab_from_other_problem:
            return other.get_or_create_vocab(data_dir, tmp_dir, force_get)
        texts: Callable[[], Iterable[str]] | None = None
        if not force_get and tmp_dir is not None:
            texts = functools.partial(self.generate_text_for_vocab, data_dir, tmp_dir)
        return encoder_of(self, data_dir, self.vocab_filename, texts)

    def feature_encoders(self, data_dir: str | None) -> dict[str, Any]:
        encoder = self.get_or_create_vocab(data_dir or "", None, force_get=True)
        return {"inputs": encoder, "targets": encoder} if self.has_inputs else {"targets": encoder}

    # Generating data. Problem classes override the underscored methods, users needn't.

    @property
    def _sample_types(self) -> dict[str, type]:
        """The required keys of a sample with the types of their values."""
        return {"inputs": str, "targets": str} if self.has_inputs else {"targets": str}

    @property
    def _tasks(self) -> int:
        """The number of tasks that `generate_samples` is called for."""
        return self.num_generate_tasks

    def _checked_samples(
        self, data_dir: str, tmp_dir: str, dataset_split: str, task_id: int | None = None
    ) -> Iterator[dict[str, Any]]:
        """Yields the samples of one task, or of all, and raises at the first invalid one."""
        if task_id is None:
            return itertools.chain.from_iterable(
                self._checked_samples(data_dir, tmp_dir, dataset_split, task)
                for task in range(self._tasks)
            )
        part = {"task_id": task_id} if self._tasks > 1 else {}
        return checked(
            lambda: self.generate_samples(data_dir, tmp_dir, dataset_split, **part),
            source_of(f"{self.name}: generate_samples({dataset_split})", part.get("task_id")),
            self._sample_types,
        )

    def _samples_to_encode(
        self, data_dir: str, tmp_dir: str, dataset_split: str, task_id: int | None = None
    ) -> Iterator[dict[str, Any]]:
        """Yields samples: texts for the encoders of `_encoding`, ids for other features."""
        return self._checked_samples(data_dir, tmp_dir, dataset_split, task_id)

    def _encoding(self, data_dir: str, tmp_dir: str) -> Encoding:
        """Returns the encoders by feature; creates the vocabulary if it is missing."""
        encoder = self.get_or_create_vocab(data_dir, tmp_dir)
        return Encoding(dict.fromkeys(self._sample_types, encoder), self._prefixes)

    @property
    def _prefixes(self) -> dict[str, str]:
        return {"inputs": self.inputs_prefix, "targets": self.targets_prefix}

    @property
    def _overrides_encoding(self) -> bool:
        """Whether a subclass of the user's has a generate_encoded_samples of its own."""
        return type(self).generate_encoded_samples is not Text2TextProblem.generate_encoded_samples

    def generate_data(self, data_dir: str, tmp_dir: str, task_id: int = -1) -> None:
        self.dataset_to_write(data_dir, tmp_dir).write(self.num_workers)

    def dataset_to_write(self, data_dir: str, tmp_dir: str) -> generate.Dataset:
        """Returns the data set that `generate_data` writes, the same in every process."""
        paths = self.filepaths_by_split(data_dir)
        parts = {DatasetSplit.TRAIN: paths}
        if self.is_generate_per_split:
            parts = {split: {split: shards} for split, shards in paths.items()}
        streams = [self._stream(data_dir, tmp_dir, *part) for part in parts.items()]
        return self._dataset_of(streams, data_dir, self.vocabulary_filenames, tmp_dir)

    def _stream(
        self, data_dir: str, tmp_dir: str, split: str, paths: dict[str, list[str]]
    ) -> Stream:
        """Returns the samples of a split and the shards that they go to."""
        if not self._overrides_encoding:
            return Stream(
                f"{self.name}: generate_samples({split})",
                lambda task_id: self._samples_to_encode(data_dir, tmp_dir, split, task_id),
                paths,
                lambda: self._encoding(data_dir, tmp_dir).copying(self.sampled_segmentations),
                lambda: self._counted.get(split),
                self._tasks,
            )
        source = f"{self.name}: generate_encoded_samples({split})"
        Encoding({}).copying(self.sampled_segmentations)
        hook = functools.partial(self.generate_encoded_samples, data_dir, tmp_dir, split)
        return Stream(source, lambda _: checked(hook, source, {"targets": object}, True), paths)

    # The model.

    def hparams(self, defaults: ProblemHParams, model_hparams: HParams) -> None:
        names = ["inputs", "targets"] if self.has_inputs else ["targets"]
        defaults.stop_at_eos = True
        defaults.modality = dict.fromkeys(names, "symbol")
        defaults.vocab_size = {name: defaults.vocabulary[name].vocab_size for name in names}
        defaults.input_space_id = SpaceID.GENERIC
        defaults.target_space_id = SpaceID.GENERIC

    def eval_metrics(self) -> list[str]:
        texts = [Metrics.APPROX_BLEU, Metrics.ROUGE_2_F, Metrics.ROUGE_L_F]
        return [*super().eval_metrics(), *texts]


class Text2SelfProblem(Text2TextProblem):
    """Text alone: a language model. `generate_samples` yields {"targets": str}."""

    @property
    def has_inputs(self) -> bool:
        return False

    def eval_metrics(self) -> list[str]:
        return [*Problem.eval_metrics(self), Metrics.WORD_PERPLEXITY, Metrics.BYTE_PERPLEXITY]


class Text2ClassProblem(Text2TextProblem):
    """A text as input, one of `num_classes` labels as target.

    Implement `generate_samples`, which yields {"inputs": str, "label": int}, and `num_classes`.
    """

    @property
    def num_classes(self) -> int:
        """The number of labels."""
        raise NotImplementedError(f"{type(self).__name__} has no num_classes")

    def class_labels(self, data_dir: str | None) -> list[str]:
        """Returns the names of the labels, in the order of their numbers."""
        return [f"ID_{number}" for number in range(self.num_classes)]

    @property
    def _sample_types(self) -> dict[str, type]:
        return {"inputs": str, "label": int}

    _vocab_features = ["inputs"]

    def _samples_to_encode(
        self, data_dir: str, tmp_dir: str, dataset_split: str, task_id: int | None = None
    ) -> Iterator[dict[str, Any]]:
        for sample in self._checked_samples(data_dir, tmp_dir, dataset_split, task_id):
            label = sample["label"]
            if not 0 <= label < self.num_classes:
                raise DataError(
                    f"{self.name}: found label {label}; expected 0 to {self.num_classes - 1}: "
                    f"correct generate_samples or num_classes"
                )
            yield {"inputs": sample["inputs"], "targets": [label]}

    def _stream(
        self, data_dir: str, tmp_dir: str, split: str, paths: dict[str, list[str]]
    ) -> Stream:
        stream = super()._stream(data_dir, tmp_dir, split, paths)
        if type(self).example_reading_spec is not Text2ClassProblem.example_reading_spec:
            return stream
        return replace(stream, samples=lambda task: one_label(stream.samples(task), stream.name))

    def _encoding(self, data_dir: str, tmp_dir: str) -> Encoding:
        return Encoding({"inputs": self.get_or_create_vocab(data_dir, tmp_dir)}, self._prefixes)

    def feature_encoders(self, data_dir: str | None) -> dict[str, Any]:
        encoder = self.get_or_create_vocab(data_dir or "", None, force_get=True)
        return {"inputs": encoder, "targets": label_encoder_of(self, data_dir)}

    @property
    def record_features(self) -> dict[str, RecordFeature]:
        return {**super().record_features, "targets": RecordFeature("targets", width=1)}

    def example_reading_spec(self) -> tuple[dict[str, Any], Any]:
        import tensorflow as tf

        # A fixed length of one label, whatever length the inputs of a batch are padded to.
        spec, decoders = super().example_reading_spec()
        return {**spec, "targets": tf.io.FixedLenFeature([1], tf.int64)}, decoders

    def hparams(self, defaults: ProblemHParams, model_hparams: HParams) -> None:
        defaults.stop_at_eos = False
        defaults.modality = {"inputs": "symbol", "targets": "class_label"}
        defaults.vocab_size = {
            "inputs": defaults.vocabulary["inputs"].vocab_size,
            "targets": self.num_classes,
        }

    def eval_metrics(self) -> list[str]:
        return [Metrics.ACC]


def text2text_generate_encoded(
    sample_generator: Iterable[dict[str, Any]],
    vocab: Any,
    targets_vocab: Any = None,
    has_inputs: bool = True,
    inputs_prefix: str = "",
    targets_prefix: str = "",
) -> Iterator[dict[str, Any]]:
    """Yields samples with lists of ids in place of texts, each with EOS at its end.

    Args:
      sample_generator: yields samples with "targets" and, if `has_inputs`, "inputs".
      vocab: encoder of the inputs, and of the targets if there is no `targets_vocab`.
      targets_vocab: encoder of the targets.
      has_inputs: whether samples have inputs.
      inputs_prefix: text put before all inputs.
      targets_prefix: text put before all targets.
    """
    encoders = {"targets": targets_vocab or vocab}
    if has_inputs:
        encoders["inputs"] = vocab
    prefixes = {"inputs": inputs_prefix, "targets": targets_prefix}
    return Encoding(encoders, prefixes).encoded(sample_generator)
