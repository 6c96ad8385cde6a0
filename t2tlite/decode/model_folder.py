"""What a model folder says before its weights are loaded: all that text and ids depend on."""

from __future__ import annotations

import os
from collections.abc import Sequence

from t2tlite import registry
from t2tlite.checkpoint import run_record
from t2tlite.config import HParams
from t2tlite.decode.decode_hparams import DecodeHParams


class ModelFolder:
    """A model folder without its weights.

    Args:
      output_dir: what t2t-trainer wrote.
      usr_dirs: plugin folders, if they have moved since training.

    Attributes:
      path: the folder.
      run: its run record.
      problem: what it was trained on.
      hparams: of the model.
      problem_hparams: modalities and vocabulary sizes by feature.
      encoders: by feature.
      text_prefixes: by feature, the text that the problem puts before every text.
      classifies: whether the answers are class labels.

    Raises:
      Error: the folder holds no model, or its vocabulary or plugins are missing.
    """

    def __init__(self, output_dir: str | os.PathLike[str], usr_dirs: Sequence[str] = ()):
        self.path = str(output_dir)
        self.run = run_record.read(output_dir)
        run_record.load_plugins(self.run, list(usr_dirs))
        self.run.check_vocabularies(output_dir)
        self.problem = registry.problem(self.run.problem)
        self.hparams = HParams.from_values(self.run.hparams)
        self.problem_hparams = self.problem.get_hparams(self.hparams, self.path)
        self.encoders = self.problem_hparams.vocabulary
        self.classifies = self.problem_hparams.modality["targets"] == "class_label"
        inputs_prefix = getattr(self.problem, "inputs_prefix", "")
        targets_prefix = getattr(self.problem, "targets_prefix", "")
        # The suffix _rev swaps the texts, and so their prefixes.
        if self.run.problem != self.problem.name and "_rev" in self.run.problem:
            inputs_prefix, targets_prefix = targets_prefix, inputs_prefix
        self.text_prefixes = {"inputs": inputs_prefix, "targets": targets_prefix}

    def samples(self, decode_hparams: DecodeHParams) -> bool:
        """Whether answers are drawn at random, one per line, instead of searched."""
        method = decode_hparams.sampling_method or self.hparams.sampling_method
        return not self.classifies and method == "random"
