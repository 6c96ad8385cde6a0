"""English to French: WMT, and a million pairs of it."""

from __future__ import annotations

from t2tlite import registry

from . import translate_corpora

_WMT10 = "http://www.statmt.org/wmt10"
_WMT13 = "http://www.statmt.org/wmt13"
_WMT14 = "http://www.statmt.org/wmt14"
_WMT17 = "http://data.statmt.org/wmt17/translation-task"
_BASELINE = "https://s3.amazonaws.com/opennmt-trainingdata/baseline-1M-enfr.tgz"

_ENFR_TRAIN_SMALL_DATA = [
    [
        _BASELINE,
        ("baseline-1M-enfr/baseline-1M_train.en", "baseline-1M-enfr/baseline-1M_train.fr"),
    ],
]
_ENFR_TEST_SMALL_DATA = [
    [
        _BASELINE,
        ("baseline-1M-enfr/baseline-1M_valid.en", "baseline-1M-enfr/baseline-1M_valid.fr"),
    ],
]
_ENFR_TRAIN_LARGE_DATA = [
    [
        f"{_WMT13}/training-parallel-commoncrawl.tgz",
        ("commoncrawl.fr-en.en", "commoncrawl.fr-en.fr"),
    ],
    [
        f"{_WMT13}/training-parallel-europarl-v7.tgz",
        ("training/europarl-v7.fr-en.en", "training/europarl-v7.fr-en.fr"),
    ],
    [
        f"{_WMT14}/training-parallel-nc-v9.tgz",
        ("training/news-commentary-v9.fr-en.en", "training/news-commentary-v9.fr-en.fr"),
    ],
    [
        f"{_WMT10}/training-giga-fren.tar",
        ("giga-fren.release2.fixed.en.gz", "giga-fren.release2.fixed.fr.gz"),
    ],
    [
        f"{_WMT13}/training-parallel-un.tgz",
        ("un/undoc.2000.fr-en.en", "un/undoc.2000.fr-en.fr"),
    ],
]
_ENFR_TEST_LARGE_DATA = [
    [f"{_WMT17}/dev.tgz", ("dev/newstest2013.en", "dev/newstest2013.fr")],
]


@registry.register_problem
class TranslateEnfrWmtSmall8k(translate_corpora.ListedCorpora):
    """English -> French, a million pairs of WMT."""

    train_datasets = _ENFR_TRAIN_SMALL_DATA
    eval_datasets = _ENFR_TEST_SMALL_DATA
    approx_vocab_size = 2**13


@registry.register_problem
class TranslateEnfrWmtSmall32k(TranslateEnfrWmtSmall8k):
    """English -> French, a million pairs of WMT, with a vocabulary of 32,768 tokens."""

    approx_vocab_size = 2**15


@registry.register_problem
class TranslateEnfrWmt8k(TranslateEnfrWmtSmall8k):
    """English -> French, WMT, evaluated on newstest2013."""

    train_datasets = _ENFR_TRAIN_LARGE_DATA
    eval_datasets = _ENFR_TEST_LARGE_DATA


@registry.register_problem
class TranslateEnfrWmt32k(TranslateEnfrWmtSmall32k):
    """English -> French, WMT, with a vocabulary of 32,768 tokens."""

    train_datasets = _ENFR_TRAIN_LARGE_DATA
    eval_datasets = _ENFR_TEST_LARGE_DATA
