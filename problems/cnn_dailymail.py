"""Summaries of news: articles of CNN and the Daily Mail, and their highlights."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from t2tlite import download, problem, registry, text_problems
from t2tlite.errors import DataError

log = logging.getLogger(__name__)

_HIGHLIGHT = "@highlight"
# Ends of a sentence. A headline or a highlight has none, and gets a full stop.
_SENTENCE_ENDS = (*".!?'`\")", "\u2019", "\u201d")


@registry.register_problem
class SummarizeCnnDailymail32k(text_problems.Text2TextProblem):
    """An article of CNN or the Daily Mail -> its highlights, in See et al.'s splits (2017).

    Downloads the lists all_train.txt, all_val.txt and all_test.txt, and cnn_stories.tgz and
    dailymail_stories.tgz, unless they or the folders cnn/stories and dailymail/stories are in
    tmp_dir.
    """

    # By folder: the archive and its address on Google Drive.
    STORIES = {
        "cnn/stories": (
            "cnn_stories.tgz",
            "https://drive.google.com/uc?export=download&id=0BwmD_VLjROrfTHk4NFg2SndKcjQ",
        ),
        "dailymail/stories": (
            "dailymail_stories.tgz",
            "https://drive.google.com/uc?export=download&id=0BwmD_VLjROrfM1BxdkxVaTY2bWs",
        ),
    }
    # Lists of the addresses that the articles had.
    LISTS_URL = "https://raw.githubusercontent.com/abisee/cnn-dailymail/master/url_lists"

    dataset_splits = [
        {"split": problem.DatasetSplit.TRAIN, "shards": 100},
        {"split": problem.DatasetSplit.EVAL, "shards": 10},
        {"split": problem.DatasetSplit.TEST, "shards": 10},
    ]

    def generate_samples(
        self, data_dir: str, tmp_dir: str, dataset_split: str
    ) -> Iterator[dict[str, Any]]:
        part = "val" if dataset_split == problem.DatasetSplit.EVAL else dataset_split
        name = f"all_{part}.txt"
        urls = download.maybe_download(tmp_dir, name, f"{self.LISTS_URL}/{name}")
        folders = [self._folder(tmp_dir, name) for name in self.STORIES]
        for path in _listed(urls, folders):
            article, highlights = _read(text_problems.txt_line_iterator(path))
            if article and highlights:
                yield {"inputs": article, "targets": highlights}

    def _folder(self, tmp_dir: str, name: str) -> Path:
        """Returns a folder of stories, downloaded and unpacked if it is missing."""
        folder = Path(tmp_dir).expanduser() / name
        if not folder.exists():
            archive, url = self.STORIES[name]
            path = download.maybe_download_from_drive(tmp_dir, archive, url)
            download.unpack(path, Path(tmp_dir).expanduser())
        return folder


def _listed(urls: str, folders: list[Path]) -> Iterator[Path]:
    """Yields the stories of a list of addresses; their names are the SHA-1 of the address.

    Raises:
      DataError: none of them is there.
    """
    found, missing = 0, 0
    for url in text_problems.txt_line_iterator(urls):
        name = f"{hashlib.sha1(url.encode(), usedforsecurity=False).hexdigest()}.story"
        path = next((folder / name for folder in folders if (folder / name).exists()), None)
        if path is None:
            missing += 1
        else:
            found += 1
            yield path
    if not found:
        raise DataError(
            f"{' and '.join(map(str, folders))} have none of the stories of {urls}; delete them to "
            f"unpack them again"
        )
    if missing:
        log.warning("left out %d of the %d stories of %s: missing", missing, found + missing, urls)


def _read(lines: Iterable[str]) -> tuple[str, str]:
    """Returns article and highlights of a story; a line without an end gets a full stop."""
    parts: tuple[list[str], list[str]] = ([], [])
    in_highlights = False
    for line in filter(None, lines):
        if line.startswith(_HIGHLIGHT):
            in_highlights = True
        else:
            complete = line.endswith(_SENTENCE_ENDS) or _HIGHLIGHT in line
            parts[in_highlights].append(line if complete else f"{line}.")
    article, highlights = map(" ".join, parts)
    return article, highlights
