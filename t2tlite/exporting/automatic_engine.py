"""The engine of `--engine=auto`: Keras, but CTranslate2 for greedy search."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from t2tlite import libraries
from t2tlite.decode.ctranslate2 import POSITIONS, CTranslate2Engine, check_search
from t2tlite.decode.decode_hparams import DecodeHParams
from t2tlite.decode.engine import Answer, Engine, Row
from t2tlite.decode.keras_engine import KerasEngine
from t2tlite.decode.model_folder import ModelFolder
from t2tlite.devices.devices import Devices
from t2tlite.errors import Error, HParamsError
from t2tlite.exporting import ctranslate2

log = logging.getLogger(__name__)


ENGINES = ("auto", "keras")


def engine_maker(
    name: str, checkpoint: str | int, device: Devices | None
) -> Callable[[ModelFolder], Engine] | None:
    """Returns what makes the engine of a `Decoder`; None: its own, which is Keras.

    Args:
      name: one of ENGINES.
      checkpoint, device: as for `KerasEngine`.

    Raises:
      HParamsError: the name isn't one of them.
    """
    if name not in ENGINES:
        raise HParamsError(f"engine={name!r}; expected one of {', '.join(ENGINES)}")
    if name == "keras" or not libraries.is_installed("ctranslate2"):
        return None
    return lambda folder: AutomaticEngine(folder, checkpoint, device)


class _JustExported(CTranslate2Engine):
    def _check_origin(self) -> None:
        """Does nothing: the export was made from the weights at hand."""


class AutomaticEngine(KerasEngine):
    """Keras's engine, which leaves greedy search on a CPU to CTranslate2 if that is installed.

    Greedy search gives the same answers there. A beam search may not: CTranslate2 ends it otherwise
    (docs/export.md). What CTranslate2 can't do, Keras does: other models, samples, prefixes,
    streams. The first greedy search exports the weights to a temporary folder and loads them.

    Args:
      folder, checkpoint, device: as for `KerasEngine`.
    """

    def __init__(
        self, folder: ModelFolder, checkpoint: str | int = "", device: Devices | None = None
    ):
        super().__init__(folder, checkpoint, device)
        self._is_possible = self.is_one_device and self._device.kind == "CPU"

    def load_checkpoint(self, checkpoint: str | int) -> None:
        super().load_checkpoint(checkpoint)
        self._exported: CTranslate2Engine | None = None

    def search(
        self, rows: Sequence[Row], decode_hparams: DecodeHParams, seed: int | None = None
    ) -> list[list[Answer]]:
        exported = self._export() if self._is_greedy(rows, decode_hparams) else None
        if exported is None:
            return super().search(rows, decode_hparams, seed)
        return exported.search(rows, decode_hparams)

    def warm_up(self, decode_hparams: DecodeHParams, rows: int, stream: bool) -> None:
        if stream or not self._is_greedy([], decode_hparams) or not self._export():
            super().warm_up(decode_hparams, rows, stream)

    def _is_greedy(self, rows: Sequence[Row], decode_hparams: DecodeHParams) -> bool:
        """Whether CTranslate2 searches as Keras does with these hparams, and takes the rows."""
        longest = max((row.size for row in rows), default=0) + decode_hparams.extra_length
        if decode_hparams.beam_size > 1 or longest > POSITIONS or any(row.prefix for row in rows):
            return False
        try:
            check_search(self._folder, decode_hparams)
        except Error:
            return False
        return True

    def _export(self) -> CTranslate2Engine | None:
        """Returns CTranslate2 with the weights; None if it can't have them."""
        if self._exported or not self._is_possible:
            return self._exported
        try:
            with tempfile.TemporaryDirectory(prefix="t2tlite.") as folder:
                path = Path(folder, "model")
                ctranslate2.write(self._folder, self.network, self.weights.stem, path)
                self._exported = _JustExported(self._folder, path)
        except (Error, OSError) as error:
            self._is_possible = False
            log.info("Keras does the greedy search: %s", error)
        else:
            log.info("CTranslate2 does the greedy search; --engine=keras leaves it to Keras")
        return self._exported
