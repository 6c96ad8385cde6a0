"""English to Czech: CzEng and WMT."""

from __future__ import annotations

from t2tlite import registry

from . import translate_corpora

_CZENG = "https://lindat.mff.cuni.cz/repository/xmlui/bitstream/handle/11234/1-1458"
_WMT13 = "http://www.statmt.org/wmt13"
_WMT17 = "http://data.statmt.org/wmt17/translation-task"
_WMT18 = "http://data.statmt.org/wmt18/translation-task"

_ENCS_TRAIN_DATASETS = [
    [f"{_CZENG}/data-plaintext-format.tar", ("tsv", 3, 2, "data.plaintext-format/*train.gz")],
    [
        f"{_WMT18}/training-parallel-nc-v13.tgz",
        (
            "training-parallel-nc-v13/news-commentary-v13.cs-en.en",
            "training-parallel-nc-v13/news-commentary-v13.cs-en.cs",
        ),
    ],
    [
        f"{_WMT13}/training-parallel-commoncrawl.tgz",
        ("commoncrawl.cs-en.en", "commoncrawl.cs-en.cs"),
    ],
    [
        f"{_WMT13}/training-parallel-europarl-v7.tgz",
        ("training/europarl-v7.cs-en.en", "training/europarl-v7.cs-en.cs"),
    ],
]
_ENCS_TEST_DATASETS = [
    [f"{_WMT17}/dev.tgz", ("dev/newstest2013.en", "dev/newstest2013.cs")],
]


@registry.register_problem
class TranslateEncsWmt32k(translate_corpora.ListedCorpora):
    """English -> Czech, CzEng and WMT, evaluated on newstest2013."""

    train_datasets = _ENCS_TRAIN_DATASETS
    eval_datasets = _ENCS_TEST_DATASETS
