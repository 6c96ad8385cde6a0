"""What text and ids depend on: a model folder without its weights."""

from __future__ import annotations

import os
from collections.abc import Sequence

from t2tlite import registry
from t2tlite.checkpoint import run_record
from t2tlite.config import HParams
from t2tlite.data.encoding import Encoding
from t2tlite.decode.decode_hparams import DecodeHParams


class ModelFolder:
    """A model folder without its weights.

    Args:
      output_dir: what t2t-trainer wrote.
      usr_dirs: as for `Decoder`.

    Attributes:
      problem_hparams: modalities and vocabulary sizes by feature.
      encoders: by feature.
      text_prefixes: by feature, the text that the problem puts before every text.
      encoding: encodes texts with their prefixes.
      classifies: whether the answers are class labels.

    Raises:
      Error: the folder holds no model, or its vocabulary or plugins are missing.
    """

    def __init__(self, output_dir: str | os.PathLike[str], usr_dirs: Sequence[str] = ()):
        self.path = str(output_dir)
        self.run = run_record.read(output_dir)
        usr_dirs = usr_dirs.split(",") if isinstance(usr_dirs, str) else usr_dirs
        run_record.load_plugins(self.run, [folder for folder in usr_dirs if folder])
        self.run.check_vocabularies(output_dir)
        self.problem = registry.problem(self.run.problem)
        self.hparams = HParams.from_values(self.run.hparams)
        self.problem_hparams = self.problem.get_hparams(self.hparams, self.path)
        self.encoders = self.problem_hparams.vocabulary
        self.classifies = self.problem_hparams.modality["targets"] == "class_label"
        features = ["inputs", "targets"]
        prefixes = [getattr(self.problem, f"{feature}_prefix", "") for feature in features]
        # The suffix _rev swaps the texts, and so their prefixes.
        if self.run.problem != self.problem.name and "_rev" in self.run.problem:
            prefixes.reverse()
        self.text_prefixes = dict(zip(features, prefixes, strict=True))
        self.encoding = Encoding(self.encoders, self.text_prefixes)

    def samples(self, decode_hparams: DecodeHParams) -> bool:
        """Whether answers are drawn at random, one per line, instead of searched."""
        method = decode_hparams.sampling_method or self.hparams.sampling_method
        return not self.classifies and method == "random"
