"""The picture of t2t-inspect --answers."""

import math
from pathlib import Path

import pytest

from t2tlite.bulk.answers import AnsweredFile, AnsweredLine
from t2tlite.bulk.diagnosis import diagnose
from t2tlite.bulk.diagnosis_picture import draw


@pytest.mark.parametrize("is_free", [False, True])
def test_every_panel(tmp_path, monkeypatch, is_free):
    from matplotlib.figure import Figure

    right = ["neither this nor that", "a b"] if is_free else ["c d", "$x$ b"]
    lines = [
        AnsweredLine(i, "an input", ["$x$ b", "c d"], [math.nan, -1.5], [one])
        for i, one in enumerate(right)
    ]
    found = diagnose(AnsweredFile(Path(tmp_path, r"$\frac$"), [], tmp_path, lines, 0))
    figures = []
    monkeypatch.setattr(
        "matplotlib.figure.Figure", lambda **how: figures.append(Figure(**how)) or figures[0]
    )
    path = draw(found)
    assert path.read_bytes().startswith(b"\x89PNG")
    axes = figures[0].axes
    titles = [one.get_xlabel() for one in axes]
    assert titles[:3] == [
        "length of the input, in tokens",
        "score of the answer",
        "best of n answers",
    ]
    assert titles[3] == "commonest changes of a token: right → answered"
    y = "chrF" if is_free else "wrong answers (%)"
    assert [one.get_ylabel() for one in axes] == [y, y, y, ""]
    heights = [bar.get_height() for bar in axes[2].patches]
    assert heights == ([row.chrf for row in found.n_best] if is_free else [50, 0])
    # Groups of the same name have bars beside each other.
    places = [bar.get_x() for bar in axes[1].patches]
    assert len({*places}) == len(places) == 2
    # None of them is a formula, or the picture couldn't be drawn.
    assert figures[0].get_suptitle() == r"$\frac$: 2 answers"
    assert "$x$" in " ".join(label.get_text() for label in axes[3].get_yticklabels())
