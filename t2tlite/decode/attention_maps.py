"""Drawings of attention weights: HTML tables, pictures, and text for terminals."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from t2tlite import fonts

# Shades of a cell on a terminal: the lowest weight of each.
SHADES = [(0.0, " "), (0.05, "░"), (0.15, "▒"), (0.35, "▓"), (0.6, "█")]
# Terminal columns of a cell: room for one full-width letter.
_CELL = 2
# The most letters of a token that are shown on a terminal.
_LETTERS = 12
_COLOUR = "31,119,180"


@dataclass(frozen=True, eq=False, repr=False)
class AttentionMap:
    """One matrix of attention weights.

    Attributes:
      title: kind, layer and head.
      rows: tokens of the queries.
      columns: tokens of the keys.
      weights: float32 [queries, keys]; rows sum to 1.
    """

    title: str
    rows: Sequence[str]
    columns: Sequence[str]
    weights: Any

    def as_dict(self) -> dict[str, Any]:
        """Returns "inputs", "outputs" and "weights" in types that JSON can hold."""
        weights = [[round(float(weight), 4) for weight in row] for row in self.weights]
        return {"inputs": list(self.columns), "outputs": list(self.rows), "weights": weights}

    def __repr__(self) -> str:
        return f"AttentionMap({self.title!r}, rows={self.rows}, columns={self.columns})"

    def _repr_html_(self) -> str:
        """Returns a table of percentages; the background is darker the larger they are."""
        vertical = 'style="writing-mode:vertical-rl;font-weight:normal"'
        aligned = 'style="text-align:right;font-weight:normal"'
        cells = [f'<th scope="col" {vertical}>{escape(token)}</th>' for token in self.columns]
        rows = []
        for token, row in zip(self.rows, self.weights, strict=True):
            head = f'<th scope="row" {aligned}>{escape(token)}</th>'
            rows.append(f"<tr>{head}{''.join(map(_cell, row))}</tr>")
        return (
            f'<table style="border-collapse:collapse;font-size:small">'
            f"<caption>{escape(self.title)}, in percent</caption>"
            f"<thead><tr><td></td>{''.join(cells)}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
        )

    def terminal(self, width: int = 80) -> Any:
        """Returns the map as a `rich.text.Text`, readable without colours.

        Args:
          width: of the terminal, in columns; keys that don't fit go into further blocks below.
        """
        from rich.cells import cell_len, set_cell_size
        from rich.text import Text

        left = min(_LETTERS, max(map(cell_len, self.rows)))
        fits = max(1, (width - left - 1) // _CELL)
        drawn = Text(f"{self.title}\n")
        for first in range(0, len(self.columns), fits):
            part = slice(first, first + fits)
            for letters in itertools.zip_longest(*map(_shorten, self.columns[part]), fillvalue=""):
                line = "".join(set_cell_size(letter, _CELL) for letter in letters).rstrip()
                drawn.append(f"{' ' * (left + 1)}{line}\n")
            for token, row in zip(self.rows, self.weights, strict=True):
                drawn.append(f"{set_cell_size(_shorten(token), left)} ")
                for weight in row[part]:
                    shade = [shade for least, shade in SHADES if weight >= least][-1]
                    drawn.append(shade * _CELL, style="blue")
                drawn.rstrip()
                drawn.append("\n")
        scale = "  ".join(f"{shade} {100 * least:.0f} %" for least, shade in SHADES[1:])
        return drawn.append(f"from {scale}")


def page(mean: AttentionMap, maps: Sequence[AttentionMap]) -> str:
    """Returns an HTML page, without scripts, that shows a map and below it others, folded."""
    folded = [
        f"<details><summary>{escape(one.title)}</summary>{one._repr_html_()}</details>"
        for one in (maps if len(maps) > 1 else [])
    ]
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        f"<title>{escape(mean.title)}</title><style>body{{font-family:sans-serif}}</style></head>"
        f"<body>{mean._repr_html_()}{''.join(folded)}</body></html>\n"
    )


def draw(maps: Sequence[AttentionMap], columns: int) -> Any:
    """Returns a matplotlib figure of maps over the same tokens.

    Args:
      maps: at least one.
      columns: maps per row of the figure.
    """
    # The import takes a second. pyplot would have global state.
    from matplotlib.figure import Figure

    words = {"fontfamily": fonts.families([*maps[0].columns, *maps[0].rows]), "fontsize": 7}
    rows = -(-len(maps) // columns)
    queries, keys = maps[0].weights.shape
    size = (columns * (1.5 + 0.22 * keys), rows * (1.5 + 0.22 * queries))
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes, one in zip(grid.flat, maps, strict=True):
        axes.imshow(one.weights, vmin=0, vmax=1, cmap="Blues", aspect="auto")
        axes.set_title(one.title, fontsize=8)
        # A token such as $x$ is not a formula.
        axes.set_xticks(range(keys), one.columns, rotation=90, parse_math=False, **words)
        axes.set_yticks(range(queries), one.rows, parse_math=False, **words)
    return figure


def _cell(weight: Any) -> str:
    shade = f"background:rgba({_COLOUR},{weight:.2f})"
    return f'<td style="text-align:right;{shade}">{100 * weight:.0f}</td>'


def _shorten(text: str) -> str:
    return text if len(text) <= _LETTERS else f"{text[: _LETTERS - 1]}…"
