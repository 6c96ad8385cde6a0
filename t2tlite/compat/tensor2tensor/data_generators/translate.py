"""As `tensor2tensor.data_generators.translate`, with the generators that it had before 1.5."""

from collections.abc import Iterator
from typing import Any

from t2tlite import translate as _translate
from t2tlite.compat.problems import with_t2ts_names
from t2tlite.compat.tensor2tensor.data_generators import (
    generator_utils,
    problem,
    text_encoder,
    text_problems,
)
from t2tlite.compat.tensor2tensor.utils import metrics, mlperf_log, registry
from t2tlite.plugins.absent import names_of
from t2tlite.text_problems import text2text_txt_iterator, text2text_txt_tab_iterator

__all__ = [
    "bi_vocabs_token_generator",
    "character_generator",
    "compile_data",
    "generator_utils",
    "metrics",
    "mlperf_log",
    "problem",
    "registry",
    "tabbed_generator",
    "text_encoder",
    "text_problems",
    "token_generator",
]

compile_data = _translate.compile_data


def bi_vocabs_token_generator(
    source_path: str,
    target_path: str,
    source_token_vocab: Any,
    target_token_vocab: Any,
    eos: int | None = None,
) -> Iterator[dict[str, list[int]]]:
    """Yields the ids of parallel files' lines, each ended by `eos` if it is given."""
    pairs = text2text_txt_iterator(source_path, target_path)
    return _encoded(pairs, source_token_vocab, target_token_vocab, eos)


def token_generator(
    source_path: str, target_path: str, token_vocab: Any, eos: int | None = None
) -> Iterator[dict[str, list[int]]]:
    """The same with one vocabulary for both."""
    return bi_vocabs_token_generator(source_path, target_path, token_vocab, token_vocab, eos)


character_generator = token_generator


def tabbed_generator(
    source_path: str, source_vocab: Any, target_vocab: Any, eos: int | None = None
) -> Iterator[dict[str, list[int]]]:
    """The same of a file's two columns."""
    return _encoded(text2text_txt_tab_iterator(source_path), source_vocab, target_vocab, eos)


def _encoded(
    samples: Iterator[dict[str, str]], source_vocab: Any, target_vocab: Any, eos: int | None
) -> Iterator[dict[str, list[int]]]:
    ending = [] if eos is None else [eos]
    for sample in samples:
        yield {
            "inputs": [*source_vocab.encode(sample["inputs"]), *ending],
            "targets": [*target_vocab.encode(sample["targets"]), *ending],
        }


def __getattr__(name: str) -> Any:
    if hasattr(_translate, name):
        found = getattr(_translate, name)
        return with_t2ts_names(found) if isinstance(found, type) else found
    return names_of(__name__)(name)
