"""Problem: what is learned. The hooks that all problems share, with T2T's names and meanings.

Users subclass `text_problems.Text2TextProblem` and its relatives, which implement most of these
hooks. `t2t-datagen` calls the hooks for generating data and vocabularies; `t2t-trainer` and
`t2t-decoder` those for the model and for reading. Features are named "inputs" and "targets". An
encoder is any object with `vocab_size`, `encode(text) -> list[int]` (without EOS) and
`decode(ids) -> str`; id 0 is padding, 1 is EOS.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.metadata
import inspect
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from t2tlite.batches.examples import Examples, Feature, MappedExamples
from t2tlite.batches.hooked_examples import dataset_of, read_hooked
from t2tlite.config import HParams, ProblemHParams
from t2tlite.data import generate
from t2tlite.data.manifest import Manifest, check_sizes
from t2tlite.data.records import find_shards, shard_paths
from t2tlite.data.streams import Stream
from t2tlite.errors import DataError
from t2tlite.files import plain_name
from t2tlite.metrics import Metrics
from t2tlite.registry import snake_case
from t2tlite.t2t_names import problem_hparams
from t2tlite.text.vocabulary import vocabulary_sha256
from t2tlite.version import __version__


class DatasetSplit:
    """T2T's names of the splits, as plain strings: plugins compare them with literals."""

    TRAIN = "train"
    EVAL = "eval"
    TEST = "test"


class SpaceID:
    """T2T's numbers of languages: indices into a learned table of the encoder."""

    GENERIC, IMAGE_LABEL, EN_CHR, EN_TOK, EN_BPE_TOK = range(5)
    FR_CHR, FR_TOK, DE_CHR, DE_TOK, DE_BPE_TOK = range(5, 10)
    DIGIT_0, DIGIT_1, AUDIO_WAV, AUDIO_SPECTRAL, PARSE_CHR, PARSE_TOK = range(10, 16)
    ZH_TOK, ICE_CHAR, ICE_TOK, ICE_PARSE_TOK, MK_TOK, CS_TOK, CS_CHR = range(16, 23)
    DNA, REAL, IMAGE, PEPTIDE, PY_TOK, CPP_TOK, STROKES, PICKLED_PYTHON = range(23, 31)


# The names of the splits in file names.
FILE_WORD = {DatasetSplit.TRAIN: "train", DatasetSplit.EVAL: "dev", DatasetSplit.TEST: "test"}

# Of a split: their names have five digits.
_MAX_SHARDS = 99_999


class Problem:
    """Base class of all problems. A property may be overridden by a plain class attribute.

    Args:
      was_reversed: swap inputs and targets when reading (`NAME_rev`).
      was_copy: use the inputs as targets, too, when reading (`NAME_copy`).

    Attributes:
      random_seed: seed of shuffles and splits; t2t-datagen sets it from --random_seed.
      num_workers: processes that encode and write; t2t-datagen sets it from --num_workers.
    """

    random_seed = 0
    num_workers = 1

    def __init__(self, was_reversed: bool = False, was_copy: bool = False) -> None:
        self._was_reversed = was_reversed
        self._was_copy = was_copy
        self._name: str | None = None
        self._encoders: dict[str, Any] | None = None

    @property
    def name(self) -> str:
        """The registered name, without `_rev` and `_copy`; names of data files start with it."""
        return self._name or snake_case(type(self).__name__)

    @name.setter
    def name(self, value: str) -> None:
        self._name = value

    @property
    def full_name(self) -> str:
        """The name with its suffixes, as `--problem` takes it."""
        return f"{self.name}{'_rev' * self._was_reversed}{'_copy' * self._was_copy}"

    # Hooks for generating data.

    def generate_data(self, data_dir: str, tmp_dir: str, task_id: int = -1) -> None:
        """Writes the shards of all splits into `data_dir`.

        Args:
          data_dir: the data folder.
          tmp_dir: the folder of downloads and of the user's own files.
          task_id: -1; other values are those of T2T's runs on several machines.
        """
        raise NotImplementedError(f"{type(self).__name__} has no generate_data")

    @property
    def num_generate_tasks(self) -> int:
        """How many independent tasks the samples of a split can be generated in.

        With more than one, `generate_samples` takes a fourth argument `task_id` and yields that
        part, such as `files[task_id :: self.num_generate_tasks]` of a list of files.
        """
        return 1

    @property
    def dataset_splits(self) -> list[dict[str, Any]]:
        """The splits with their numbers of shards: `[{"split": "train", "shards": 100}, ...]`."""
        return [
            {"split": DatasetSplit.TRAIN, "shards": 100},
            {"split": DatasetSplit.EVAL, "shards": 1},
        ]

    def dataset_filename(self) -> str:
        """Returns what the names of data files start with."""
        return self.name

    def training_filepaths(self, data_dir: str, num_shards: int, shuffled: bool) -> list[str]:
        """Returns the paths of the training shards."""
        return self._filepaths(DatasetSplit.TRAIN, data_dir, num_shards, shuffled)

    def dev_filepaths(self, data_dir: str, num_shards: int, shuffled: bool) -> list[str]:
        """Returns the paths of the evaluation shards."""
        return self._filepaths(DatasetSplit.EVAL, data_dir, num_shards, shuffled)

    def test_filepaths(self, data_dir: str, num_shards: int, shuffled: bool) -> list[str]:
        """Returns the paths of the test shards."""
        return self._filepaths(DatasetSplit.TEST, data_dir, num_shards, shuffled)

    def _filepaths(self, split: str, data_dir: str, shards: int, shuffled: bool) -> list[str]:
        stem = f"{self.dataset_filename()}{'' if shuffled else '-unshuffled'}-{FILE_WORD[split]}"
        return shard_paths(data_dir, stem, shards)

    def data_filepaths(self, data_dir: str) -> dict[str, list[str]]:
        """Returns the paths of all shards of `dataset_splits`, by split.

        Raises:
          DataError: a split has an unknown name, or no number of shards.
        """
        paths = {}
        for entry in self.dataset_splits:
            split, shards = (entry.get(key) for key in ("split", "shards"))
            if split not in FILE_WORD or split in paths:
                raise DataError(
                    f"{self.name}: dataset_splits names {split!r}; expected one of "
                    f"{', '.join(FILE_WORD)}, each at most once"
                )
            if not isinstance(shards, int) or not 1 <= shards <= _MAX_SHARDS:
                raise DataError(
                    f"{self.name}: dataset_splits gives {split!r} {shards!r} shards; expected a "
                    f"whole number from 1 to {_MAX_SHARDS:,}"
                )
            paths[split] = self._filepaths(split, data_dir, shards, True)
        if not paths:
            raise DataError(f"{self.name}: dataset_splits is empty; name a split and its shards")
        return paths

    def _dataset_of(
        self,
        streams: Sequence[Stream],
        data_dir: str,
        vocabularies: Iterable[str],
        tmp_dir: str = "",
    ) -> generate.Dataset:
        """Returns a data set that is ready to be written.

        Args:
          streams: samples with the shards that they go to.
          data_dir: the data folder.
          vocabularies: names of the vocabulary files, which the first stream may create.
          tmp_dir: the folder of the files that the samples are read from.
        """

        names = [plain_name(n, f"{self.name}: vocab_filename", DataError) for n in vocabularies]

        def hashes() -> dict[str, str]:
            paths = [Path(data_dir) / name for name in names]
            return {path.name: vocabulary_sha256(path) for path in paths if path.exists()}

        versions = {name: importlib.metadata.version(name) for name in ("sentencepiece", "numpy")}
        manifest = Manifest(
            problem=plain_name(
                self.dataset_filename(), f"{self.name}: dataset_filename", DataError
            ),
            seed=self.random_seed,
            source=self.source_sha256(),
            versions={"t2tlite": __version__, **versions},
        )
        return generate.Dataset(streams, data_dir, manifest, hashes, tmp_dir)

    def source_sha256(self) -> str:
        """Returns a hash of the class's source code; "" if the source isn't available."""
        try:
            return hashlib.sha256(inspect.getsource(type(self)).encode()).hexdigest()
        except (OSError, TypeError):
            return ""

    # Hooks for vocabularies.

    def feature_encoders(self, data_dir: str | None) -> dict[str, Any]:
        """Returns the encoders by feature, as the features are named in the data."""
        raise NotImplementedError(f"{type(self).__name__} has no feature_encoders")

    def get_feature_encoders(self, data_dir: str | None = None) -> dict[str, Any]:
        """Returns the encoders by feature; with `_rev` inputs and targets are swapped.

        Raises:
          VocabularyError: a vocabulary file is missing or damaged.
        """
        if self._encoders is None:
            self._encoders = dict(self.feature_encoders(data_dir))
        return self._swap(self._encoders)

    @property
    def vocabulary_filenames(self) -> list[str]:
        """The names of the vocabulary files that may be in the data folder."""
        return []

    # Hooks for the model.

    @property
    def has_inputs(self) -> bool:
        """Whether there is a feature "inputs"; a language model has only "targets"."""
        return True

    def hparams(self, defaults: ProblemHParams, model_hparams: HParams) -> None:
        """Fills `defaults` with modalities and vocabulary sizes, features named as in the data."""

    def get_hparams(
        self, model_hparams: HParams | None = None, data_dir: str | None = None
    ) -> ProblemHParams:
        """Returns modalities and vocabulary sizes; with `_rev` inputs and targets are swapped."""
        filled = ProblemHParams()
        self.get_feature_encoders(data_dir)
        filled.vocabulary = dict(self._encoders or {})
        self.hparams(filled, model_hparams or HParams())
        problem_hparams.translate(filled)
        for table in ("vocabulary", "vocab_size", "modality"):
            setattr(filled, table, self._swap(getattr(filled, table)))
        if self._was_reversed:
            spaces = filled.target_space_id, filled.input_space_id
            filled.input_space_id, filled.target_space_id = spaces
        return filled

    def _swap(self, by_feature: dict[str, Any]) -> dict[str, Any]:
        """Applies `_rev` and `_copy` to a dict by feature."""
        if self._was_reversed and "inputs" in by_feature and "targets" in by_feature:
            swapped = {"inputs": by_feature["targets"], "targets": by_feature["inputs"]}
            by_feature = {**by_feature, **swapped}
        if self._was_copy and "inputs" in by_feature:
            by_feature = {**by_feature, "targets": by_feature["inputs"]}
        return by_feature

    def eval_metrics(self) -> list[str]:
        """Returns the names of the metrics that evaluation computes."""
        return [Metrics.ACC, Metrics.ACC_TOP5, Metrics.ACC_PER_SEQ, Metrics.NEG_LOG_PERPLEXITY]

    @property
    def decode_hooks(self) -> list[Any]:
        """Functions that are called with the answers after a file was decoded.

        Each takes one argument, a `t2tlite.DecodeHookArgs`.
        """
        return []

    # Hooks for reading.

    @property
    def packed_length(self) -> int | None:
        """Length of a row of packed examples in tokens; None: the hparam max_length."""
        return None

    def filepattern(self, data_dir: str, mode: str, shard: int | None = None) -> str:
        """Returns a glob pattern of the shards of a split, "train", "eval" or "test"."""
        suffix = f"{shard:05d}" if shard is not None else ""
        return os.path.join(data_dir, f"{self.dataset_filename()}-{FILE_WORD[mode]}-{suffix}*")

    def shards(self, data_dir: str, split: str) -> list[str]:
        """Returns the paths of the existing shards of a split.

        Raises:
          DataError: shards are missing, or the size of one isn't that of the manifest.
        """
        stem = f"{self.dataset_filename()}-{FILE_WORD[split]}"
        paths = find_shards(data_dir, stem)
        check_sizes(data_dir, self.dataset_filename(), paths)
        return [str(path) for path in paths]

    @property
    def record_features(self) -> dict[str, Feature]:
        """How the features of batches are read from the records, by name.

        `example_reading_spec` says the same to TensorFlow, for plugins that override it.
        """
        names = ["inputs", "targets"] if self.has_inputs else ["targets"]
        return {name: Feature(name) for name in names}

    def read_examples(
        self, shards: Sequence[str], mode: str, hparams: HParams, for_training: bool | None = None
    ) -> Examples:
        """Returns the examples in shards of a split.

        They are read without TensorFlow, unless a plugin overrides a hook for reading. Then they
        are what `examples` makes of them, once, in memory.

        Args:
          shards: TFRecord files.
          mode, hparams, for_training: as for `examples`.

        Raises:
          DataError: a shard is damaged, or has other features.
        """
        hooks = self.example_reading_spec, self.preprocess_example, self.examples
        if not all(hook.__module__.startswith("t2tlite.") for hook in hooks):
            return read_hooked(
                shards,
                lambda records: self.examples(records, mode, hparams, for_training),
                self.name,
            )
        features = self.record_features
        if mode == DatasetSplit.TRAIN if for_training is None else for_training:
            for name, limit in _limits(hparams).items():
                if name in features and limit > 0:
                    features[name] = dataclasses.replace(features[name], limit=limit)
        return MappedExamples(shards, self._swap(features))

    def example_reading_spec(self) -> tuple[dict[str, Any], Any]:
        """Returns the features of a record: `tf.io` specs by name, and None.

        The second value was T2T's decoders, which text doesn't need.
        """
        import tensorflow as tf

        names = ["inputs", "targets"] if self.has_inputs else ["targets"]
        return {name: tf.io.VarLenFeature(tf.int64) for name in names}, None

    def preprocess_example(self, example: dict[str, Any], mode: str, hparams: HParams) -> Any:
        """Preprocesses an example with TensorFlow operations; by default, truncates it in training.

        Args:
          example: int64 tensors [length] by feature, as in the data.
          mode: the split.
          hparams: of the model; except in training, max_input_seq_length and max_target_seq_length
            are 0.

        Returns:
          The example, or a `tf.data.Dataset` of several.
        """
        for name, limit in _limits(hparams).items():
            if mode == DatasetSplit.TRAIN and limit > 0 and name in example:
                example[name] = example[name][:limit]
        return example

    def examples(
        self, serialized: Any, mode: str, hparams: HParams, for_training: bool | None = None
    ) -> Any:
        """Parses a tf.data.Dataset of serialized records.

        Args:
          serialized: the records.
          mode: the split.
          hparams: of the model.
          for_training: whether the hparams' limits truncate examples: an evaluation sees all of
            its data, and a reference is never cut. None: if the split is "train".

        Returns:
          A dataset of dicts of int32 tensors [length] by feature, with `_rev` and `_copy` applied.
        """
        spec, _ = self.example_reading_spec()
        if not (mode == DatasetSplit.TRAIN if for_training is None else for_training):
            # Here, so that a plugin's preprocess_example doesn't truncate either.
            hparams = hparams.copy()
            hparams.max_input_seq_length = hparams.max_target_seq_length = 0
        return dataset_of(
            serialized,
            spec,
            lambda example: self.preprocess_example(example, mode, hparams),
            self._swap,
        )


def _limits(hparams: HParams) -> dict[str, int]:
    """Returns the length, by feature, that training examples are truncated to; 0: not."""
    return {"inputs": hparams.max_input_seq_length, "targets": hparams.max_target_seq_length}
