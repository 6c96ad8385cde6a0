"""Questions about paragraphs of Wikipedia: SQuAD 1.1, the Stanford Question Answering Dataset."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from t2tlite import download, problem, registry, text_problems
from t2tlite.config import HParams, ProblemHParams
from t2tlite.errors import DataError

from . import questions, splits, text_files

_URL = "https://rajpurkar.github.io/SQuAD-explorer/dataset"
_TRAINING_SET = "train-v1.1.json"
_DEV_SET = "dev-v1.1.json"


def _generate_examples(
    tmp_dir: str | os.PathLike[str], dataset_split: str
) -> Iterator[dict[str, Any]]:
    """Yields the answered questions of a split, with all that the file says of them.

    Downloads the file of the split, unless it is in tmp_dir.

    Raises:
      DownloadError: the file can't be downloaded.
      DataError: the file isn't of SQuAD.
    """
    name = _TRAINING_SET if dataset_split == problem.DatasetSplit.TRAIN else _DEV_SET
    path = Path(download.maybe_download(tmp_dir, name, f"{_URL}/{name}"))
    try:
        squad = json.loads(text_files.read(path))
        version, articles = squad["version"], squad["data"]
        for article in articles:
            for paragraph in article["paragraphs"]:
                for question in paragraph["qas"]:
                    answers = [answer["text"].strip() for answer in question["answers"]]
                    if not answers:
                        # SQuAD 2.0 has questions that can't be answered.
                        continue
                    yield {
                        "version": version,
                        "title": article.get("title", "no title").strip(),
                        "context": paragraph["context"].strip(),
                        "question": question["question"].strip(),
                        "id": question["id"],
                        "answer_starts": [one["answer_start"] for one in question["answers"]],
                        "answers": answers,
                        "num_answers": len(answers),
                        "is_supervised": True,
                    }
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path} isn't a file of SQuAD ({type(error).__name__}: {error}); delete it and get it "
            f"again from {_URL}/{name}"
        ) from None


@registry.register_problem
class SquadText2text(text_problems.Text2TextProblem):
    """Paragraph and question in one text -> the first answer; SQuAD 1.1.

    Downloads train-v1.1.json and dev-v1.1.json, unless they are in tmp_dir.
    """

    def generate_samples(
        self, data_dir: str, tmp_dir: str, dataset_split: str
    ) -> Iterator[dict[str, Any]]:
        for example in _generate_examples(tmp_dir, dataset_split):
            yield {
                "inputs": f"squad context: {example['context']} question: {example['question']}",
                "targets": example["answers"][0],
            }


@registry.register_problem
class Squad(questions.QuestionAndContext2TextProblem):
    """A question, and a paragraph as its context -> the first answer; SQuAD 1.1.

    The built-in models read only the question; squad_concat trains on the same data with both.
    Downloads train-v1.1.json and dev-v1.1.json, unless they are in tmp_dir.
    """

    dataset_splits = splits.TRAIN_EVAL

    def generate_samples(
        self, data_dir: str, tmp_dir: str, dataset_split: str
    ) -> Iterator[dict[str, Any]]:
        for example in _generate_examples(tmp_dir, dataset_split):
            yield {
                "inputs": example["question"],
                "targets": example["answers"][0],
                "context": example["context"],
            }


@registry.register_problem
class SquadConcat(Squad):
    """A question, a separator and a paragraph -> the first answer; the data of `squad`."""

    def dataset_filename(self) -> str:
        return "squad"

    def preprocess_example(self, example: dict[str, Any], mode: str, hparams: HParams) -> Any:
        return self.joined(example)

    def hparams(self, defaults: ProblemHParams, model_hparams: HParams) -> None:
        super().hparams(defaults, model_hparams)
        del defaults.modality["context"]
        del defaults.vocab_size["context"]
