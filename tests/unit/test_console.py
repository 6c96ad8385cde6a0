"""Progress, panels and tables, on a terminal and in a log."""

import io
import re

import pytest
import rich.console

from t2tlite import console


def test_a_meter_in_a_log(said, monkeypatch):
    seconds = iter([0.0, 5.0, 10.0, 15.0, 20.0, 25.0])
    monkeypatch.setattr(console.time, "monotonic", lambda: next(seconds))
    with console.meter("decoding", "lines", 400) as advance:
        for _ in range(5):
            advance(50, 1_000_000)
    assert said() == [
        "decoding: 150 of 400 lines, 10/s, 3.0 MB, 0.2 MB/s, 0:00:25 left",
    ]


def test_tracked_items_on_a_terminal(capsys, monkeypatch):
    monkeypatch.setattr("t2tlite.console.on_terminal", lambda: True)
    console.console.cache_clear()
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert list(console.track([1, 2, 3], "writing", 3)) == [1, 2, 3]
    console.console.cache_clear()
    assert "writing" in capsys.readouterr().err


def test_a_panel_in_a_log(said):
    console.panel("title", {"device": "CPU", "batch": "4096 tokens"})
    assert said() == ["device       CPU", "batch        4096 tokens"]


def test_table_in_a_log(said):
    columns = {"name": "left", "long_number": "right"}
    console.table("title", columns, [["a", "1"], ["longer", "12.5"]], "note")
    console.table("empty", columns, [])
    assert said() == [
        "title",
        "name    long_number",
        "a                 1",
        "longer         12.5",
        "note",
        "empty",
        "name  long_number",
    ]


def test_table_on_a_narrow_terminal(capsys, monkeypatch):
    monkeypatch.setattr("t2tlite.console.on_terminal", lambda: True)
    monkeypatch.setenv("COLUMNS", "80")
    # As many as a problem can have.
    names = ["accuracy", "accuracy_top5", "accuracy_per_sequence", "neg_log_perplexity"]
    names += ["approx_bleu_score", "rouge_2_fscore", "rouge_L_fscore"]
    columns = {**dict.fromkeys(["step", "loss", *names], "right"), "what": "left"}
    row = ["1,000", "0.9876", "0.8765", "0.7654", "0.6543", "-0.9876", "0.5432", "0.4321"]
    row += ["0.3210", "[red]"]
    console.table("a title", columns, [row], "a note")
    shown = capsys.readouterr().err
    assert all(len(line) <= 80 for line in shown.splitlines())
    # No number is cut, and text in brackets is no markup.
    for part in ("a title", *row, "a note"):
        assert part in shown


def test_columns_to_spare_are_left_out_of_a_narrow_terminal(capsys, monkeypatch):
    monkeypatch.setattr("t2tlite.console.on_terminal", lambda: True)
    columns = {"step": "right", "neg_log_perplexity": "right", "rouge_2": "right", "": "left"}
    spare = ["unknown", "rouge_2", "neg_log_perplexity"]
    for width, left_out in {80: [], 29: ["rouge_2"], 20: ["rouge_2", "neg_log_perplexity"]}.items():
        terminal = rich.console.Console(stderr=True, width=width)
        monkeypatch.setattr(console, "console", lambda terminal=terminal: terminal)
        console.table("t", columns, [["100", "-1.5", "0.123", "best"]], spare=spare)
        lines = capsys.readouterr().err.splitlines()
        assert all(len(line) <= width for line in lines)
        # The note may wrap.
        shown, _, note = "\n".join(lines).partition("no room for ")
        assert note.split() == ", ".join(left_out).split()
        assert ("0.123" in shown) == ("rouge_2" not in left_out)
        # No word is cut.
        assert bool(re.search(r"\bperplexity\b", shown)) == ("neg_log_perplexity" not in left_out)
        assert "100" in shown and "best" in shown


def test_descriptions_wrap_below_each_other_on_a_terminal(monkeypatch):
    lines = "Title:\n  name    two words and more\n\n  quite_a_long_name  what it is"
    assert console.hanging(lines) == lines
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "24")
    assert console.hanging(lines).split("\n") == [
        *("Title:", "  name    two words and", "          more", ""),
        *("  quite_a_long_name", "      what it is"),
    ]
    monkeypatch.setenv("COLUMNS", "99")
    assert console.hanging(lines) == lines


def test_a_meter_in_a_notebook(monkeypatch):
    states = []

    class Handle:
        def update(self, content, raw):
            states.append(content)

    def display(content, raw, display_id):
        states.append(content)
        return Handle()

    monkeypatch.setattr("t2tlite.console.in_notebook", lambda: True)
    monkeypatch.setattr("IPython.display.display", display)
    monkeypatch.setattr(console, "NOTEBOOK_SECONDS", 0)
    with console.meter("a < b", "lines", 4) as advance:
        advance(3)
    assert states[0]["text/html"] == '<progress max="4" value="0"></progress> a &lt; b'
    assert (
        '<progress max="4" value="3"></progress> a &lt; b: 3 of 4 lines, '
        in states[-1]["text/html"]
    )
    assert states[-1]["text/plain"].startswith("a < b: 3 of 4 lines, ")
    # Of unknown length: it moves until the end.
    with console.meter("reading", "lines") as advance:
        advance(3)
        assert states[-1]["text/html"].startswith("<progress ></progress> reading")
    assert states[-1]["text/html"].startswith('<progress value="1"></progress> reading: 3 lines')


def test_no_notebook_here():
    assert not console.in_notebook()


def test_an_html_table_escapes_what_it_shows():
    shown = console.html_table("a <title>", {"<b>": 1, "c": "<script>"})
    assert shown.startswith("<b>a &lt;title&gt;</b><table><tr><th")
    assert "&lt;b&gt;" in shown and "&lt;script&gt;" in shown and "<script>" not in shown


PARTS = [
    ("step 300/250000", 0),
    ("loss 5.123", 0),
    ("12,345 tokens/s", 1),
    ("12% padding", 3),
    ("3% waiting for data", 2),
    ("1:02:03 left", 0),
]


@pytest.mark.parametrize(
    ("columns", "left_out"),
    [(160, []), (130, []), (110, [3]), (80, [3, 4]), (60, [2, 3, 4]), (20, [2, 3, 4])],
)
def test_a_narrow_terminal_keeps_step_loss_and_time_left(monkeypatch, columns, left_out):
    terminal = rich.console.Console(file=io.StringIO(), force_terminal=True, width=columns)
    monkeypatch.setattr(console, "console", lambda: terminal)
    with console.bar("starting", 250_000, separator="  ") as show:
        show(300, PARTS)
    text = re.sub(r"\x1b\[[\d;?]*\w", "", terminal.file.getvalue())
    line = "  ".join(part for i, (part, _) in enumerate(PARTS) if i not in left_out)
    assert (line in text) == (columns > 20)
    assert not any(PARTS[i][0] in text for i in left_out)
