"""What text and ids depend on: a model folder without its weights."""

from __future__ import annotations

import os
from collections.abc import Sequence

from t2tlite.checkpoint import run_record, trained_problem
from t2tlite.checkpoint.description import EVALUATION, HOOKS
from t2tlite.config import HParams
from t2tlite.decode.decode_hparams import DecodeHParams
from t2tlite.decode.tags import Tags
from t2tlite.files import folder_path
from t2tlite.mixtures.mixture import Mixture
from t2tlite.problem import Problem


class ModelFolder:
    """A model folder without its weights.

    Args:
      output_dir: what t2t-trainer wrote; with `run`, any folder with the vocabularies.
      usr_dirs: as for `Decoder`.
      run, problem: of a training in this process; None: those of the folder.

    Attributes:
      problem: made from run.json, or the plugin's where decoding needs code of it.
      problem_hparams: modalities and vocabulary sizes by feature.
      encoders: by feature.
      text_prefixes: by feature, the text that the problem puts before every text.
      tags: of the members of a mixture.
      classifies: whether the answers are class labels.
      generates: whether the answers are texts, rather than class labels or numbers.

    Raises:
      Error: the folder holds no model, or its vocabulary or plugins are missing.
    """

    def __init__(
        self,
        output_dir: str | os.PathLike[str],
        usr_dirs: Sequence[str] = (),
        run: run_record.RunRecord | None = None,
        problem: Problem | None = None,
    ):
        self.path = folder_path(output_dir, "output_dir")
        self.run = run or run_record.read(self.path)
        usr_dirs = usr_dirs.split(",") if isinstance(usr_dirs, str) else usr_dirs
        self._usr_dirs = [folder for folder in usr_dirs if folder]
        if run is None:
            self.run.check_vocabularies(self.path)
        self.problem = problem or trained_problem.load(self.run, self.path, self._usr_dirs)
        self.hparams = HParams.from_values(self.run.hparams)
        self.problem_hparams = self.problem.get_hparams(self.hparams, self.path)
        self.encoders = self.problem_hparams.vocabulary
        modality = self.problem_hparams.modality["targets"]
        self.classifies, self.generates = modality == "class_label", modality == "symbol"
        self.text_prefixes = self.problem.text_prefixes
        members = self.problem.task_tags if isinstance(self.problem, Mixture) else []
        prefix = self.text_prefixes["inputs"] if self.problem.has_inputs else ""
        self.tags = Tags(members, self.encoders, prefix)

    def problem_with_hooks(self) -> Problem:
        """Returns the problem whose decode hooks are to be called after a file was decoded.

        Raises:
          PluginError: it has some, and their plugin can't be loaded.
        """
        return trained_problem.load(self.run, self.path, self._usr_dirs, HOOKS)

    def problem_with_data(self) -> Problem:
        """Returns the problem that reads its data.

        Raises:
          PluginError: that needs code of a plugin that can't be loaded.
        """
        return trained_problem.load(self.run, self.path, self._usr_dirs, EVALUATION)

    def samples(self, decode_hparams: DecodeHParams) -> bool:
        """Whether answers are drawn at random, one per line, instead of searched."""
        method = decode_hparams.sampling_method or self.hparams.sampling_method
        return self.generates and method == "random"
