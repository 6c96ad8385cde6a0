"""English to Chinese: WMT 2017, with a vocabulary for each language."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from t2tlite import problem, registry, translate

from . import splits

log = logging.getLogger(__name__)

_WMT17 = "http://data.statmt.org/wmt17/translation-task"

_NC_TRAIN_DATASETS = [
    [
        f"{_WMT17}/training-parallel-nc-v12.tgz",
        ("training/news-commentary-v12.zh-en.en", "training/news-commentary-v12.zh-en.zh"),
    ],
]
_NC_TEST_DATASETS = [
    [
        f"{_WMT17}/dev.tgz",
        ("dev/newsdev2017-enzh-src.en.sgm", "dev/newsdev2017-enzh-ref.zh.sgm"),
    ],
]

# These two can't be downloaded without registration.
_UN_TRAIN_DATASETS = [
    ["UNv1.0.en-zh.tar.gz", ("en-zh/UNv1.0.en-zh.en", "en-zh/UNv1.0.en-zh.zh")],
]
_CWMT_TRAIN_DATASETS = [
    ["cwmt.tgz", (f"cwmt/{english}", f"cwmt/{chinese}")]
    for english, chinese in [
        ("casia2015/casia2015_en.txt", "casia2015/casia2015_ch.txt"),
        ("casict2015/casict2015_en.txt", "casict2015/casict2015_ch.txt"),
        ("neu2017/NEU_en.txt", "neu2017/NEU_cn.txt"),
        ("datum2015/datum_en.txt", "datum2015/datum_ch.txt"),
        *((f"datum2017/Book{n}_en.txt", f"datum2017/Book{n}_cn.txt") for n in range(1, 21)),
    ]
]


@registry.register_problem
class TranslateEnzhWmt32k(translate.TwoVocabTranslateProblem):
    """English -> Chinese, WMT 2017: News Commentary, and UN and CWMT if they are in tmp_dir.

    The corpora of the UN (conferences.unite.un.org/UNCorpus) and of CWMT (nlp.nju.edu.cn/cwmt-wmt)
    require registration: put UNv1.0.en-zh.tar.gz and cwmt.tgz into tmp_dir. Without them there are
    about 220,000 pairs.
    """

    @property
    def source_vocab_name(self) -> str:
        return f"vocab.enzh-en.{self.approx_vocab_size}"

    @property
    def target_vocab_name(self) -> str:
        return f"vocab.enzh-zh.{self.approx_vocab_size}"

    def source_data_files(self, dataset_split: str) -> Sequence[Any]:
        train = dataset_split == problem.DatasetSplit.TRAIN
        return _NC_TRAIN_DATASETS if train else _NC_TEST_DATASETS

    def get_training_dataset(self, tmp_dir: str) -> Sequence[Any]:
        """Returns the training corpora, with those that are in tmp_dir."""
        datasets = list(_NC_TRAIN_DATASETS)
        for corpora in (_CWMT_TRAIN_DATASETS, _UN_TRAIN_DATASETS):
            archive = Path(tmp_dir).expanduser() / str(corpora[0][0])
            if archive.exists():
                datasets += corpora
            else:
                log.warning("%s: %s doesn't exist, so training does without it", self.name, archive)
        return datasets

    def data_files(self, tmp_dir: str, dataset_split: str) -> Sequence[Any]:
        if dataset_split == problem.DatasetSplit.TRAIN:
            return self.get_training_dataset(tmp_dir)
        return self.source_data_files(dataset_split)


@registry.register_problem
class TranslateEnzhWmt8k(TranslateEnzhWmt32k):
    """English -> Chinese, News Commentary only."""

    approx_vocab_size = 2**13
    dataset_splits = splits.TRAIN_EVAL

    def get_training_dataset(self, tmp_dir: str) -> Sequence[Any]:
        return _NC_TRAIN_DATASETS
