"""Fonts for the texts in pictures."""

import warnings

from matplotlib import font_manager
from matplotlib.figure import Figure

from t2tlite import fonts


def draw(path, text):
    figure = Figure(figsize=(1, 1))
    figure.text(0, 0.5, text, fontfamily=fonts.families([text]))
    figure.savefig(path)


def test_latin_needs_one_font(tmp_path, caplog):
    assert fonts.families(["the woods", "\t\x00"]) == ["sans-serif"]
    draw(tmp_path / "a.png", "the woods")
    assert not caplog.records


def test_a_character_that_another_font_has(tmp_path, monkeypatch, caplog):
    own = font_manager.get_font(font_manager.findfont(font_manager.FontProperties())).get_charmap()
    others = {entry.name: entry for entry in font_manager.fontManager.ttflist}
    other = others["STIXGeneral"]
    character = chr(min(set(font_manager.get_font(other.fname).get_charmap()) - set(own)))
    removed = font_manager.FontEntry(fname=str(tmp_path / "removed.ttf"), name="Removed")
    fonts_here = [others["DejaVu Sans"], removed, other]
    monkeypatch.setattr(font_manager.fontManager, "ttflist", fonts_here)
    assert fonts.families([f"a{character}"]) == ["sans-serif", "STIXGeneral"]
    draw(tmp_path / "a.png", character)
    assert not caplog.records


def test_characters_that_no_font_has(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(font_manager.fontManager, "ttflist", [])
    with warnings.catch_warnings():
        draw(tmp_path / "a.png", "天地玄黃宇宙洪荒")
    [record] = caplog.records
    assert "boxes for 地 天 宇 宙 洪 and 3 other characters: no font" in record.getMessage()
