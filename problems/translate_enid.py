"""English to Indonesian: talks of IWSLT 2017, and the PAN localization corpus."""

from __future__ import annotations

from t2tlite import registry

from . import translate_corpora

_REPOSITORY = "https://github.com/prasastoadi/parallel-corpora-en-id/raw/master"


def _panl(subject: str, size: str) -> list[object]:
    languages = [f"PANL-BPPT-{subject}-{language}-{size}.tok.txt" for language in ("EN", "ID")]
    return [f"{_REPOSITORY}/PANL-BPPT-{subject}-EN-ID-{size}.tok.tgz", tuple(languages)]


_ENID_TRAIN_DATASETS = [
    [
        f"{_REPOSITORY}/IWSLT17.train.en-id.tok.tgz",
        ("IWSLT17.train.en-id.tok.en", "IWSLT17.train.en-id.tok.id"),
    ],
    _panl("ECO", "150Kw"),
    _panl("INT", "150Kw"),
    _panl("SCI", "100Kw"),
    _panl("SPO", "100Kw"),
]
_ENID_TEST_DATASETS = [
    [
        f"{_REPOSITORY}/IWSLT17.TED.tst2017plus.en-id.tok.tgz",
        ("IWSLT17.TED.tst2017plus.en-id.tok.en", "IWSLT17.TED.tst2017plus.en-id.tok.id"),
    ],
]


@registry.register_problem
class TranslateEnidIwslt32k(translate_corpora.ListedCorpora):
    """English -> Indonesian, IWSLT 2017 and PANL, evaluated on tst2017plus."""

    train_datasets = _ENID_TRAIN_DATASETS
    eval_datasets = _ENID_TEST_DATASETS
