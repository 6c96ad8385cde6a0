"""Writes scalars as TensorBoard events, without TensorFlow."""

from __future__ import annotations

import itertools
import os
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from t2tlite.data.records import framed
from t2tlite.files import cannot_write, make_folder

# Tells the files apart that a process writes to one folder within a second.
_numbers = itertools.count()


class EventWriter:
    """Appends scalars to a new file of events in a folder, which is created if it is missing.

    Raises:
      OutputError: the folder or the file can't be written.
    """

    def __init__(self, folder: str | os.PathLike[str]):
        self._path = Path(
            make_folder(folder),
            f"events.out.tfevents.{int(time.time()):010d}.{socket.gethostname()}.{os.getpid()}."
            f"{next(_numbers)}",
        )
        self._append(file_version="brain.Event:2")

    def write(self, step: int, values: Mapping[str, float], seconds: float | None = None) -> None:
        """Writes the values of a step, by name; `seconds` is their time, by default now."""
        from tensorboard.compat.proto.summary_pb2 import Summary

        scalars = [Summary.Value(tag=name, simple_value=values[name]) for name in values]
        self._append(seconds, step=step, summary=Summary(value=scalars))

    def _append(self, seconds: float | None = None, **event: Any) -> None:
        # The import takes 0.2 seconds.
        from tensorboard.compat.proto.event_pb2 import Event

        message = Event(wall_time=seconds or time.time(), **event)
        try:
            with open(self._path, "ab") as file:
                file.write(framed(message.SerializeToString()))
        except OSError as error:
            raise cannot_write(self._path, error) from error
