import hashlib
import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from t2tlite import registry
from t2tlite.errors import DataError, DownloadError

STORY = """LONDON, England

He said "no"

Why?  \n
@highlight

Minister says no

@highlight

It is final!
"""


def name(url: str) -> str:
    return f"{hashlib.sha1(url.encode()).hexdigest()}.story"


@pytest.fixture(autouse=True)
def stories(archived: Callable, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    cnn = {
        f"cnn/stories/{name('http://cnn/1')}": STORY,
        f"cnn/stories/{name('http://cnn/empty')}": "@highlight\n\nNo article\n",
        f"cnn/stories/{name('http://cnn/bare')}": "No highlight\n",
    }
    daily = {f"dailymail/stories/{name('http://dm/1')}": "Day\n@highlight\nSun\n"}
    urls = {
        "cnn/stories": ("cnn_stories.tgz", archived("cnn_stories.tgz", cnn)),
        "dailymail/stories": ("dailymail_stories.tgz", archived("dailymail_stories.tgz", daily)),
    }
    problem_class = type(registry.problem("summarize_cnn_dailymail32k"))
    assert set(problem_class.STORIES) == set(urls)
    monkeypatch.setattr(problem_class, "STORIES", urls)
    lists = {
        "train": ["http://cnn/1", "http://cnn/empty", "http://cnn/gone", "http://cnn/bare"],
        "val": ["http://dm/1"],
        "test": ["http://dm/1"],
    }
    for part, addresses in lists.items():
        (tmp_path / "site" / f"all_{part}.txt").write_text("\n".join(addresses))
    assert problem_class.LISTS_URL.endswith("/abisee/cnn-dailymail/master/url_lists")
    monkeypatch.setattr(problem_class, "LISTS_URL", (tmp_path / "site").as_uri())


def test_samples(generate: Callable, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        samples = generate("summarize_cnn_dailymail32k")
    # A line that doesn't end a sentence gets a full stop.
    assert samples["train"] == [
        {
            "inputs": 'LONDON, England. He said "no" Why?',
            "targets": "Minister says no. It is final!",
        }
    ]
    assert samples["eval"] == samples["test"] == [{"inputs": "Day.", "targets": "Sun."}]
    assert "left out 1 of the 4 stories of" in caplog.text
    # Once unpacked, nothing else is needed.
    for path in tmp_path.glob("*.tgz"):
        path.unlink()
    assert generate("summarize_cnn_dailymail32k") == samples


def test_shards() -> None:
    problem = registry.problem("summarize_cnn_dailymail32k")
    assert [one["shards"] for one in problem.dataset_splits] == [100, 10, 10]
    assert problem.vocab_filename == "vocab.summarize_cnn_dailymail32k.32768.subwords"


def test_a_page_instead_of_the_archive(
    generate: Callable, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    page = tmp_path / "site" / "page"
    page.write_text("<html>too large to scan for viruses")
    problem_class = type(registry.problem("summarize_cnn_dailymail32k"))
    stories = {"cnn/stories": ("cnn_stories.tgz", page.as_uri())}
    monkeypatch.setattr(problem_class, "STORIES", stories)
    with pytest.raises(DownloadError, match=f"save the file as {tmp_path}/cnn_stories.tgz"):
        generate("summarize_cnn_dailymail32k")


def test_no_story(generate: Callable, tmp_path: Path) -> None:
    for folder in ("cnn", "dailymail"):
        (tmp_path / folder / "stories").mkdir(parents=True)
    with pytest.raises(DataError, match="have none of the stories of .*all_train.txt; delete"):
        generate("summarize_cnn_dailymail32k")
