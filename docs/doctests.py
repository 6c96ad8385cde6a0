"""Makes code blocks of the examples in docstrings, which mkdocstrings takes for quotations."""

from __future__ import annotations

import re
from typing import Any

import griffe

# From a line with a prompt to the next blank line.
EXAMPLE = re.compile(r"^>>> .*?(?=\n\s*\n|\Z)", re.M | re.S)


class Doctests(griffe.Extension):
    """The extension of griffe, which reads the docstrings."""

    def on_instance(self, *, obj: griffe.Object, **options: Any) -> None:
        """Changes the docstring of each module, class and function."""
        if obj.docstring:
            text = obj.docstring.value
            obj.docstring.value = EXAMPLE.sub(lambda one: f"```pycon\n{one[0]}\n```", text)
