"""Where an interactive session shows its answers: a terminal, or a pipe that a program reads."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Sequence

from t2tlite import console
from t2tlite.decode.attention_maps import AttentionMap
from t2tlite.decode.decode_hparams import Hypothesis

# What a wide terminal is to who reads a pipe.
_PIPE_WIDTH = 1_000_000


class Pipe:
    """Plain lines, each there as soon as it is known; complaints go to standard error."""

    def show(
        self, answers: Sequence[Hypothesis], several: bool = False, probabilities: bool = False
    ) -> None:
        """Shows the answers to a line; of none, a blank line.

        Args:
          answers: best first.
          several: show scores, too.
          probabilities: as probabilities and not their logarithms.
        """
        lines = []
        for one in answers:
            score = math.exp(one.score) if probabilities else one.score
            lines.append(f"{score:8.3f}  {one.text}" if several else one.text)
        self.tell("\n".join(lines))

    def draw(self, found: AttentionMap) -> None:
        """Shows a heat map."""
        self.tell(found.terminal(_PIPE_WIDTH).plain)

    def tell(self, text: str) -> None:
        """Shows text that was asked for."""
        print(text, flush=True)

    def complain(self, text: str) -> None:
        """Tells what went wrong."""
        print(text, file=sys.stderr, flush=True)


class Terminal:
    """Tables, colours and tokens as they come."""

    def __init__(self) -> None:
        self._console = console.output()

    def show(
        self, answers: Sequence[Hypothesis], several: bool = False, probabilities: bool = False
    ) -> None:
        """Shows the answers to a line; of none, nothing.

        Args:
          answers: best first.
          several: as a table with scores.
          probabilities: as probabilities and not their logarithms.
        """
        if not several:
            for one in answers:
                self._console.out(one.text)
            return
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, pad_edge=False)
        table.add_column("", justify="right", style="dim")
        table.add_column("probability" if probabilities else "score", justify="right", style="cyan")
        table.add_column("")
        for number, one in enumerate(answers, start=1):
            score = f"{math.exp(one.score):.1%}" if probabilities else f"{one.score:.3f}"
            table.add_row(str(number), score, Text(one.text))
        self._console.print(table)

    def write(self, answers: Iterable[Hypothesis]) -> Hypothesis:
        """Writes an answer as it grows, and returns the last of what came."""
        written, last = "", Hypothesis("", 0.0, [])
        for last in answers:
            # A letter of several bytes may come in halves.
            text = last.text.rstrip("\ufffd")
            if text.startswith(written):
                self._console.out(text[len(written) :], end="")
                written = text
        if not last.text.startswith(written):
            # A tokenizer whose later tokens change how earlier ones read.
            self._console.out("")
            written = ""
        self._console.out(last.text[len(written) :])
        return last

    def draw(self, found: AttentionMap) -> None:
        """Shows a heat map."""
        self._console.print(found.terminal(self._console.width))

    def tell(self, text: str) -> None:
        """Shows text that was asked for."""
        self._console.out(text)

    def complain(self, text: str) -> None:
        """Tells what went wrong."""
        self._console.print(text, style="red")
