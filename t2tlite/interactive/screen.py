"""Shows the answers of an interactive session."""

from __future__ import annotations

import contextlib
import math
import sys
from collections.abc import Iterable, Sequence

from t2tlite import console
from t2tlite.decode.attention_maps import AttentionMap
from t2tlite.decode.decode_hparams import Hypothesis

# Disables wrapping where the output isn't a terminal.
_PIPE_WIDTH = 1_000_000


class Screen:
    """Standard output: tables, colours and growing text on a terminal, plain lines in a pipe."""

    def __init__(self, is_terminal: bool):
        self.is_terminal = is_terminal
        self._console = console.output()

    def show(
        self, answers: Sequence[Hypothesis], scores: bool = False, probabilities: bool = False
    ) -> None:
        """Shows the answers to a line. Without any, a pipe gets a blank line.

        With `scores` it shows their scores too, with `probabilities` as such, not as logarithms.
        """
        if scores and self.is_terminal:
            self._show_table(answers, probabilities)
        elif answers or not self.is_terminal:
            lines = []
            for answer in answers:
                score = math.exp(answer.score) if probabilities else answer.score
                lines.append(f"{score:8.3f}  {answer.text}" if scores else answer.text)
            print("\n".join(lines), flush=True)

    def _show_table(self, answers: Sequence[Hypothesis], probabilities: bool) -> None:
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, pad_edge=False)
        table.add_column("", justify="right", style="dim")
        table.add_column("probability" if probabilities else "score", justify="right", style="cyan")
        table.add_column("")
        for number, answer in enumerate(answers, start=1):
            score = f"{math.exp(answer.score):.1%}" if probabilities else f"{answer.score:.3f}"
            table.add_row(str(number), score, Text(answer.text))
        self._console.print(table)

    def stream(self, answers: Iterable[Hypothesis]) -> Hypothesis:
        """Writes an answer while it grows, from its states after each token; returns the last."""
        written, last = "", Hypothesis("", 0.0, [])
        for last in answers:
            # The bytes of a character may come in several tokens.
            text = last.text.rstrip("\ufffd")
            if text.startswith(written):
                print(text[len(written) :], end="", flush=True)
                written = text
        if not last.text.startswith(written):
            # Later tokens changed how earlier ones are spelled.
            print()
            written = ""
        print(last.text[len(written) :], flush=True)
        return last

    def busy(self, what: str) -> contextlib.AbstractContextManager[object]:
        """Shows during a block, on a terminal, what is done before the answer."""
        return self._console.status(what) if self.is_terminal else contextlib.nullcontext()

    def draw(self, attention: AttentionMap) -> None:
        """Shows a heat map."""
        if self.is_terminal:
            self._console.print(attention.terminal(self._console.width))
        else:
            print(attention.terminal(_PIPE_WIDTH).plain, flush=True)

    def print_error(self, text: str) -> None:
        """Writes an error message: in red, or to standard error if the output is a pipe."""
        if self.is_terminal:
            self._console.print(text, style="red")
        else:
            print(text, file=sys.stderr, flush=True)
