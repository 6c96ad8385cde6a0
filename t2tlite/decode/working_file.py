"""Answers on disk while a file is decoded, so that memory holds a batch and a kill loses no more.

{"decoding": DIGEST}
[INDEX OF A LINE, [[TEXT, SCORE, IDS], ...]]
...
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
from array import array
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO

from t2tlite.decode.decode_hparams import Hypothesis
from t2tlite.errors import OutputError
from t2tlite.files import cannot_write

log = logging.getLogger(__name__)


class WorkingFile(Mapping[int, list[Hypothesis]]):
    """The answers by index of their line, as `dict` has them.

    Args:
      file: open for reading and writing.
      digest: of all that the answers depend on; answers of another one are dropped.
    """

    def __init__(self, file: IO[bytes], digest: str):
        self._file = file
        # Where the line of each index begins; 0, where the head is: nowhere. A million take 8 MB.
        self._offsets = array("q")
        head = json.dumps({"decoding": digest}).encode() + b"\n"
        file.seek(0)
        end = 0
        if file.readline() == head:
            end = self._scan(len(head))
        file.seek(end)
        # What a kill left of a line is cut off.
        file.truncate()
        if not end:
            file.write(head)

    def _scan(self, end: int) -> int:
        """Finds the answers that are there; returns where the last whole line ends."""
        for line in self._file:
            try:
                index = json.loads(line)[0]
            except ValueError:
                break
            if not line.endswith(b"\n"):
                break
            self._note(index, end)
            end += len(line)
        return end

    def _note(self, index: int, offset: int) -> None:
        missing = index + 1 - len(self._offsets)
        if missing > 0:
            self._offsets.frombytes(bytes(missing * self._offsets.itemsize))
        self._offsets[index] = offset

    def update(self, answers: Iterable[tuple[int, list[Hypothesis]]]) -> None:
        """Adds answers; they outlive the process from then on."""
        end = self._file.seek(0, 2)
        for index, found in answers:
            row = [index, [[one.text, one.score, one.ids] for one in found]]
            self._note(index, end)
            end += self._file.write(json.dumps(row).encode() + b"\n")
        self._file.flush()

    def __contains__(self, index: object) -> bool:
        return isinstance(index, int) and index < len(self._offsets) and self._offsets[index] > 0

    def __getitem__(self, index: int) -> list[Hypothesis]:
        if index not in self:
            raise KeyError(index)
        self._file.seek(self._offsets[index])
        return [Hypothesis(*one) for one in json.loads(self._file.readline())[1]]

    def __iter__(self) -> Iterator[int]:
        return (index for index, offset in enumerate(self._offsets) if offset)

    def __len__(self) -> int:
        return len(self._offsets) - self._offsets.count(0)


@contextlib.contextmanager
def working_file(target: Path, digest: str) -> Iterator[WorkingFile]:
    """Opens the working file beside `target`; it goes when the block ends well.

    Raises:
      OutputError: it can't be written, or another process is writing it.
    """
    path = target.with_name(f".{target.name}.working")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        with open(path, "r+b") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise OutputError(
                    f"{target} is being written by another process; wait for it, or choose another "
                    f"--decode_to_file"
                ) from None
            answers = WorkingFile(file, digest)
            if answers:
                log.info("%s lines were decoded before; going on", f"{len(answers):,}")
            yield answers
            path.unlink()
    except OSError as error:
        raise cannot_write(path, error) from error
