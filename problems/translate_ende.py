"""English to German: WMT."""

from __future__ import annotations

from typing import Any

from t2tlite import registry

from . import translate_corpora

_WMT13 = "http://www.statmt.org/wmt13"
_WMT17 = "http://data.statmt.org/wmt17/translation-task"
_WMT18 = "http://data.statmt.org/wmt18/translation-task"
_PARACRAWL = "https://s3.amazonaws.com/web-language-models/paracrawl"

_ENDE_TRAIN_DATASETS = [
    [
        f"{_WMT18}/training-parallel-nc-v13.tgz",
        (
            "training-parallel-nc-v13/news-commentary-v13.de-en.en",
            "training-parallel-nc-v13/news-commentary-v13.de-en.de",
        ),
    ],
    [
        f"{_WMT13}/training-parallel-commoncrawl.tgz",
        ("commoncrawl.de-en.en", "commoncrawl.de-en.de"),
    ],
    [
        f"{_WMT13}/training-parallel-europarl-v7.tgz",
        ("training/europarl-v7.de-en.en", "training/europarl-v7.de-en.de"),
    ],
]
_ENDE_EVAL_DATASETS = [
    [f"{_WMT17}/dev.tgz", ("dev/newstest2013.en", "dev/newstest2013.de")],
]


@registry.register_problem
class TranslateEndeWmt8k(translate_corpora.ListedCorpora):
    """English -> German, WMT, evaluated on newstest2013."""

    train_datasets = _ENDE_TRAIN_DATASETS
    eval_datasets = _ENDE_EVAL_DATASETS
    approx_vocab_size = 2**13


@registry.register_problem
class TranslateEndeWmt32k(TranslateEndeWmt8k):
    """English -> German, WMT, with a vocabulary of 32,768 tokens."""

    approx_vocab_size = 2**15


@registry.register_problem
class TranslateEndeWmtParacrawlBicleaner32k(TranslateEndeWmt32k):
    """English -> German, WMT and ParaCrawl 3."""

    @property
    def use_vocab_from_other_problem(self) -> Any:
        return TranslateEndeWmt32k()

    @property
    def additional_training_datasets(self) -> list[Any]:
        name = "en-de.bicleaner07.tmx.gz"
        return [[f"{_PARACRAWL}/release3/{name}", ("tmx", name)]]
