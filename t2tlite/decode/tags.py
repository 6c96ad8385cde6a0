"""The tags of a model of several problems: which one a line is decoded with."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from t2tlite.assignments import shown
from t2tlite.errors import DataError
from t2tlite.mixtures.task_tag import TaskTag


class Beginning(NamedTuple):
    """What comes before a line, and before its answer.

    Attributes:
      ids: before the ids of `text`.
      text: the line without a tag, with the member's own prefix.
      answer_ids: what every answer begins with.
    """

    ids: Sequence[int]
    text: str
    answer_ids: Sequence[int] = ()


class Tags:
    """The tags of a trained mixture; a model of one problem has none.

    Args:
      tags: of each member.
      encoders: by feature.
      prefix: the text that a model of one problem puts before every line.
    """

    def __init__(self, tags: Sequence[TaskTag], encoders: Mapping[str, Any], prefix: str = ""):
        self.members = list(tags)
        self._encoders, self._prefix = encoders, prefix
        self._feature = "inputs" if "inputs" in encoders else "targets"
        self._ids = {one.member: one.ids(encoders) for one in tags}
        self._untagged = next((one for one in tags if not (one.tag or one.target_tag)), None)

    @property
    def names(self) -> list[str]:
        """The texts that `decode_tag` may be, without the names of the members."""
        texts = [text for one in self.members for text in (one.tag, one.target_tag)]
        return [text for text in dict.fromkeys(texts) if text]

    def matching(self, decode_tag: str) -> list[TaskTag]:
        """Returns the members that a tag, or the name of one, stands for.

        Raises:
          DataError: there is none.
        """
        if not self.members:
            raise DataError(
                f"decode_tag={shown(decode_tag, quoted=True)}: the model learned one problem and "
                f"has no tags; leave it out"
            )
        found = [one for one in self.members if decode_tag in (one.member, one.tag, one.target_tag)]
        if not found:
            known = [*self.names, *(one.member for one in self.members)]
            raise DataError(
                f"decode_tag={shown(decode_tag, quoted=True)} is none of the model's tags and "
                f"problems: {', '.join(known)}"
            )
        return found

    def beginning(self, line: str, decode_tag: str, name: str) -> Beginning:
        """Returns what a line begins with.

        Args:
          line: a text; without `decode_tag` it may begin with a tag.
          decode_tag: a tag or a member; "": that of the line, or none if a member has none.
          name: of the line, for messages.

        Raises:
          DataError: there is no such tag, or the line has none and every member has one.
        """
        if decode_tag:
            return self._of(self.matching(decode_tag)[0], line)
        if not self.members:
            return Beginning((), self._prefix + line)
        for one in self._longest_first:
            if line.startswith(one.tag):
                return self._of(one, line.removeprefix(one.tag))
        if self._untagged is None:
            raise DataError(
                f"{name} begins with none of the model's tags, {', '.join(self.names)}; give one "
                f"of them as decode_tag"
            )
        return self._of(self._untagged, line)

    @functools.cached_property
    def _longest_first(self) -> list[TaskTag]:
        return sorted((one for one in self.members if one.tag), key=lambda one: -len(one.tag))

    def _of(self, one: TaskTag, line: str) -> Beginning:
        ids = self._ids[one.member]
        if self._feature == "targets":
            # A language model's line is the beginning of its answer, without a prefix.
            return Beginning(ids.get("targets", ()), line)
        prefix = one.prefixes.get("inputs", "")
        return Beginning(ids.get("inputs", ()), prefix + line, ids.get("targets", ()))

    def without(self, ids: Sequence[int]) -> Sequence[int]:
        """Returns the ids of an answer without the tag that it begins with."""
        for one in self.members:
            tag = self._ids[one.member].get("targets")
            if tag and list(ids[: len(tag)]) == tag:
                return ids[len(tag) :]
        return ids
