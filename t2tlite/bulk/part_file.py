"""The results of an unfinished piece of work, which a killed process doesn't lose."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import os
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

from t2tlite.checkpoint import run_record
from t2tlite.decode import batches
from t2tlite.decode.decoder import Decoder

log = logging.getLogger(__name__)


class PartFile:
    """What a model gave for each batch so far: a line of JSON per batch, in the order of the work.

        {"decoding": DIGEST}
        RESULTS OF THE FIRST BATCH
        ...

    Args:
      file: open for reading and appending.
      digest: of all that the results depend on; results of another digest are dropped.
    """

    def __init__(self, file: IO[bytes], digest: str):
        self._file = file
        header = json.dumps({"decoding": digest}).encode() + b"\n"
        file.seek(0)
        if file.readline() != header:
            file.seek(0)
            file.truncate()
            file.write(header)
        if saved := sum(line.endswith(b"\n") for line in file):
            log.info("resuming after %d batches", saved)
        file.seek(len(header))

    def read(self) -> Any:
        """Returns the results of the next batch; None after the last."""
        end = self._file.tell()
        line = self._file.readline()
        if not line.endswith(b"\n"):
            # A killed process may have left a part of a line.
            self._file.truncate(end)
            return None
        return json.loads(line)

    def append(self, results: Any) -> None:
        """Saves the results of a batch, anything but None that JSON can hold."""
        self._file.write(json.dumps(results).encode() + b"\n")
        self._file.flush()


def digest_of(decoder: Decoder, files: Iterable[str | os.PathLike[str]], *values: Any) -> str:
    """Returns a hash of all that a decoder's answers to the texts in files depend on.

    Args:
      decoder: its weights, run record and decode hparams are in it.
      files: their contents are in it.
      values: whatever else, as JSON.
    """
    hashes = []
    for path in (*decoder.engine.all_weights, *files):
        with open(path, "rb") as file:
            hashes.append(hashlib.file_digest(file, "sha256").hexdigest())
    run = Path(decoder.output_dir, run_record.NAME).read_text(encoding="utf-8")
    engine, decode_hparams = decoder.engine, dataclasses.asdict(decoder.decode_hparams)
    everything = [hashes, run, decode_hparams, engine.backend, engine.row_shares]
    everything += [batches.BATCH_TOKENS, *values]
    return hashlib.sha256(json.dumps(everything).encode()).hexdigest()
