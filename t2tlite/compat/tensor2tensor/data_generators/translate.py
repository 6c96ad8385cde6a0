"""As `tensor2tensor.data_generators.translate`, with the generators of versions before 1.5."""

from collections.abc import Iterator
from typing import Any

from t2tlite import translate as _translate
from t2tlite.compat.problems import names_of
from t2tlite.compat.tensor2tensor.data_generators import (
    generator_utils,
    problem,
    text_encoder,
    text_problems,
)
from t2tlite.compat.tensor2tensor.utils import metrics, mlperf_log, registry
from t2tlite.text_problems import text2text_txt_iterator, text2text_txt_tab_iterator

__getattr__ = names_of(_translate, __name__)


def bi_vocabs_token_generator(
    source_path: str,
    target_path: str,
    source_token_vocab: Any,
    target_token_vocab: Any,
    eos: int | None = None,
) -> Iterator[dict[str, list[int]]]:
    """Yields the ids of the lines of parallel files, with `eos` at the end if given."""
    pairs = text2text_txt_iterator(source_path, target_path)
    return _encoded(pairs, source_token_vocab, target_token_vocab, eos)


def token_generator(
    source_path: str, target_path: str, token_vocab: Any, eos: int | None = None
) -> Iterator[dict[str, list[int]]]:
    """Like `bi_vocabs_token_generator`, with one vocabulary for both files."""
    return bi_vocabs_token_generator(source_path, target_path, token_vocab, token_vocab, eos)


character_generator = token_generator


def tabbed_generator(
    source_path: str, source_vocab: Any, target_vocab: Any, eos: int | None = None
) -> Iterator[dict[str, list[int]]]:
    """Like `bi_vocabs_token_generator`, for the two columns of one file."""
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
