"""`TaskTag`: how the texts of a mixture's member begin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class TaskTag:
    """How a member's texts begin.

    Attributes:
      member: its name.
      tag: before its inputs, or the texts of a language model; "": none.
      target_tag: before its targets; "": none.
      prefixes: the member's own `inputs_prefix` and `targets_prefix`, by feature.
    """

    member: str
    tag: str = ""
    target_tag: str = ""
    prefixes: Mapping[str, str] = field(default_factory=dict)

    def ids(self, encoders: Mapping[str, Any]) -> dict[str, list[int]]:
        """Returns the ids that examples begin with, by feature; {} without tags.

        Args:
          encoders: of the mixture, by feature.
        """
        feature = "inputs" if "inputs" in encoders else "targets"
        texts = {"targets": self.target_tag, feature: self.tag}
        if feature == "targets":
            texts["targets"] = self.tag + self.target_tag
        return {name: list(encoders[name].encode(text)) for name, text in texts.items() if text}
