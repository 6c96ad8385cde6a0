"""English to Vietnamese: talks of IWSLT 2015."""

from __future__ import annotations

from t2tlite import registry

from . import translate_corpora

_STANFORD = "https://github.com/stefan-it/nmt-en-vi/raw/master/data"

_ENVI_TRAIN_DATASETS = [[f"{_STANFORD}/train-en-vi.tgz", ("train.en", "train.vi")]]
_ENVI_TEST_DATASETS = [[f"{_STANFORD}/dev-2012-en-vi.tgz", ("tst2012.en", "tst2012.vi")]]


@registry.register_problem
class TranslateEnviIwslt32k(translate_corpora.ListedCorpora):
    """English -> Vietnamese, IWSLT 2015: 133,000 pairs, evaluated on tst2012."""

    train_datasets = _ENVI_TRAIN_DATASETS
    eval_datasets = _ENVI_TEST_DATASETS
