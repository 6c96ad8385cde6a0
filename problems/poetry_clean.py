"""The next line of a poem: seven Gutenberg books, split by poem without leakage."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from t2tlite import problem, registry, text_problems

from . import open_ended, splits, verified_files

_SOURCE = "its author: it isn't published (poetry_line_problem downloads and splits the same books)"
_FILES = {
    problem.DatasetSplit.TRAIN: verified_files.KnownFile(
        "train.tsv", 2872097, "7c1fd8eff709c2d699e50b570f4c9535e906a3cf2045e09bb0c64dc57ffb1743"
    ),
    problem.DatasetSplit.EVAL: verified_files.KnownFile(
        "dev.tsv", 173685, "53d4126cca8141020e4a812ad37790b52fc6af306ec9063bd3a31841cc4ada98"
    ),
    problem.DatasetSplit.TEST: verified_files.KnownFile(
        "test.tsv", 124893, "22741334c0107ec28fffc9da6e19d8e30e535542e1fbdc0264f46766cb43a631"
    ),
}


@registry.register_problem
class PoetryClean(text_problems.Text2TextProblem):
    """A line of verse -> the next line, split 90/5/5 by poem; a vocabulary of 1,024 tokens.

    Put train.tsv, dev.tsv and test.tsv (line TAB next line) into --tmp_dir.
    """

    approx_vocab_size = 2**10
    dataset_splits = splits.TRAIN_EVAL_TEST
    decode_defaults = open_ended.SAMPLING
    page_form = "lines"
    page_title = "A poem, line by line"

    def generate_samples(
        self, data_dir: str, tmp_dir: str, dataset_split: str
    ) -> Iterator[dict[str, Any]]:
        path = _FILES[dataset_split].find(self.name, tmp_dir, _SOURCE)
        return text_problems.text2text_txt_tab_iterator(path)


@registry.register_problem
class PoetryClean2k(PoetryClean):
    """poetry_clean with a vocabulary of 2,048 tokens."""

    approx_vocab_size = 2**11


@registry.register_problem
class PoetryClean4k(PoetryClean):
    """poetry_clean with a vocabulary of 4,096 tokens."""

    approx_vocab_size = 2**12


@registry.register_problem
class PoetryClean8k(PoetryClean):
    """poetry_clean with a vocabulary of 8,192 tokens."""

    approx_vocab_size = 2**13
