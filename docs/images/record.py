"""Records the session that the README shows: terminal.cast (asciinema), terminal.svg, curves.png.

    pip install pyte 't2tlite[demo]'
    python docs/images/record.py FOLDER

It runs the commands below on a terminal of 80 x 24 characters, in FOLDER, and takes some minutes.
"""

from __future__ import annotations

import argparse
import codecs
import fcntl
import html
import json
import os
import pty
import select
import struct
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pyte
from PIL import Image

COLUMNS, ROWS = 80, 24
DATAGEN = "t2t-datagen --problem=psalm_line_problem --data_dir=data"
TRAINER = """t2t-trainer --problem=psalm_line_problem --data_dir=data \\
    --output_dir=model --model=transformer \\
    --hparams_set=transformer_modern_tiny \\
    --hparams=layer_prepostprocess_dropout=0.3 \\
    --train_steps=400 --local_eval_frequency=50"""
DECODER = "t2t-decoder --output_dir=model --decode_interactive"
# What is typed at the decoder's prompt. The last key is Ctrl-D.
TYPED = [
    "The LORD is my shepherd; I shall not want.\r",
    ":next\r",
    ":next\r",
    "I will lift up mine eyes unto the hills,\r",
    "ns=3\r",
    "The heavens declare the glory of God;\r",
    "\x04",
]

# The picture shows each command in at most so many seconds, and a pause in at most so many.
SECONDS, PAUSE = {DATAGEN: 4.0, TRAINER: 10.0, DECODER: 22.0}, 1.5
# Shortest time between two frames, and how long the last is shown.
FRAME, LAST_FRAME = 0.2, 6.0

Screen = list[list[tuple[str, str, bool]]]  # rows of runs: text, colour, bold
Frame = tuple[float, Screen]
Event = tuple[float, str, str]  # seconds, "o" and what is written, or "m" and a command that starts

COLOURS = {
    "default": "#d8dee9", "black": "#4c566a", "red": "#e06c75", "green": "#98c379",
    "brown": "#e5c07b", "blue": "#61afef", "magenta": "#c678dd", "cyan": "#56b6c2",
    "white": "#abb2bf", "brightblack": "#7f848e",
}  # fmt: skip
BACKGROUND = "#1e222a"
WIDTH, HEIGHT, SIZE = 8.4, 18, 14  # of a character, of a line, of the font, in pixels


def run_on_terminal(
    command: str, folder: Path, typed: list[str], screen: pyte.Screen
) -> Iterator[tuple[float, str]]:
    """Runs a command on a new terminal; yields seconds since its start and what it writes.

    Args:
      command: with its flags.
      folder: where it runs.
      typed: keys; each is sent when nothing was written for two seconds.
      screen: what is written is shown on it.
    """
    pid, terminal = pty.fork()
    if not pid:
        os.chdir(folder)
        os.environ.update(TERM="xterm-256color", COLUMNS=str(COLUMNS), LINES=str(ROWS))
        os.environ["XDG_STATE_HOME"] = str(folder / "state")
        os.execvp("bash", ["bash", "-c", f"exec {command}"])
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    decode = codecs.getincrementaldecoder("utf-8")("replace").decode
    stream = pyte.Stream(screen)
    start, keys, prompted = time.monotonic(), iter(typed), False
    while True:
        readable, _, _ = select.select([terminal], [], [], 2)
        if readable:
            try:
                text = decode(os.read(terminal, 65536))
            except OSError:
                break
            # The prompt switches the pasting of several lines on.
            prompted |= "\x1b[?2004h" in text
            yield time.monotonic() - start, text
            stream.feed(text)
            if "\x1b[6n" in text:
                # The prompt asks where the cursor is.
                cursor = f"\x1b[{screen.cursor.y + 1};{screen.cursor.x + 1}R"
                os.write(terminal, cursor.encode())
        elif prompted and (line := next(keys, None)):
            for key in line:
                os.write(terminal, key.encode())
                time.sleep(0.03)
    _, status = os.waitpid(pid, 0)
    if status:
        sys.exit(f"{command} ended with status {os.waitstatus_to_exitcode(status)}")


def record(folder: Path) -> list[Event]:
    """Runs all commands; returns what a terminal shows, with the time of each part."""
    shown: list[Event] = []
    now = 0.0
    screen = pyte.Screen(COLUMNS, ROWS)
    stream = pyte.Stream(screen)

    def show(text: str, seconds: float, kind: str = "o") -> None:
        nonlocal now
        now += seconds
        shown.append((round(now, 3), kind, text))

    for command, typed in ((DATAGEN, []), (TRAINER, []), (DECODER, TYPED)):
        show("", 0.0, "m")
        for key in ("\x1b[32m$\x1b[0m ", *command.replace("\n", "\r\n"), "\r\n"):
            show(key, 0.02 if len(key) == 1 else 0.5)
            stream.feed(key)
        show(command, 0.0, "m")
        begun = now
        for seconds, text in run_on_terminal(command, folder, typed, screen):
            show(text, begun + seconds - now)
    show("\x1b[32m$\x1b[0m ", 0.5)
    return shown


def frames(shown: list[Event]) -> list[Frame]:
    """Returns the different states of the screen, with the time of each in the picture."""
    screen = pyte.Screen(COLUMNS, ROWS)
    stream = pyte.Stream(screen)
    starts = [*(at for at, kind, _ in shown if kind == "m"), shown[-1][0]]
    states: list[Frame] = []
    last = moved = 0.0
    factor = 1.0
    for i, (seconds, kind, text) in enumerate(shown):
        if kind == "m":
            takes = next(start for start in starts if start > seconds) - seconds
            factor = min(1.0, SECONDS.get(text, takes) / takes)
            continue
        stream.feed(text)
        moved += min(PAUSE, (seconds - last) * factor)
        last = seconds
        state = rows_of(screen)
        if states and state == states[-1][1]:
            continue
        if states and moved - states[-1][0] < FRAME and i + 1 < len(shown):
            continue
        states.append((moved, state))
    return states


def rows_of(screen: pyte.Screen) -> Screen:
    """Returns the rows of a screen as runs of characters that look alike."""
    rows: Screen = []
    for y in range(ROWS):
        runs: list[tuple[str, str, bool]] = []
        for x in range(COLUMNS):
            character = screen.buffer[y][x]
            colour = (
                character.fg if character.fg in COLOURS or len(character.fg) == 6 else "default"
            )
            if runs and runs[-1][1:] == (colour, character.bold):
                runs[-1] = (runs[-1][0] + character.data, *runs[-1][1:])
            else:
                runs.append((character.data, colour, character.bold))
        while runs and not runs[-1][0].strip():
            runs.pop()
        rows.append(runs)
    return rows


def svg(states: list[Frame]) -> str:
    """Returns an animation of the states: one below the other, moved past a window."""
    lines: dict[str, str] = {}
    strips = []
    height = ROWS * HEIGHT + 16
    for number, (_, screen) in enumerate(states):
        used = []
        for y, runs in enumerate(screen):
            if not runs:
                continue
            name = lines.setdefault(line_of(runs), f"l{len(lines)}")
            used.append(f'<use href="#{name}" y="{y * HEIGHT}"/>')
        strips.append(f'<g transform="translate(0 {number * height})">{"".join(used)}</g>')
    total = states[-1][0] + LAST_FRAME
    steps = "".join(
        f"{100 * at / total:.2f}%{{transform:translateY({-number * height}px)}}"
        for number, (at, _) in enumerate(states)
    )
    last = f"transform:translateY({-(len(states) - 1) * height}px)"
    width = COLUMNS * WIDTH + 24
    definitions = "".join(f'<g id="{name}">{line}</g>' for line, name in lines.items())
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height + 8}" '
        f'width="{width:.0f}" role="img" aria-label="A terminal: data, training, answers">\n'
        f"<style>text{{font:{SIZE}px ui-monospace,Menlo,Consolas,'DejaVu Sans Mono',monospace;"
        f"white-space:pre}}.b{{font-weight:bold}}"
        f".s{{animation:s {total:.1f}s step-end infinite}}@keyframes s{{{steps}}}"
        f"@media (prefers-reduced-motion:reduce){{.s{{animation:none;{last}}}}}</style>\n"
        f"<defs>{definitions}</defs>\n"
        f'<rect width="100%" height="100%" rx="6" fill="{BACKGROUND}"/>\n'
        f'<svg x="12" y="8" width="{COLUMNS * WIDTH:.0f}" height="{height}">'
        f'<g class="s">{"".join(strips)}</g></svg>\n</svg>\n'
    )


def line_of(runs: list[tuple[str, str, bool]]) -> str:
    """Returns a line of text as SVG; each run has its place and width, whatever the font."""
    parts, column = [], 0
    for text, colour, bold in runs:
        left = len(text) - len(text.lstrip())
        bare = text.strip()
        if bare:
            fill = COLOURS.get(colour, f"#{colour}")
            style = ' class="b"' if bold else ""
            parts.append(
                f'<text x="{(column + left) * WIDTH:.1f}" y="{SIZE}" fill="{fill}"{style} '
                f'textLength="{len(bare) * WIDTH:.1f}">{html.escape(bare)}</text>'
            )
        column += len(text)
    return "".join(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, help="gets data, model and terminal.cast")
    parser.add_argument("--redraw", action="store_true", help="only draw what was recorded there")
    arguments = parser.parse_args()
    folder = arguments.folder.resolve()
    cast, here = folder / "terminal.cast", Path(__file__).parent
    if not arguments.redraw:
        folder.mkdir(parents=True)
        header = {"version": 2, "width": COLUMNS, "height": ROWS, "idle_time_limit": 2}
        lines = [json.dumps(event) for event in (header, *record(folder))]
        cast.write_text("\n".join(lines), encoding="utf-8")
    shown = [tuple(json.loads(line)) for line in cast.read_text(encoding="utf-8").split("\n")[1:]]
    (here / "terminal.svg").write_text(svg(frames(shown)), encoding="utf-8")
    curves = Image.open(folder / "model" / "curves.png").convert("RGB")
    curves.quantize(64).save(here / "curves.png", optimize=True)


if __name__ == "__main__":
    main()
