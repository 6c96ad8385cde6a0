"""The methods with which T2T's problems read their data, for plugins and notebooks that call them.

Training and evaluation don't: they read with `read_examples`, whose order is reproducible.
"""

from __future__ import annotations

import glob
import logging
import os
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from t2tlite import buckets, problem
from t2tlite.batches.batching import Batching, choose_batching, evaluation_batching
from t2tlite.batches.examples import Examples
from t2tlite.compat.t2t_hparams import sharing_values
from t2tlite.config import HParams, ProblemHParams
from t2tlite.errors import DataError, PluginError
from t2tlite.problem import DatasetSplit

log = logging.getLogger(__name__)

# T2T's `tf.estimator.ModeKeys.PREDICT`, which reads the evaluation split.
_PREDICT = "infer"


@dataclass
class FeatureInfo:
    """What is known of a feature."""

    encoder: Any = None
    modality: Any = None
    vocab_size: int | None = None
    space_id: int | None = None


class Reading(problem.Problem):
    """T2T's methods for reading data."""

    def get_hparams(
        self, model_hparams: HParams | None = None, data_dir: str | None = None
    ) -> ProblemHParams:
        hparams = HParams() if model_hparams is None else model_hparams
        # Not those that a program made from nothing, which have T2T's methods.
        if isinstance(hparams, HParams):
            hparams = sharing_values(hparams)
        return super().get_hparams(hparams, data_dir)

    def filepattern(self, data_dir: str, mode: str, shard: int | None = None) -> str:
        return super().filepattern(data_dir, DatasetSplit.EVAL if mode == _PREDICT else mode, shard)

    def dataset(
        self,
        mode: str,
        data_dir: str | None = None,
        num_threads: int | None = None,
        output_buffer_size: int | None = None,
        shuffle_files: bool | None = None,
        hparams: Any = None,
        preprocess: bool = True,
        dataset_split: str | None = None,
        shard: int | None = None,
        partition_id: int = 0,
        num_partitions: int = 1,
        shuffle_buffer_size: int = 1024,
        max_records: int = -1,
    ) -> Any:
        """Returns a `tf.data.Dataset` of examples: dicts of tensors by feature, one pass.

        Args:
          mode: "train", "eval" or "infer".
          data_dir: the data folder.
          num_threads: examples that are parsed at the same time.
          output_buffer_size: examples to prefetch.
          shuffle_files: whether the order is random; by default in training.
          hparams: for `preprocess_example`; by default ones that change nothing.
          preprocess: whether to call `preprocess`.
          dataset_split: the split; by default that of the mode.
          shard: the only shard to read.
          partition_id: which part of the shards to read.
          num_partitions: the number of parts.
          shuffle_buffer_size: training examples that are shuffled together.
          max_records: examples to read; -1: all.

        Raises:
          DataError: no data folder is given, or there are too few shards.
        """
        import tensorflow as tf

        if not data_dir:
            raise DataError(f"{self.name}.dataset got no data_dir; pass the data folder")
        hparams = HParams() if hparams is None else hparams
        self.get_hparams(hparams if isinstance(hparams, HParams) else None, data_dir)
        pattern = self.filepattern(data_dir, dataset_split or mode, shard)
        paths = _partition(pattern, partition_id, num_partitions)
        shuffle = mode == DatasetSplit.TRAIN if shuffle_files is None else shuffle_files
        if shuffle:
            random.shuffle(paths)

        def read(path: Any) -> Any:
            examples = tf.data.TFRecordDataset(path).map(self.decode_example, num_threads)
            # Shard by shard, since a plugin's `preprocess` may join neighbours.
            return self.preprocess(examples, mode, hparams) if preprocess else examples

        # TF1's class, which has make_one_shot_iterator, too.
        source = tf.compat.v1.data.Dataset.from_tensor_slices(paths)
        dataset = source.interleave(read, cycle_length=min(8, len(paths)) if shuffle else 1)
        dataset = dataset.map(self._swap, num_parallel_calls=num_threads).take(max_records)
        if shuffle and mode == DatasetSplit.TRAIN:
            dataset = dataset.shuffle(shuffle_buffer_size)
        return dataset.prefetch(output_buffer_size) if output_buffer_size else dataset

    def input_fn(
        self,
        mode: str,
        hparams: HParams,
        data_dir: str | None = None,
        params: Any = None,
        config: Any = None,
        force_repeat: bool = False,
        prevent_repeat: bool = False,
        dataset_kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Returns a `tf.data.Dataset` of batches: pairs of features and targets.

        Args:
          mode: "train", "eval" or "infer"; with "infer" there are features only, with the targets
            as "infer_targets".
          hparams: of the model; batch size, lengths and buckets are read.
          data_dir: the data folder; by default the hparams'.
          params, config: of T2T's estimators; not read.
          force_repeat: whether to repeat the data when not training.
          prevent_repeat: whether not to repeat it in training.
          dataset_kwargs: further arguments of `dataset`.

        Returns:
          The batches. Features have the shape [batch, length, 1, 1], 0 where padded.
        """
        import tensorflow as tf

        train = mode == DatasetSplit.TRAIN
        folder = data_dir or getattr(hparams, "data_dir", None)
        arguments = {**(dataset_kwargs or {}), "data_dir": folder, "hparams": hparams}
        dataset = self.dataset(mode, **arguments)
        if (train or force_repeat) and not prevent_repeat:
            dataset = dataset.repeat()
        if train:
            batching = choose_batching(hparams, static=False, can_pack=False)
        else:
            batching = evaluation_batching(hparams, static=False)

        def finished(batch: dict[str, Any]) -> Any:
            shaped = {name: value[..., None, None] for name, value in batch.items()}
            if mode == _PREDICT:
                return {"infer_targets": shaped.pop("targets"), **shaped}
            return shaped, shaped["targets"]

        def cast(example: dict[str, Any]) -> dict[str, Any]:
            return {
                name: tf.cast(value, tf.int32) if value.dtype.is_integer else value
                for name, value in example.items()
            }

        return _batched(dataset.map(cast), batching).map(finished)

    def make_estimator_input_fn(self, mode: str, hparams: HParams, **arguments: Any) -> Any:
        """Returns a function of T2T's `params` and `config` that calls `input_fn`."""

        def estimator_input_fn(params: Any = None, config: Any = None) -> Any:
            return self.input_fn(mode, hparams, params=params, config=config, **arguments)

        return estimator_input_fn

    @property
    def feature_info(self) -> dict[str, FeatureInfo]:
        """Encoder, modality, vocabulary size and space of each feature.

        `get_hparams` or `dataset` must have been called before, with the data folder.
        """
        filled = self.get_hparams()
        names = dict.fromkeys([*filled.modality, *filled.vocabulary])
        spaces = {"inputs": filled.input_space_id, "targets": filled.target_space_id}
        return {
            name: FeatureInfo(
                filled.vocabulary.get(name),
                filled.modality.get(name),
                filled.vocab_size.get(name),
                spaces.get(name),
            )
            for name in names
        }

    def maybe_reverse_features(self, feature_map: dict[str, Any]) -> None:
        """Does nothing: t2tlite swaps the features of `_rev` problems after all hooks."""

    maybe_copy_features = maybe_reverse_features

    def maybe_reverse_and_copy(self, example: dict[str, Any]) -> dict[str, Any]:
        """Returns the example: t2tlite swaps the features of `_rev` problems after all hooks."""
        return example

    def eval_hooks(self, features: Any, logits: Any, hparams: HParams) -> list[Any]:
        """Returns no hook: hooks of TF1's sessions, which t2tlite doesn't have."""
        return []

    def read_examples(
        self, shards: Sequence[str], mode: str, hparams: HParams, for_training: bool | None = None
    ) -> Examples:
        for name in ("dataset", "input_fn"):
            if _overrides(self, name):
                raise PluginError(
                    f"{self.name} overrides {name}, which t2tlite doesn't call; put what it does "
                    f"to an example into preprocess_example, and to all of them into preprocess"
                )
        if _overrides(self, "eval_hooks"):
            log.warning("%s overrides eval_hooks, which t2tlite doesn't call", self.name)
        return super().read_examples(shards, mode, sharing_values(hparams), for_training)


def _batched(examples: Any, batching: Batching) -> Any:
    """Returns batches of a dataset in buckets by length, in T2T's way."""
    import tensorflow as tf

    def length(example: dict[str, Any]) -> Any:
        return tf.reduce_max([tf.size(value) for value in example.values()])

    def is_kept(example: dict[str, Any]) -> Any:
        return (length(example) >= batching.min_length) & (length(example) <= batching.max_length)

    if not batching.unbounded:
        examples = examples.filter(is_kept)
    rows = [batching.rows(bound) for bound in [*batching.bounds, batching.row_length]]
    return examples.bucket_by_sequence_length(length, batching.bounds, rows)


def _partition(pattern: str, number: int, partitions: int) -> list[str]:
    """Returns every n-th of the shards that a pattern names."""
    buckets.fetch(*os.path.split(pattern))
    paths = sorted(glob.glob(pattern))
    if not paths:
        raise DataError(f"no file is named {pattern}; generate the data with t2t-datagen")
    if len(paths) < partitions:
        raise DataError(
            f"found {len(paths)} shards named {pattern}; expected {partitions} or more, one for "
            f"each of num_partitions"
        )
    return paths[number::partitions]


def _overrides(reading: Reading, name: str) -> bool:
    """Returns whether a plugin's class has a method of its own."""
    return not getattr(type(reading), name).__module__.startswith("t2tlite.")
