"""Image captions, English to German: Multi30k, lower-cased and tokenised."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from t2tlite import problem, registry, text, text_problems

from . import splits, verified_files

_SOURCE = "multi30k/dataset on GitHub, data/task1/tok"
_FILES = {
    problem.DatasetSplit.TRAIN: (
        verified_files.KnownFile(
            "train.lc.norm.tok.en",
            1837696,
            "08925f8e0572bcd5a006702fc5fe20e2d77c6917d4eebd576fc20de6693c2119",
        ),
        verified_files.KnownFile(
            "train.lc.norm.tok.de",
            2150008,
            "cb5a23529b65ec2061f1dc446192a9c37382b63cc75f81a0be59d34894b3a505",
        ),
    ),
    problem.DatasetSplit.EVAL: (
        verified_files.KnownFile(
            "val.lc.norm.tok.en",
            64608,
            "46573ce391ae227f1c72f873392436a20ef18e0a6d518098cfbd70b77c8572ec",
        ),
        verified_files.KnownFile(
            "val.lc.norm.tok.de",
            77273,
            "97232bd273eceb7207f689527386a97e4be2616b18ada47576bdaf96c8ae1f00",
        ),
    ),
}


@registry.register_problem
class TranslateEndeMulti30k(text_problems.Text2TextProblem):
    """An English caption -> the German one, 29,000 pairs; one vocabulary of 10,000 for both.

    Put train.lc.norm.tok.en, train.lc.norm.tok.de, val.lc.norm.tok.en and val.lc.norm.tok.de into
    --tmp_dir; evaluation is on val.
    """

    approx_vocab_size = 10_000
    dataset_splits = splits.TRAIN_EVAL
    page_form = "answer"
    page_title = "Translate a caption"
    page_invitation = "Say what is in a picture. Several sentences go on lines of their own."
    page_label = "Caption"
    page_action = "Translate"

    def generate_samples(
        self, data_dir: str, tmp_dir: str, dataset_split: str
    ) -> Iterator[dict[str, Any]]:
        english, german = (file.find(self.name, tmp_dir, _SOURCE) for file in _FILES[dataset_split])
        return text_problems.text2text_txt_iterator(english, german)


@registry.register_problem
class TranslateEndeMulti30kSampled(TranslateEndeMulti30k):
    """translate_ende_multi30k with its vocabulary, each training pair in 8 segmentations."""

    sampled_segmentations = text.SampledSegmentations(copies=8, alpha=0.1)

    @property
    def use_vocab_from_other_problem(self) -> Any:
        return TranslateEndeMulti30k()
