"""English to Romanian: WMT."""

from __future__ import annotations

from t2tlite import registry

from . import translate_corpora

_WMT16 = "http://data.statmt.org/wmt16/translation-task"

_ENRO_TRAIN_DATASETS = [
    [
        "http://www.statmt.org/europarl/v7/ro-en.tgz",
        ("europarl-v7.ro-en.en", "europarl-v7.ro-en.ro"),
    ],
    [
        "http://opus.nlpl.eu/download.php?f=SETIMES/v2/moses/en-ro.txt.zip",
        ("SETIMES.en-ro.en", "SETIMES.en-ro.ro"),
    ],
]
_ENRO_TEST_DATASETS = [
    [
        f"{_WMT16}/dev-romanian-updated.tgz",
        ("dev/newsdev2016-roen-ref.en.sgm", "dev/newsdev2016-roen-src.ro.sgm"),
    ],
]


@registry.register_problem
class TranslateEnroWmt8k(translate_corpora.ListedCorpora):
    """English -> Romanian, WMT, evaluated on newsdev2016."""

    train_datasets = _ENRO_TRAIN_DATASETS
    eval_datasets = _ENRO_TEST_DATASETS
    approx_vocab_size = 2**13


@registry.register_problem
class TranslateEnroWmt32k(TranslateEnroWmt8k):
    """English -> Romanian, WMT, with a vocabulary of 32,768 tokens."""

    approx_vocab_size = 2**15
