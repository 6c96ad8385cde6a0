"""The picture of a diagnosis."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from t2tlite import buckets, fonts
from t2tlite.bulk.diagnosis import Diagnosis, Measures, visible
from t2tlite.files import atomic

# Changes that are shown.
_CHANGES = 15
# Characters that fit below a bar.
_LONG_NAME = 12


def draw(found: Diagnosis) -> Path:
    """Draws a diagnosis to FILE.png beside the answers, and returns its path.

    Raises:
      OutputError: the file can't be written.
    """
    # The import takes a second. Not pyplot, which has global state.
    from matplotlib.figure import Figure

    panels: list[tuple[str, Sequence[Measures]]] = [
        (f"length of {found.length_of}", found.by_length)
    ]
    if found.rarity:
        panels.append(
            (f"occurrences of the rarest {found.rarity.unit} of the input", found.by_rarity)
        )
    panels += [("score of the answer", found.by_score), ("best of n answers", found.n_best)]
    panels = [(title, measures) for title, measures in panels if measures]
    count = len(panels) + bool(found.changes)
    columns = 3 if count > 4 else 2
    rows = -(-count // columns)
    figure = Figure(figsize=(6 * columns, 4 * rows), layout="constrained")
    title = f"{found.file.path.name}: {found.overall.lines:,} answers"
    figure.suptitle(title, fontfamily=fonts.families([title]), parse_math=False)
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    for (title, measures), one in zip(panels, axes, strict=False):
        _draw_measures(one, title, measures, found)
    rest = axes[len(panels) :]
    if found.changes:
        _draw_changes(rest.pop(0), found)
    for one in rest:
        one.set_axis_off()
    path = found.file.path.with_name(f"{found.file.path.name}.png")
    buckets.will_write(path)
    with atomic(path) as file:
        figure.savefig(file, format="png", dpi=120)
    return path


def _draw_measures(axes: Any, title: str, rows: Sequence[Measures], found: Diagnosis) -> None:
    """Draws chrF of free text, the share of wrong answers otherwise."""
    if found.is_free:
        values, label = [row.chrf for row in rows], "chrF"
    else:
        values, label = [100 * row.wrong / row.lines for row in rows], "wrong answers (%)"
    names = []
    for row in rows:
        # A long name takes two lines.
        name = row.name if len(row.name) <= _LONG_NAME else row.name.replace(" to ", "\nto ")
        names.append(f"{name}\n{row.lines:,} lines")
    # Placed by number: bars of the same name would cover each other.
    bars = axes.bar(range(len(names)), values, width=0.7)
    axes.bar_label(bars, fmt="%.1f", fontsize=8)
    axes.set_xticks(range(len(names)), names)
    axes.margins(y=0.1)
    axes.set_xlabel(title)
    axes.set_ylabel(label)
    axes.tick_params(axis="x", labelsize=8)
    axes.grid(axis="y", alpha=0.3)


def _draw_changes(axes: Any, found: Diagnosis) -> None:
    changes = found.changes.most_common(_CHANGES)[::-1]
    names = [
        " → ".join("nothing" if symbol is None else visible(symbol) for symbol in change)
        for change, _ in changes
    ]
    axes.barh(range(len(names)), [count for _, count in changes])
    # A token such as $x$ is not a formula.
    family = fonts.families(names)
    axes.set_yticks(range(len(names)), names, fontfamily=family, fontsize=8, parse_math=False)
    axes.set_xlabel(f"commonest changes of a {found.unit.name}: right → answered")
    axes.grid(axis="x", alpha=0.3)
