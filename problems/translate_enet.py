"""English to Estonian: WMT."""

from __future__ import annotations

from t2tlite import registry

from . import translate_corpora

_WMT18 = "http://data.statmt.org/wmt18/translation-task"
_PARACRAWL = "https://s3.amazonaws.com/web-language-models/paracrawl"

_ENET_TRAIN_DATASETS = [
    [
        f"{_WMT18}/training-parallel-ep-v8.tgz",
        ("training/europarl-v8.et-en.en", "training/europarl-v8.et-en.et"),
    ],
    [
        f"{_PARACRAWL}/release1/paracrawl-release1.en-et.zipporah0-dedup-clean.tgz",
        (
            "paracrawl-release1.en-et.zipporah0-dedup-clean.en",
            "paracrawl-release1.en-et.zipporah0-dedup-clean.et",
        ),
    ],
    [f"{_WMT18}/rapid2016.tgz", ("rapid2016.en-et.en", "rapid2016.en-et.et")],
]
_ENET_TEST_DATASETS = [
    [
        "https://github.com/stefan-it/nmt-en-et/raw/master/data/newsdev2018-enet.tar.gz",
        ("newsdev2018-enet-src.en", "newsdev2018-enet-ref.et"),
    ],
]


@registry.register_problem
class TranslateEnetWmt32k(translate_corpora.ListedCorpora):
    """English -> Estonian, WMT, evaluated on newsdev2018."""

    train_datasets = _ENET_TRAIN_DATASETS
    eval_datasets = _ENET_TEST_DATASETS
