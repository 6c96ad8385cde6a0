"""`Text2RealProblem`: a text as input, one number or several as targets."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from t2tlite.batches.examples import RecordFeature
from t2tlite.config import HParams, ProblemHParams
from t2tlite.data.encoding import Encoding
from t2tlite.errors import DataError
from t2tlite.metrics import Metrics
from t2tlite.problem import SpaceID
from t2tlite.text import RealEncoder
from t2tlite.text_problems import Text2TextProblem


class Text2RealProblem(Text2TextProblem):
    """A text as input, `ntasks` numbers as targets; train it with --model=transformer_encoder.

    Implement `generate_samples`, which yields {"inputs": str, "targets": [float, ...]}. The loss is
    the squared error.
    """

    @property
    def ntasks(self) -> int:
        """How many numbers a text has."""
        return 1

    @property
    def _sample_types(self) -> dict[str, type]:
        return {"inputs": str, "targets": object}

    _vocab_features = ["inputs"]

    def _samples_to_encode(
        self, data_dir: str, tmp_dir: str, dataset_split: str, task_id: int | None = None
    ) -> Iterator[dict[str, Any]]:
        samples = self._checked_samples(data_dir, tmp_dir, dataset_split, task_id)
        for number, sample in enumerate(samples):
            yield {**sample, "targets": self._numbers(sample["targets"], number)}

    def _numbers(self, targets: Any, sample: int) -> list[float]:
        """Returns the targets of a sample as `ntasks` floats; a single number may be bare."""
        values = targets if isinstance(targets, (list, tuple)) else [targets]
        try:
            numbers = [float(value) for value in values]
        except (TypeError, ValueError):
            numbers = []
        if len(numbers) != self.ntasks or not all(map(math.isfinite, numbers)):
            raise DataError(
                f"{self.name}: sample {sample} has the targets {targets!r}; expected "
                f"ntasks={self.ntasks} finite numbers: correct generate_samples or ntasks"
            )
        return numbers

    def _encoding(self, data_dir: str, tmp_dir: str) -> Encoding:
        return Encoding({"inputs": self.get_or_create_vocab(data_dir, tmp_dir)}, self._prefixes)

    def feature_encoders(self, data_dir: str | None) -> dict[str, Any]:
        encoder = self.get_or_create_vocab(data_dir or "", None, force_get=True)
        return {"inputs": encoder, "targets": RealEncoder()}

    @property
    def record_features(self) -> dict[str, RecordFeature]:
        numbers = RecordFeature("targets", width=self.ntasks, is_real=True)
        return {**super().record_features, "targets": numbers}

    def example_reading_spec(self) -> tuple[dict[str, Any], Any]:
        import tensorflow as tf

        spec, decoders = super().example_reading_spec()
        return {**spec, "targets": tf.io.FixedLenFeature([self.ntasks], tf.float32)}, decoders

    def max_length(self, model_hparams: HParams) -> int:
        # As in T2T, no text is too long for a number.
        return model_hparams.batch_size

    def hparams(self, defaults: ProblemHParams, model_hparams: HParams) -> None:
        defaults.stop_at_eos = False
        defaults.modality = {"inputs": "symbol", "targets": "real_l2"}
        defaults.vocab_size = {
            "inputs": defaults.vocabulary["inputs"].vocab_size,
            "targets": self.ntasks,
        }
        defaults.target_space_id = SpaceID.REAL

    def eval_metrics(self) -> list[str]:
        return [Metrics.RMSE, *([Metrics.PEARSON] if self.ntasks == 1 else [])]
