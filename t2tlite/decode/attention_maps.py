"""Attention weights drawn: as a table for notebooks and pages, as a picture, on a terminal."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

# Shades of a cell on a terminal, each from that weight on.
SHADES = [(0.0, " "), (0.05, "░"), (0.15, "▒"), (0.35, "▓"), (0.6, "█")]
# A terminal's column is as wide as one full-width letter.
_CELL = 2
# Letters of a token above its column, and before its row.
_LETTERS = 12
_COLOUR = "31,119,180"


@dataclass(frozen=True, eq=False)
class AttentionMap:
    """One matrix of attention weights.

    Attributes:
      title: what it is.
      rows: tokens that look, Q.
      columns: tokens that are looked at, K.
      weights: float32 [Q, K]; rows sum to 1.
    """

    title: str
    rows: Sequence[str]
    columns: Sequence[str]
    weights: Any

    def as_dict(self) -> dict[str, Any]:
        """Returns tokens and weights as JSON can hold them: "inputs", "outputs", "weights"."""
        weights = [[round(float(one), 4) for one in row] for row in self.weights]
        return {"inputs": list(self.columns), "outputs": list(self.rows), "weights": weights}

    def _repr_html_(self) -> str:
        """A table whose cells are percentages on a ground as dark as they are large."""
        turned = 'style="writing-mode:vertical-rl;font-weight:normal"'
        aligned = 'style="text-align:right;font-weight:normal"'
        heads = "".join(f'<th scope="col" {turned}>{_text(one)}</th>' for one in self.columns)
        rows = []
        for token, row in zip(self.rows, self.weights, strict=True):
            head = f'<th scope="row" {aligned}>{_text(token)}</th>'
            rows.append(f"<tr>{head}{''.join(map(_cell, row))}</tr>")
        return (
            f'<table style="border-collapse:collapse;font-size:small">'
            f"<caption>{_text(self.title)}, in percent</caption>"
            f"<thead><tr><td></td>{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
        )

    def terminal(self, width: int = 80) -> Any:
        """Returns the map as a `rich.text.Text`; columns that don't fit stand below.

        It is as readable without colours.

        Args:
          width: of the terminal, in columns.
        """
        from rich.cells import set_cell_size
        from rich.text import Text

        left = min(_LETTERS, max(_cells(one) for one in self.rows))
        fits = max(1, (width - left - 1) // _CELL)
        drawn = Text(f"{self.title}\n")
        for first in range(0, len(self.columns), fits):
            part = slice(first, first + fits)
            names = [_short(one) for one in self.columns[part]]
            for place in range(max(map(len, names))):
                letters = [one[place] if place < len(one) else "" for one in names]
                line = "".join(set_cell_size(one, _CELL) for one in letters).rstrip()
                drawn.append(f"{' ' * (left + 1)}{line}\n")
            for token, row in zip(self.rows, self.weights, strict=True):
                drawn.append(f"{set_cell_size(_short(token), left)} ")
                for weight in row[part]:
                    drawn.append(_shade(weight) * _CELL, style="blue")
                drawn.rstrip()
                drawn.append("\n")
        scale = "  ".join(f"{shade} {100 * least:.0f} %" for least, shade in SHADES[1:])
        return drawn.append(f"from {scale}")


def page(mean: AttentionMap, maps: Sequence[AttentionMap]) -> str:
    """Returns an HTML page of a map that is shown and others that unfold, without scripts."""
    folded = [
        f"<details><summary>{_text(one.title)}</summary>{one._repr_html_()}</details>"
        for one in (maps if len(maps) > 1 else [])
    ]
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        f"<title>{_text(mean.title)}</title><style>body{{font-family:sans-serif}}</style></head>"
        f"<body>{mean._repr_html_()}{''.join(folded)}</body></html>\n"
    )


def draw(maps: Sequence[AttentionMap], columns: int) -> Any:
    """Returns a matplotlib figure of maps over the same tokens.

    Args:
      maps: at least one.
      columns: maps beside each other.
    """
    # Imported only here, as it takes a second; and not pyplot, which has state.
    from matplotlib.figure import Figure

    rows = -(-len(maps) // columns)
    queries, keys = maps[0].weights.shape
    size = (columns * (1.5 + 0.22 * keys), rows * (1.5 + 0.22 * queries))
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes, one in zip(grid.flat, maps, strict=True):
        axes.imshow(one.weights, vmin=0, vmax=1, cmap="Blues", aspect="auto")
        axes.set_title(one.title, fontsize=8)
        # A token such as $x$ is no formula.
        axes.set_xticks(range(keys), one.columns, rotation=90, fontsize=7, parse_math=False)
        axes.set_yticks(range(queries), one.rows, fontsize=7, parse_math=False)
    return figure


def _text(text: str) -> str:
    return html.escape(text)


def _cell(weight: Any) -> str:
    shade = f"background:rgba({_COLOUR},{weight:.2f})"
    return f'<td style="text-align:right;{shade}">{100 * weight:.0f}</td>'


def _cells(text: str) -> int:
    from rich.cells import cell_len

    return cell_len(text)


def _short(text: str) -> str:
    return text if len(text) <= _LETTERS else f"{text[: _LETTERS - 1]}…"


def _shade(weight: float) -> str:
    return [shade for least, shade in SHADES if weight >= least][-1]
