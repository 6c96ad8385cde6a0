"""Fonts for the texts in pictures, in whatever script they are."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterable

log = logging.getLogger(__name__)

# Has a box for every character.
_BOXES = "Last Resort"


def families(texts: Iterable[str]) -> list[str]:
    """Returns font families for texts in a picture: matplotlib's own, then others that they need.

    Each character is drawn in the first family that has it. Where no font of this machine has one,
    matplotlib draws a box, and a warning is logged.
    """
    from matplotlib import font_manager

    missing = {character for character in "".join(texts) if character.isprintable()}
    first = font_manager.get_font(font_manager.findfont(font_manager.FontProperties()))
    missing -= set(map(chr, first.get_charmap()))
    found = ["sans-serif"]
    for entry in sorted(font_manager.fontManager.ttflist, key=lambda entry: entry.name):
        if not missing:
            break
        if entry.name in found or entry.name.startswith(_BOXES):
            continue
        try:
            has = set(map(chr, font_manager.get_font(entry.fname).get_charmap()))
        except (OSError, RuntimeError):
            # matplotlib's list may have fonts that were removed, or are damaged.
            continue
        if missing & has:
            found.append(entry.name)
            missing -= has
    if missing:
        shown = " ".join(sorted(missing)[:5])
        log.warning(
            "the picture has boxes for %s: no font on this machine has them; install one that has, "
            "such as Noto Sans CJK for Chinese, Japanese and Korean",
            shown if len(missing) <= 5 else f"{shown} and {len(missing) - 5:,} other characters",
        )
        warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from font")
    return found
