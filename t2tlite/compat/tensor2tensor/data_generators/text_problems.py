"""As `tensor2tensor.data_generators.text_problems`."""

from collections.abc import Iterator
from typing import Any

from t2tlite import text_problems as _text_problems
from t2tlite.batches.examples import Feature
from t2tlite.compat.problems import (
    Text2ClassProblem,
    Text2SelfProblem,
    Text2TextProblem,
    names_of,
    with_t2t_names,
)
from t2tlite.compat.tensor2tensor.data_generators import generator_utils, problem, text_encoder
from t2tlite.compat.tensor2tensor.utils import metrics, mlperf_log, registry
from t2tlite.registry import problems as _registered
from t2tlite.text_problems import VocabType

# Problem classes of T2T's module that are registered here.
_PROBLEMS = ("Text2textTmpdir", "Text2textTmpdirTokens")


class QuestionAndContext2TextProblem(Text2TextProblem):
    """A question and a context as input, text as target; models here read only the question."""

    @property
    def _sample_types(self) -> dict[str, type]:
        return {**super()._sample_types, "context": str}

    def generate_text_for_vocab(self, data_dir: str, tmp_dir: str) -> Iterator[str]:
        for sample in self._checked_samples(data_dir, tmp_dir, problem.DatasetSplit.TRAIN):
            yield from (sample[name] for name in ("inputs", "context", "targets"))

    def feature_encoders(self, data_dir: str | None) -> dict[str, Any]:
        encoders = super().feature_encoders(data_dir)
        return {**encoders, "context": encoders["inputs"]}

    @property
    def record_features(self) -> dict[str, Feature]:
        return {**super().record_features, "context": Feature("context")}

    def example_reading_spec(self) -> tuple[dict[str, Any], Any]:
        features, decoders = super().example_reading_spec()
        return {**features, "context": features["inputs"]}, decoders


class TextConcat2ClassProblem(Text2ClassProblem):
    """Several texts as input, one label as target: "inputs" is a list of texts."""

    CONCAT_TOKEN = "$"

    @property
    def _sample_types(self) -> dict[str, type]:
        return {"inputs": list, "label": int}

    def generate_text_for_vocab(self, data_dir: str, tmp_dir: str) -> Iterator[str]:
        for texts in super().generate_text_for_vocab(data_dir, tmp_dir):
            yield from texts

    def generate_encoded_samples(
        self, data_dir: str, tmp_dir: str, dataset_split: str
    ) -> Iterator[dict[str, Any]]:
        samples = self._checked_samples(data_dir, tmp_dir, dataset_split)
        encoder = self.get_or_create_vocab(data_dir, tmp_dir)
        separator = encoder.encode(self.CONCAT_TOKEN)[0]
        for sample in samples:
            ids: list[int] = []
            for text in sample["inputs"]:
                ids += [*([separator] if ids else []), *encoder.encode(text), text_encoder.EOS_ID]
            yield {"inputs": ids, "targets": [sample["label"]]}


def text2text_generate_encoded(
    sample_generator: Any,
    vocab: Any,
    targets_vocab: Any = None,
    has_inputs: bool = True,
    inputs_prefix: str = "",
    targets_prefix: str = "",
    **unused: Any,
) -> Iterator[dict[str, Any]]:
    """As t2tlite's, without T2T's arguments for packed examples."""
    return _text_problems.text2text_generate_encoded(
        sample_generator, vocab, targets_vocab, has_inputs, inputs_prefix, targets_prefix
    )


def __getattr__(name: str) -> Any:
    if name in _PROBLEMS and registry.snake_case(name) in _registered:
        return with_t2t_names(_registered.get(registry.snake_case(name)))
    return names_of(_text_problems, __name__)(name)
