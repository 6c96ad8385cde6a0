"""English to Macedonian: news of the Southeast European Times."""

from __future__ import annotations

from t2tlite import registry

from . import translate_corpora

_ENMK_TRAIN_DATASETS = [
    [
        "http://nlp.ffzg.hr/data/corpora/setimes/setimes.en-mk.txt.tgz",
        ("setimes.en-mk.en.txt", "setimes.en-mk.mk.txt"),
    ],
]
_ENMK_DEV_DATASETS = [
    [
        "https://github.com/stefan-it/nmt-en-mk/raw/master/data/MTE-1984-dev.enmk.tgz",
        ("MTE1984-dev.en", "MTE1984-dev.mk"),
    ],
]


@registry.register_problem
class TranslateEnmkSetimes32k(translate_corpora.ListedCorpora):
    """English -> Macedonian, SETimes, evaluated on 4,986 pairs of MULTEXT-East's "1984"."""

    train_datasets = _ENMK_TRAIN_DATASETS
    eval_datasets = _ENMK_DEV_DATASETS
