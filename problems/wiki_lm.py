"""Language models of Wikipedia in English, German, French and Romanian: T2T's plain texts."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from t2tlite import download, problem, registry, text_problems

from . import splits

# Names and Google Drive's ids of the files of each language.
_EN = {
    "train": ("enwiki_train.txt.gz", "1-l02fI15ieMIZk8EnXhzhsvuEYRoznZ8"),
    "eval": ("enwiki_eval.txt.gz", "1odhDxWKtAPKXwxRw1KCrmlrVewxdXYq7"),
    "test": ("enwiki_test.txt.gz", "1i1Bg6XqvdRl1LuOiIWbg7ww8Y02Ip5VK"),
}
_DE = {
    "train": ("dewiki_train.txt.gz", "1FzEwoPonw9xlwX34vLPFInUF8F4X5yJy"),
    "eval": ("dewiki_eval.txt.gz", "1EKwRRPHyWny0RJ-aqSGMcNfjAlzFl51B"),
    "test": ("dewiki_test.txt.gz", "1Kr13Y7y_OD3JtUM9riXpFQP9UiHDkcFY"),
}
_FR = {
    "train": ("frwiki_train.txt.gz", "1etUIEZxMQKORwLGkssE5wlfCxxkeo8WV"),
    "eval": ("frwiki_eval.txt.gz", "13qrR5ZnHRgIMdcURVpixKL9gTO23GcPc"),
    "test": ("frwiki_test.txt.gz", "1mQpHRkAV9KXt68de69RwR8dkDi8EEusV"),
}
_RO = {
    "train": ("rowiki_train.txt.gz", "1wUJTEAlQeDcAwFnBxa8PzE-DCiXSU_W7"),
    "eval": ("rowiki_eval.txt.gz", "1uIPy2ZgkyArPy_gnsILENjgv4QQmSKtx"),
    "test": ("rowiki_test.txt.gz", "1kphjN4jXTbw8HyRYKaRE2zY4D7Fr-p7-"),
}
_URL = "https://drive.google.com/uc?export=download&id={}"


def concat_generator(
    filename: str | os.PathLike[str], up_threshold: int, low_threshold: int = 10
) -> Iterator[dict[str, str]]:
    """Yields samples of consecutive lines, joined while they are shorter than a limit together.

    Args:
      filename: a text file; it may be packed by gzip.
      up_threshold: the limit, in characters; longer lines are left out.
      low_threshold: texts of as many characters or fewer are left out.
    """
    text = ""
    for line in text_problems.txt_line_iterator(filename):
        if len(text) + len(line) + 1 >= up_threshold:
            if low_threshold < len(text) < up_threshold:
                yield {"targets": text}
            text = ""
        text = f"{text} {line}" if text else line
    if low_threshold < len(text) < up_threshold:
        yield {"targets": text}


def mix_generators(generator_list: Sequence[Iterator[Any]]) -> Iterator[Any]:
    """Yields from each generator in turn, until all have ended."""
    left = list(generator_list)
    end = object()
    while left:
        for generator in list(left):
            item = next(generator, end)
            if item is end:
                left.remove(generator)
            else:
                yield item


@registry.register_problem
class LanguagemodelEnWiki32k(text_problems.Text2SelfProblem):
    """About 512 tokens of the English Wikipedia.

    Downloads enwiki_train.txt.gz, enwiki_eval.txt.gz and enwiki_test.txt.gz, unless they are in
    tmp_dir, packed or not.
    """

    FILES: Sequence[dict[str, tuple[str, str]]] = (_EN,)

    dataset_splits = [
        {"split": problem.DatasetSplit.TRAIN, "shards": 100},
        *splits.TRAIN_EVAL_TEST[1:],
    ]
    approx_vocab_size = 32_000
    max_samples_for_vocab = 128_000
    # Characters of an example.
    combine_characters_threshold = 512 * 8

    def generate_samples(
        self, data_dir: str, tmp_dir: str, dataset_split: str
    ) -> Iterator[dict[str, Any]]:
        paths = [self._file(tmp_dir, *files[dataset_split]) for files in self.FILES]
        limit = self.combine_characters_threshold
        return mix_generators([concat_generator(path, limit) for path in paths])

    def _file(self, tmp_dir: str, name: str, drive_id: str) -> Path:
        unpacked = Path(tmp_dir).expanduser() / name.removesuffix(".gz")
        if unpacked.exists():
            return unpacked
        return Path(download.maybe_download_from_drive(tmp_dir, name, _URL.format(drive_id)))


@registry.register_problem
class LanguagemodelEnWiki64k(LanguagemodelEnWiki32k):
    """languagemodel_en_wiki32k with a vocabulary of 64,000 tokens."""

    approx_vocab_size = 64_000


@registry.register_problem
class LanguagemodelEnWiki64kShorter(LanguagemodelEnWiki64k):
    """languagemodel_en_wiki64k in shorter examples, with the same vocabulary."""

    combine_characters_threshold = 384 * 8

    @property
    def use_vocab_from_other_problem(self) -> LanguagemodelEnWiki64k:
        return LanguagemodelEnWiki64k()


@registry.register_problem
class LanguagemodelDeWiki32k(LanguagemodelEnWiki32k):
    """About 512 tokens of the German Wikipedia; files dewiki_train.txt.gz and so on."""

    FILES = (_DE,)


@registry.register_problem
class LanguagemodelDeWiki64k(LanguagemodelDeWiki32k):
    """languagemodel_de_wiki32k with a vocabulary of 64,000 tokens."""

    approx_vocab_size = 64_000


@registry.register_problem
class LanguagemodelFrWiki32k(LanguagemodelEnWiki32k):
    """About 512 tokens of the French Wikipedia; files frwiki_train.txt.gz and so on."""

    FILES = (_FR,)


@registry.register_problem
class LanguagemodelFrWiki64k(LanguagemodelFrWiki32k):
    """languagemodel_fr_wiki32k with a vocabulary of 64,000 tokens."""

    approx_vocab_size = 64_000


@registry.register_problem
class LanguagemodelRoWiki32k(LanguagemodelEnWiki32k):
    """About 512 tokens of the Romanian Wikipedia; files rowiki_train.txt.gz and so on."""

    FILES = (_RO,)


@registry.register_problem
class LanguagemodelRoWiki64k(LanguagemodelRoWiki32k):
    """languagemodel_ro_wiki32k with a vocabulary of 64,000 tokens."""

    approx_vocab_size = 64_000


@registry.register_problem
class LanguagemodelDeEnFrRoWiki64k(LanguagemodelEnWiki32k):
    """The Wikipedias in German, English, French and Romanian, mixed, with one vocabulary."""

    FILES = (_DE, _FR, _EN, _RO)

    approx_vocab_size = 64_000
    max_samples_for_vocab = 256_000
