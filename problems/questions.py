"""Questions about a text: the class of problems that have a context besides inputs and targets."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from t2tlite import problem, text_problems
from t2tlite.config import HParams, ProblemHParams


class QuestionAndContext2TextProblem(text_problems.Text2TextProblem):
    """A question and a context as input, text as target.

    Implement `generate_samples`, which yields {"inputs": str, "context": str, "targets": str}. The
    built-in models read only the inputs: a subclass joins question and context with `joined` in its
    `preprocess_example`.
    """

    QUESTION_SEPARATOR = "<EOQ>"
    # The first of the additional reserved tokens.
    QUESTION_SEPARATOR_ID = 2

    @property
    def additional_reserved_tokens(self) -> list[str]:
        return [self.QUESTION_SEPARATOR]

    @property
    def _sample_types(self) -> dict[str, type]:
        return {"inputs": str, "context": str, "targets": str}

    def generate_text_for_vocab(self, data_dir: str, tmp_dir: str) -> Iterator[str]:
        samples = self._checked_samples(data_dir, tmp_dir, problem.DatasetSplit.TRAIN)
        for sample in itertools.islice(samples, self.max_samples_for_vocab):
            yield from (sample[name] for name in ("inputs", "context", "targets"))

    def feature_encoders(self, data_dir: str | None) -> dict[str, Any]:
        encoders = super().feature_encoders(data_dir)
        return {**encoders, "context": encoders["inputs"]}

    def hparams(self, defaults: ProblemHParams, model_hparams: HParams) -> None:
        super().hparams(defaults, model_hparams)
        defaults.modality["context"] = "symbol"
        defaults.vocab_size["context"] = defaults.vocabulary["context"].vocab_size

    @property
    def record_features(self) -> dict[str, Any]:
        features = super().record_features
        return {**features, "context": replace(features["inputs"], source="context")}

    def example_reading_spec(self) -> tuple[dict[str, Any], Any]:
        features, decoders = super().example_reading_spec()
        return {**features, "context": features["inputs"]}, decoders

    def joined(self, example: dict[str, Any]) -> dict[str, Any]:
        """Returns an example whose inputs are the question, the separator and the context."""
        import tensorflow as tf

        question, context = example["inputs"], example["context"]
        separator = tf.constant([self.QUESTION_SEPARATOR_ID], question.dtype)
        others = {name: value for name, value in example.items() if name != "context"}
        return {**others, "inputs": tf.concat([question, separator, context], 0)}
