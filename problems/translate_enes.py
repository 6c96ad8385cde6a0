"""English to Spanish: WMT."""

from __future__ import annotations

from typing import Any

from t2tlite import registry

from . import translate_corpora

_WMT13 = "http://www.statmt.org/wmt13"
_WMT17 = "http://data.statmt.org/wmt17/translation-task"
_PARACRAWL = "https://s3.amazonaws.com/web-language-models/paracrawl"

_ENES_TRAIN_DATASETS = [
    [
        f"{_WMT13}/training-parallel-commoncrawl.tgz",
        ("commoncrawl.es-en.en", "commoncrawl.es-en.es"),
    ],
    [
        f"{_WMT13}/training-parallel-europarl-v7.tgz",
        ("training/europarl-v7.es-en.en", "training/europarl-v7.es-en.es"),
    ],
    [
        f"{_WMT13}/training-parallel-un.tgz",
        ("un/undoc.2000.es-en.en", "un/undoc.2000.es-en.es"),
    ],
    [
        f"{_PARACRAWL}/release1/paracrawl-release1.en-es.zipporah0-dedup-clean.tgz",
        (
            "paracrawl-release1.en-es.zipporah0-dedup-clean.en",
            "paracrawl-release1.en-es.zipporah0-dedup-clean.es",
        ),
    ],
]
_ENES_TEST_DATASETS = [
    [f"{_WMT17}/dev.tgz", ("dev/newstest2013.en", "dev/newstest2013.es")],
]


@registry.register_problem
class TranslateEnesWmt32k(translate_corpora.ListedCorpora):
    """English -> Spanish, WMT, evaluated on newstest2013."""

    train_datasets = _ENES_TRAIN_DATASETS
    eval_datasets = _ENES_TEST_DATASETS

    def vocab_data_files(self) -> list[Any]:
        return self.train_datasets


@registry.register_problem
class TranslateEnesWmtClean32k(TranslateEnesWmt32k):
    """English -> Spanish, WMT, without pairs whose English isn't prose."""

    @property
    def use_vocab_from_other_problem(self) -> Any:
        return TranslateEnesWmt32k()

    datatypes_to_clean = ["txt"]
