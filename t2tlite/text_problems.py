"""The recipes that users subclass: text to text, text to class, text alone.

@registry.register_problem
class PoetryLines(text_problems.Text2TextProblem):
    approx_vocab_size = 2**13
    is_generate_per_split = False

    def generate_samples(self, data_dir, tmp_dir, dataset_split):
        for line, next_line in ...:
            yield {"inputs": line, "targets": next_line}
"""

from __future__ import annotations

import itertools
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from t2tlite.config import HParams, ProblemHParams
from t2tlite.data import generate
from t2tlite.data.encoding import Encoding
from t2tlite.data.samples import checked, source_of
from t2tlite.data.streams import Stream
from t2tlite.data.workers import Workers
from t2tlite.errors import DataError, VocabularyError
from t2tlite.metrics import Metrics
from t2tlite.problem import DatasetSplit, Problem, SpaceID
from t2tlite.sources.text_files import text2class_txt_iterator as text2class_txt_iterator
from t2tlite.sources.text_files import text2self_txt_iterator as text2self_txt_iterator
from t2tlite.sources.text_files import text2text_distill_iterator as text2text_distill_iterator
from t2tlite.sources.text_files import text2text_txt_iterator as text2text_txt_iterator
from t2tlite.sources.text_files import text2text_txt_tab_iterator as text2text_txt_tab_iterator
from t2tlite.sources.text_files import txt_line_iterator as txt_line_iterator
from t2tlite.text import (
    ByteTextEncoder,
    ClassLabelEncoder,
    TokenTextEncoder,
    load_vocabulary,
    train_sentencepiece,
)

log = logging.getLogger(__name__)


class VocabType:
    """How text becomes ids."""

    CHARACTER = "character"  # bytes, and two reserved ids
    SUBWORD = "subwords"  # SentencePiece; or an existing T2T .subwords file in data_dir
    TOKEN = "tokens"  # words between spaces, from a file that the problem brings


class Text2TextProblem(Problem):
    """A sequence of tokens in, another out. Implement `generate_samples`."""

    # Hooks that a subclass implements or overrides.

    # Samples by split, where making the vocabulary has counted them.
    _counted: Mapping[str, int] = MappingProxyType({})

    def generate_samples(
        self, data_dir: str, tmp_dir: str, dataset_split: str
    ) -> Iterator[dict[str, Any]]:
        """Yields samples: dicts of str with the keys "inputs" and "targets".

        Args:
          data_dir: the data folder, for vocabulary files that the problem brings.
          tmp_dir: downloads and the user's own files.
          dataset_split: "train", "eval" or "test"; "train" for all if not per split.

        With num_generate_tasks it has a fourth argument, the task_id of the part to yield.
        """
        raise NotImplementedError(f"{type(self).__name__} has no generate_samples; write one")

    @property
    def is_generate_per_split(self) -> bool:
        """Whether generate_samples is called for each split, or once and shards are dealt out."""
        return True

    @property
    def vocab_type(self) -> str:
        """One of `VocabType`."""
        return VocabType.SUBWORD

    @property
    def approx_vocab_size(self) -> int:
        """Size of a SUBWORD vocabulary, in tokens."""
        return 2**15

    @property
    def additional_reserved_tokens(self) -> list[str]:
        """Texts that are one token each, whatever stands around them."""
        return []

    @property
    def oov_token(self) -> str | None:
        """The token of a TOKEN vocabulary that stands for unknown ones; None: they're errors."""
        return None

    @property
    def max_subtoken_length(self) -> int | None:
        """Longest token of a SUBWORD vocabulary, in characters; None: SentencePiece's limit."""
        return None

    @property
    def max_samples_for_vocab(self) -> int | None:
        """Samples that a SUBWORD vocabulary is made from; None: all."""
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
        """A problem whose vocabulary this one uses, and makes if it isn't there; None: its own."""
        return None

    @property
    def inputs_prefix(self) -> str:
        """Text put before all inputs, when training and when decoding."""
        return ""

    @property
    def targets_prefix(self) -> str:
        """Text put before all targets."""
        return ""

    def generate_text_for_vocab(self, data_dir: str, tmp_dir: str) -> Iterator[str]:
        """Yields the texts that a SUBWORD vocabulary is made from: all of the training samples."""
        count = 0
        for sample in self._checked_samples(data_dir, tmp_dir, DatasetSplit.TRAIN):
            if count == self.max_samples_for_vocab:
                return
            count += 1
            if self.has_inputs:
                yield sample["inputs"]
            yield sample["targets"]
        self._counted = {DatasetSplit.TRAIN: count}

    # What the recipe makes of them.

    @property
    def _sample_types(self) -> dict[str, type]:
        return {"inputs": str, "targets": str} if self.has_inputs else {"targets": str}

    @property
    def _tasks(self) -> int:
        """The tasks that generate_samples is called for."""
        return self.num_generate_tasks

    def _checked_samples(
        self, data_dir: str, tmp_dir: str, dataset_split: str, task_id: int | None = None
    ) -> Iterator[dict[str, Any]]:
        """The samples of one task, or of all."""
        if task_id is None:
            return itertools.chain.from_iterable(
                self._checked_samples(data_dir, tmp_dir, dataset_split, one)
                for one in range(self._tasks)
            )
        part = {"task_id": task_id} if self._tasks > 1 else {}
        return checked(
            lambda: self.generate_samples(data_dir, tmp_dir, dataset_split, **part),
            source_of(f"{self.name}: generate_samples({dataset_split})", part.get("task_id")),
            self._sample_types,
        )

    @property
    def sentencepiece_filename(self) -> str:
        """Name of the SentencePiece file."""
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
        """Returns the encoder, and makes its vocabulary first if need be.

        Args:
          data_dir: where the vocabulary lies.
          tmp_dir: for generate_text_for_vocab.
          force_get: never make one.

        Raises:
          VocabularyError: there is none and none may be made, or it is broken.
        """
        other = self.use_vocab_from_other_problem
        if other:
            return other.get_or_create_vocab(data_dir, tmp_dir, force_get)
        if force_get or tmp_dir is None:
            return self._vocabulary(data_dir, self.vocab_filename, None)
        return self._vocabulary(
            data_dir, self.vocab_filename, lambda: self.generate_text_for_vocab(data_dir, tmp_dir)
        )

    def _vocabulary(
        self, data_dir: str, filename: str, texts: Callable[[], Iterable[str]] | None
    ) -> Any:
        """The encoder of the vocabulary that T2T calls `filename`; None: it can't be made."""
        if self.vocab_type == VocabType.CHARACTER:
            return ByteTextEncoder()
        if self.vocab_type == VocabType.TOKEN:
            path = os.path.join(data_dir, filename)
            if not os.path.exists(path):
                raise VocabularyError(
                    f"{self.name}: its TOKEN vocabulary {path} doesn't exist; write one token a "
                    f"line into it, in generate_samples or by hand"
                )
            return TokenTextEncoder(path, replace_oov=self.oov_token)
        if self.vocab_type != VocabType.SUBWORD:
            raise VocabularyError(
                f"{self.name}: vocab_type is {self.vocab_type!r}; expected VocabType.SUBWORD, "
                f"CHARACTER or TOKEN"
            )
        # A .subwords file is T2T's own work and wins: its data and models need exactly its ids.
        learned = sentencepiece_filename(filename)
        for name in (filename, learned):
            if os.path.exists(path := os.path.join(data_dir, name)):
                return load_vocabulary(path)
        if texts is None:
            raise VocabularyError(
                f"no vocabulary: neither {filename} nor {learned} is in {data_dir}; make it with "
                f"t2t-datagen, or check --data_dir"
            )
        log.info("%s: making a vocabulary of about %d tokens", self.name, self.approx_vocab_size)
        train_sentencepiece(
            texts(),
            self.approx_vocab_size,
            os.path.join(data_dir, learned),
            reserved_tokens=self.additional_reserved_tokens,
            max_subtoken_length=self.max_subtoken_length,
        )
        return load_vocabulary(os.path.join(data_dir, learned))

    def feature_encoders(self, data_dir: str | None) -> dict[str, Any]:
        encoder = self.get_or_create_vocab(data_dir or "", None, force_get=True)
        return {"inputs": encoder, "targets": encoder} if self.has_inputs else {"targets": encoder}

    def generate_encoded_samples(
        self, data_dir: str, tmp_dir: str, dataset_split: str
    ) -> Iterator[dict[str, Any]]:
        """Yields samples as lists of ids, each ended by EOS.

        A problem with a method of this name of its own is encoded by one process.
        """
        samples = self._texts(data_dir, tmp_dir, dataset_split)
        # A problem may write its TOKEN vocabulary while it generates, so the first sample is
        # pulled before the vocabulary is looked for.
        samples = itertools.chain(list(itertools.islice(samples, 1)), samples)
        yield from self._encoding(data_dir, tmp_dir).encoded(samples)

    def _texts(
        self, data_dir: str, tmp_dir: str, dataset_split: str, task_id: int | None = None
    ) -> Iterator[dict[str, Any]]:
        """The samples with texts where `_encoding` has encoders, and finished values elsewhere."""
        return self._checked_samples(data_dir, tmp_dir, dataset_split, task_id)

    def _encoding(self, data_dir: str, tmp_dir: str) -> Encoding:
        """How `_texts` become ids; makes the vocabulary if need be."""
        encoder = self.get_or_create_vocab(data_dir, tmp_dir)
        return Encoding(dict.fromkeys(self._sample_types, encoder), self._prefixes)

    @property
    def _prefixes(self) -> dict[str, str]:
        return {"inputs": self.inputs_prefix, "targets": self.targets_prefix}

    @property
    def _encodes_itself(self) -> bool:
        """Whether generate_encoded_samples is a plugin's own."""
        own = type(self).generate_encoded_samples
        return own is not Text2TextProblem.generate_encoded_samples

    def generate_data(self, data_dir: str, tmp_dir: str, task_id: int = -1) -> None:
        self.dataset_to_write(data_dir, tmp_dir).write(Workers(self.num_workers))

    def dataset_to_write(self, data_dir: str, tmp_dir: str) -> generate.Dataset:
        """Returns what `generate_data` writes; on each machine that makes a part of it the same."""

        def stream(split: str, paths: dict[str, list[str]]) -> Stream:
            if not self._encodes_itself:
                return Stream(
                    f"{self.name}: generate_samples({split})",
                    lambda task_id: self._texts(data_dir, tmp_dir, split, task_id),
                    paths,
                    lambda: self._encoding(data_dir, tmp_dir),
                    lambda: self._counted.get(split),
                    self._tasks,
                )
            hook = self.generate_encoded_samples
            source = f"{self.name}: generate_encoded_samples({split})"
            encoded: dict[str, type] = {"targets": object}
            return Stream(
                source,
                lambda task_id: checked(lambda: hook(data_dir, tmp_dir, split), source, encoded),
                paths,
            )

        paths = self.data_filepaths(data_dir)
        if self.is_generate_per_split:
            streams = [stream(split, {split: shards}) for split, shards in paths.items()]
        else:
            streams = [stream(DatasetSplit.TRAIN, paths)]
        return self._dataset_of(streams, data_dir, self.vocabulary_filenames, tmp_dir)

    def hparams(self, defaults: ProblemHParams, model_hparams: HParams) -> None:
        names = ["inputs", "targets"] if self.has_inputs else ["targets"]
        defaults.stop_at_eos = True
        defaults.modality = dict.fromkeys(names, "symbol")
        defaults.vocab_size = {name: defaults.vocabulary[name].vocab_size for name in names}
        defaults.input_space_id = SpaceID.GENERIC
        defaults.target_space_id = SpaceID.GENERIC

    def eval_metrics(self) -> list[str]:
        shared = [Metrics.ACC, Metrics.ACC_TOP5, Metrics.ACC_PER_SEQ, Metrics.NEG_LOG_PERPLEXITY]
        return [*shared, Metrics.APPROX_BLEU, Metrics.ROUGE_2_F, Metrics.ROUGE_L_F]


class Text2SelfProblem(Text2TextProblem):
    """Text alone: a language model. `generate_samples` yields {"targets": str}."""

    @property
    def has_inputs(self) -> bool:
        return False

    def eval_metrics(self) -> list[str]:
        shared = [Metrics.ACC, Metrics.ACC_TOP5, Metrics.ACC_PER_SEQ, Metrics.NEG_LOG_PERPLEXITY]
        return [*shared, Metrics.WORD_PERPLEXITY, Metrics.BYTE_PERPLEXITY]


class Text2ClassProblem(Text2TextProblem):
    """Text in, one of `num_classes` labels out: samples are {"inputs": str, "label": int}."""

    @property
    def num_classes(self) -> int:
        """How many labels there are."""
        raise NotImplementedError(f"{type(self).__name__} has no num_classes")

    def class_labels(self, data_dir: str | None) -> list[str]:
        """Names of the labels, in the order of their numbers."""
        return [f"ID_{number}" for number in range(self.num_classes)]

    @property
    def _sample_types(self) -> dict[str, type]:
        return {"inputs": str, "label": int}

    def generate_text_for_vocab(self, data_dir: str, tmp_dir: str) -> Iterator[str]:
        samples = self._checked_samples(data_dir, tmp_dir, DatasetSplit.TRAIN)
        for sample in itertools.islice(samples, self.max_samples_for_vocab):
            yield sample["inputs"]

    def _texts(
        self, data_dir: str, tmp_dir: str, dataset_split: str, task_id: int | None = None
    ) -> Iterator[dict[str, Any]]:
        for sample in self._checked_samples(data_dir, tmp_dir, dataset_split, task_id):
            label = sample["label"]
            if not 0 <= label < self.num_classes:
                raise DataError(
                    f"{self.name}: found label {label}; expected 0 to {self.num_classes - 1}: mend "
                    f"generate_samples or num_classes"
                )
            yield {"inputs": sample["inputs"], "targets": [label]}

    def _encoding(self, data_dir: str, tmp_dir: str) -> Encoding:
        return Encoding({"inputs": self.get_or_create_vocab(data_dir, tmp_dir)}, self._prefixes)

    def feature_encoders(self, data_dir: str | None) -> dict[str, Any]:
        labels: Any = self.class_labels
        # Plugins write it as a property, too.
        names = labels(data_dir) if callable(labels) else labels
        if len(names) != self.num_classes:
            raise DataError(
                f"{self.name}: found {len(names)} class_labels; expected num_classes="
                f"{self.num_classes}: mend either"
            )
        encoder = self.get_or_create_vocab(data_dir or "", None, force_get=True)
        return {"inputs": encoder, "targets": ClassLabelEncoder(class_labels=names)}

    def example_reading_spec(self) -> tuple[dict[str, Any], Any]:
        import tensorflow as tf

        # One label, however wide a batch's inputs are padded.
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


def sentencepiece_filename(filename: str) -> str:
    """Returns the name of the SentencePiece file in place of T2T's vocabulary `filename`."""
    return filename.removesuffix(f".{VocabType.SUBWORD}") + ".model"


def text2text_generate_encoded(
    sample_generator: Iterable[dict[str, Any]],
    vocab: Any,
    targets_vocab: Any = None,
    has_inputs: bool = True,
    inputs_prefix: str = "",
    targets_prefix: str = "",
) -> Iterator[dict[str, Any]]:
    """Encodes the texts of samples and ends each with EOS, as T2T's function of this name.

    Args:
      sample_generator: samples with "targets" and, if `has_inputs`, "inputs".
      vocab: encoder of the inputs, and of the targets if there is no `targets_vocab`.
      targets_vocab: encoder of the targets.
      has_inputs: whether samples have inputs.
      inputs_prefix: text put before all inputs.
      targets_prefix: text put before all targets.

    Returns:
      The samples with lists of ids in place of texts, as they are asked for.
    """
    encoders = {"targets": targets_vocab or vocab}
    if has_inputs:
        encoders["inputs"] = vocab
    prefixes = {"inputs": inputs_prefix, "targets": targets_prefix}
    return Encoding(encoders, prefixes).encoded(sample_generator)
