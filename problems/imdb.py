"""Sentiment of film reviews: Stanford's Large Movie Review Dataset."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from t2tlite import download, problem, registry, text_problems
from t2tlite.errors import DataError

from . import splits, text_files

_FOLDER = "aclImdb"


@registry.register_problem
class SentimentIMDB(text_problems.Text2ClassProblem):
    """A film review of IMDB -> neg or pos.

    Downloads aclImdb_v1.tar.gz, unless it or the folder aclImdb is in tmp_dir.
    """

    URL = "http://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz"

    dataset_splits = splits.TRAIN_EVAL
    approx_vocab_size = 2**13
    num_classes = 2
    page_title = "Did they like the film?"
    page_invitation = "Write what one might say of a film."
    page_label = "Review"
    page_placeholder = "I have rarely laughed so much"
    page_action = "Guess"

    def class_labels(self, data_dir: str | None) -> list[str]:
        return ["neg", "pos"]

    def doc_generator(
        self, imdb_dir: str | Path, dataset: str, include_label: bool = False
    ) -> Iterator[Any]:
        """Yields reviews, positive ones first.

        Args:
          imdb_dir: the folder aclImdb.
          dataset: "train" or "test".
          include_label: yield (review, is positive) pairs.

        Raises:
          DataError: the folder has no reviews.
        """
        for name in ("pos", "neg"):
            reviews = sorted((Path(imdb_dir) / dataset / name).glob("*.txt"))
            if not reviews:
                raise DataError(
                    f"{imdb_dir}/{dataset}/{name} has no reviews; delete {imdb_dir} to unpack "
                    f"it again"
                )
            for path in reviews:
                review = text_files.read(path).strip()
                yield (review, name == "pos") if include_label else review

    def generate_samples(
        self, data_dir: str, tmp_dir: str, dataset_split: str
    ) -> Iterator[dict[str, Any]]:
        folder = Path(tmp_dir).expanduser() / _FOLDER
        if not folder.exists():
            archive = download.maybe_download(tmp_dir, os.path.basename(self.URL), self.URL)
            download.unpack(archive, folder.parent)
        part = "train" if dataset_split == problem.DatasetSplit.TRAIN else "test"
        for review, positive in self.doc_generator(folder, part, include_label=True):
            yield {"inputs": review, "label": int(positive)}
