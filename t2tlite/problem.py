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
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from t2tlite import libraries
from t2tlite.batches.batching import limits_of
from t2tlite.batches.examples import Examples, MappedExamples, RecordFeature, read_stored
from t2tlite.batches.hooked_examples import read_hooked
from t2tlite.batches.prepend import JoinedExamples
from t2tlite.batches.taught_examples import TaughtExamples
from t2tlite.config import HParams, ProblemHParams
from t2tlite.data import generate
from t2tlite.data.manifest import Manifest
from t2tlite.data.streams import Stream
from t2tlite.errors import DataError
from t2tlite.files import plain_name
from t2tlite.metrics import Metrics
from t2tlite.problem_files import FILE_WORD as FILE_WORD
from t2tlite.problem_files import DatasetSplit as DatasetSplit
from t2tlite.problem_files import ProblemFiles
from t2tlite.problem_page import ProblemPage
from t2tlite.t2t_names import problem_hparams
from t2tlite.t2t_names.spaces import SpaceID as SpaceID
from t2tlite.text.vocabulary import vocabulary_sha256
from t2tlite.version import __version__


class Problem(ProblemFiles, ProblemPage):
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
        self._encoders: dict[str, Any] | None = None

    @property
    def full_name(self) -> str:
        """The name with its suffixes, as `--problem` takes it."""
        return f"{self.name}{'_rev' * self._was_reversed}{'_copy' * self._was_copy}"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.full_name!r})"

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
    def multiprocess_generate(self) -> bool:
        """Whether a `generate_data` of your own writes one part only, that of its `task_id`.

        It is then called for each of the `num_generate_tasks`, after `prepare_to_generate`; with
        --task_id only for that one.
        """
        return False

    def prepare_to_generate(self, data_dir: str, tmp_dir: str) -> None:
        """Does what all parts need, such as downloads and the vocabulary; by default nothing."""

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
        """Returns modalities and vocabulary sizes; with `_rev` inputs and targets are swapped.

        As in T2T, the data folder may also be an hparam `data_dir`.
        """
        filled = ProblemHParams()
        self.get_feature_encoders(data_dir or getattr(model_hparams, "data_dir", None))
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

    @property
    def text_prefixes(self) -> dict[str, str]:
        """The text put before every text, by feature; with `_rev` they are swapped, too."""
        names = ("inputs", "targets")
        return self._swap({name: getattr(self, f"{name}_prefix", "") for name in names})

    def eval_metrics(self) -> list[str]:
        """Returns the names of the metrics that evaluation computes."""
        return [Metrics.ACC, Metrics.ACC_TOP5, Metrics.ACC_PER_SEQ, Metrics.NEG_LOG_PERPLEXITY]

    @property
    def decode_hooks(self) -> list[Any]:
        """Functions that are called with the answers after a file was decoded.

        Each takes one argument, a `t2tlite.DecodeHookArgs`.
        """
        return []

    @property
    def decode_defaults(self) -> dict[str, Any]:
        """How a model of this problem decodes by default: decode hparams that run.json keeps.

        For example `{"sampling_method": "random", "sampling_temp": 0.7}` for answers that shall
        differ. `--decode_hparams` overrides it, in training and in decoding.
        """
        return {}

    # Hooks for reading.

    def max_length(self, model_hparams: HParams) -> int:
        """Returns the length in tokens above which examples are left out of training.

        By default that is the hparam max_length, or else batch_size.
        """
        return model_hparams.max_length or model_hparams.batch_size

    @property
    def packed_length(self) -> int | None:
        """Length of a row of packed examples in tokens; None: the hparam max_length."""
        return None

    @property
    def record_features(self) -> dict[str, RecordFeature]:
        """How the features of batches are read from the records, by name.

        `example_reading_spec` says the same to TensorFlow, which reads a class that overrides it.
        """
        names = ["inputs", "targets"] if self.has_inputs else ["targets"]
        return {name: RecordFeature(name) for name in names}

    def read_examples(
        self, shards: Sequence[str], mode: str, hparams: HParams, for_training: bool | None = None
    ) -> Examples:
        """Returns the examples in shards of a split, with `_rev` and `_copy` applied.

        They are decoded when they are needed, without TensorFlow. If a hook for reading is
        overridden, they are what `examples` makes of all records, in memory. With prepend_mode, the
        targets of training examples are inputs, 0 and targets. With task_balance below 1, training
        examples have a teacher's distributions, too.

        Args:
          shards: TFRecord files.
          mode, hparams, for_training: as for `examples`.

        Raises:
          DataError: a shard is damaged, or has other features.
        """
        if for_training is None:
            for_training = mode == DatasetSplit.TRAIN
        if hook := self._overridden_hook():
            libraries.require_tensorflow(f"the hook {hook} of {self.name}")
            read: Examples = read_hooked(
                shards,
                lambda records: self.examples(records, mode, hparams, for_training),
                self.name,
            )
        else:
            features = self.record_features
            for name, limit in limits_of(hparams).items():
                if name in features and for_training:
                    features[name] = dataclasses.replace(features[name], limit=limit)
            is_real = any(feature.is_real for feature in features.values())
            read = (read_stored if is_real else MappedExamples)(shards, self._swap(features))
        if for_training and hparams.task_balance < 1:
            read = TaughtExamples(read, shards, self._swap(self.record_features), hparams)
        if for_training and hparams.prepend_mode != "none":
            return JoinedExamples(read, hparams.max_target_seq_length)
        return read

    def _overridden_hook(self) -> str:
        """Returns a hook for reading that a class without `record_features` overrides; "": none."""
        for hook in _READING_HOOKS:
            owner = next(cls for cls in type(self).__mro__ if hook in vars(cls))
            if owner is not Problem and "record_features" not in vars(owner):
                return hook
        return ""

    def example_reading_spec(self) -> tuple[dict[str, Any], Any]:
        """Returns the features of a record: `tf.io` specs by name, and None.

        The second value was T2T's decoders, which text doesn't need.
        """
        import tensorflow as tf

        names = ["inputs", "targets"] if self.has_inputs else ["targets"]
        return {name: tf.io.VarLenFeature(tf.int64) for name in names}, None

    def decode_example(self, serialized_example: Any) -> dict[str, Any]:
        """Parses a record, a string tensor; returns the tensors of `example_reading_spec`."""
        import tensorflow as tf

        spec, _ = self.example_reading_spec()
        parsed = tf.io.parse_single_example(serialized_example, spec)
        return {
            name: tf.sparse.to_dense(value) if isinstance(value, tf.SparseTensor) else value
            for name, value in parsed.items()
        }

    def preprocess(
        self, dataset: Any, mode: str, hparams: HParams, interleave: bool = False
    ) -> Any:
        """Preprocesses a `tf.data.Dataset` of examples; by default, calls `preprocess_example`.

        Args:
          dataset: the parsed examples.
          mode: the split.
          hparams: of the model.
          interleave: whether the order of the examples may change, which t2tlite never asks for.
        """
        import tensorflow as tf

        def preprocess_one(example: dict[str, Any]) -> Any:
            return self.preprocess_example(example, mode, hparams)

        mapped = dataset.map(
            preprocess_one, num_parallel_calls=tf.data.AUTOTUNE, deterministic=not interleave
        )
        if isinstance(mapped.element_spec, tf.data.DatasetSpec):
            mapped = mapped.flat_map(lambda inner: inner)
        return mapped

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
        for name, limit in limits_of(hparams).items():
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
        import tensorflow as tf

        if for_training is None:
            for_training = mode == DatasetSplit.TRAIN
        if not for_training:
            # Here, so that a plugin's preprocess_example doesn't truncate either.
            hparams = hparams.copy()
            hparams.max_input_seq_length = hparams.max_target_seq_length = 0

        def cast(example: Mapping[str, Any]) -> dict[str, Any]:
            # Batches hold token ids, and numbers as targets; a plugin may read other features, too.
            batched = {
                name: tf.cast(value, tf.int32 if value.dtype.is_integer else tf.float32)
                for name, value in example.items()
                if value.dtype.is_integer or (name == "targets" and value.dtype.is_floating)
            }
            return self._swap(batched)

        parallel = {"num_parallel_calls": tf.data.AUTOTUNE, "deterministic": True}
        parsed = serialized.map(self.decode_example, **parallel)
        return self.preprocess(parsed, mode, hparams).map(cast, **parallel)


_READING_HOOKS = ["example_reading_spec", "decode_example", "preprocess", "preprocess_example"]
_READING_HOOKS += ["examples"]
