"""`LoadedModel`: a model folder with the weights of a checkpoint in an engine."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from t2tlite import console
from t2tlite.checkpoint import run_record
from t2tlite.decode import ensemble_members, mbr
from t2tlite.decode.decode_hparams import DecodeHParams
from t2tlite.decode.engine import Engine
from t2tlite.decode.keras_engine import KerasEngine
from t2tlite.decode.model_folder import ModelFolder
from t2tlite.devices import devices
from t2tlite.errors import DeviceError, HParamsError


class LoadedModel:
    """What a `Decoder` is made of; its arguments and attributes are those of a `Decoder`.

    `output_dir` may also be a `ModelFolder` that is open already.
    """

    def __init__(
        self,
        output_dir: str | os.PathLike[str] | ModelFolder,
        checkpoint: str | int = "",
        decode_hparams: str | Mapping[str, Any] | DecodeHParams = "",
        usr_dirs: Sequence[str] = (),
        device: devices.Devices | None = None,
        make_engine: Callable[[ModelFolder], Engine] | None = None,
        ensemble: Sequence[str | os.PathLike[str]] = (),
        ensemble_checkpoints: Sequence[str | int] = (),
    ):
        if not isinstance(output_dir, ModelFolder):
            output_dir = ModelFolder(output_dir, usr_dirs)
        self.folder: ModelFolder = output_dir
        defaults = self.folder.run.decode_hparams
        try:
            DecodeHParams.of("", defaults).check()
        except HParamsError as error:
            raise HParamsError(f"{Path(self.folder.path, run_record.NAME)}: {error}") from None
        self.decode_hparams = DecodeHParams.of(decode_hparams, defaults).check()
        mbr.check(self.folder, self.decode_hparams)
        self.output_dir, self.run = self.folder.path, self.folder.run
        self.problem, self.hparams = self.folder.problem, self.folder.hparams
        self.problem_hparams = self.folder.problem_hparams
        self.encoders, self.classifies = self.folder.encoders, self.folder.classifies
        if self.decode_hparams.decode_tag:
            # An error at once rather than with the first line.
            self.folder.tags.matching(self.decode_hparams.decode_tag)
        members = ensemble_members.find(
            self.folder, checkpoint, ensemble, ensemble_checkpoints, usr_dirs
        )
        # Other engines have no ensembles, and don't read `ensemble_checkpoints`, of which there may
        # be one.
        if make_engine is None or ensemble or ensemble_checkpoints:
            self.engine: Engine = KerasEngine(self.folder, checkpoint, device, members)
        else:
            self.engine = make_engine(self.folder)

    def load_checkpoint(self, checkpoint: str | int) -> None:
        """Loads another checkpoint of the same model: a step, "best", or a path.

        Raises:
          CheckpointError: there is no such checkpoint, or it is of another model.
        """
        self.engine.load_checkpoint(checkpoint)

    @property
    def network(self) -> Any:
        """The Keras model.

        Raises:
          DeviceError: the engine is another one.
        """
        if not isinstance(self.engine, KerasEngine):
            raise DeviceError(f"{self.engine.backend} has no Keras model; use --engine=keras")
        return self.engine.network

    @property
    def weights(self) -> Path:
        """The weights file."""
        return self.engine.weights

    @property
    def checkpoint_name(self) -> str:
        """The weights file's name without its ending, as in T2T's output file names."""
        return self.weights.name.removesuffix(".safetensors")

    @property
    def labels(self) -> list[str]:
        """All class labels by number; empty unless the model is a classifier."""
        encoder = self.encoders["targets"]
        return [encoder.decode([i]) for i in range(encoder.vocab_size)] if self.classifies else []

    @property
    def has_attention(self) -> bool:
        """Whether `attention` works."""
        return self.engine.has_attention

    def samples(self, decode_hparams: DecodeHParams) -> bool:
        """Whether answers are drawn at random, one per line, instead of searched."""
        return self.folder.samples(decode_hparams)

    def warm_up(self, decode_hparams: DecodeHParams, rows: int = 1, stream: bool = False) -> None:
        """Traces or compiles what `n_best` needs for this many short lines, or `stream` for one."""
        self.engine.warm_up(decode_hparams, rows, stream)

    def summary(self) -> dict[str, str]:
        """Returns what the decoder is, by name, as it is shown."""
        changed = self.decode_hparams.changes()
        return {
            "folder": self.output_dir,
            "problem": self.run.problem,
            "model": f"{self.run.model}, hparams set {self.run.hparams_set or 'unknown'}",
            "checkpoint": self.checkpoint_name,
            "decode_hparams": ", ".join(f"{name}={value!r}" for name, value in changed.items()),
        }

    def __repr__(self) -> str:
        shown = [f"{name}={value!r}" for name, value in self.summary().items() if value]
        return f"{type(self).__name__}({', '.join(shown)})"

    def _repr_html_(self) -> str:
        return console.html_table(type(self).__name__, self.summary())
