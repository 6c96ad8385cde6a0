"""A problem, its data and its model, ready to be trained or evaluated."""

from __future__ import annotations

import functools
import json
import math
from pathlib import Path
from typing import Any

from t2tlite import registry
from t2tlite.checkpoint import run_record
from t2tlite.config import HParams, ProblemHParams
from t2tlite.data import inputs
from t2tlite.devices import devices, free_memory
from t2tlite.files import atomic
from t2tlite.problem import DatasetSplit
from t2tlite.training import memory_estimate
from t2tlite.training.train_args import TrainArgs


class TrainingSetup:
    """A problem, its data and a model, ready to train or to be evaluated.

    Args:
      run: what is trained on what.
      data_dir: the data folder, with the vocabulary.
      schedule: reads seed, eval_split and eval_steps.
      device: where to run.

    Raises:
      Error: the data, vocabulary or hparams don't fit; the message says how.
    """

    def __init__(
        self, run: run_record.RunRecord, data_dir: str, schedule: TrainArgs, device: devices.Devices
    ):
        import keras

        self.run = run
        self.schedule = schedule
        self.device = device
        self.hparams = HParams.from_values(run.hparams).check()
        self.problem = registry.problem(run.problem)
        self.data_dir = data_dir
        self.shards = {
            split: self.problem.shards(data_dir, split)
            for split in (DatasetSplit.TRAIN, schedule.eval_split)
        }
        self.problem_hparams: ProblemHParams = self.problem.get_hparams(self.hparams, data_dir)
        keras.utils.set_random_seed(schedule.seed)
        with device.scope():
            self.network = run.make_model(self.problem_hparams)
        self._scorer: Any = None

    @functools.cached_property
    def batching(self) -> inputs.Batching:
        """How training examples are batched."""
        labels = self.problem_hparams.modality["targets"] == "class_label"
        return inputs.choose_batching(
            self.hparams,
            static=self.device.static_shapes,
            replicas=self.device.count,
            machines=self.device.workers,
            length_multiple=self.device.length_multiple,
            can_pack=bool(getattr(self.network, "packs", False)) and not labels,
            packed_length=self.problem.packed_length,
        )

    @functools.cached_property
    def evaluation_batching(self) -> inputs.Batching:
        """How evaluation examples are batched."""
        return inputs.evaluation_batching(
            self.hparams,
            static=self.device.static_shapes,
            replicas=self.device.row_shares,
            length_multiple=self.device.length_multiple,
        )

    def examples(self, split: str) -> inputs.ToExamples:
        """Turns records of a split into examples."""
        return lambda records: self.problem.examples(records, split, self.hparams)

    @functools.cached_property
    def sizes(self) -> inputs.Sizes:
        """How many training examples and batches there are."""
        train = DatasetSplit.TRAIN
        return inputs.measure(self.shards[train], self.examples(train), self.batching)

    def training_batches(self, start: int) -> Any:
        """Returns the endless dataset of training batches after the first `start`."""
        return inputs.training_batches(
            self.shards[DatasetSplit.TRAIN],
            self.examples(DatasetSplit.TRAIN),
            self.batching,
            seed=self.schedule.seed,
            epoch_batches=self.sizes.batches,
            start=start,
            part=self.device.reader,
        )

    @functools.cached_property
    def job(self) -> memory_estimate.Job:
        """What the memory of training depends on."""
        return memory_estimate.Job(
            self.hparams,
            self.problem_hparams,
            sum(math.prod(weight.shape) for weight in self.network.trainable_weights),
            self.device,
            batch_tokens=self.hparams.batch_size,
            longest=self.sizes.row_length,
            evaluates=self.schedule.evaluate,
            chunks_logits=hasattr(self.network, "softmax"),
            layer_runs=getattr(self.network, "layer_runs", None),
        )

    @functools.cached_property
    def memory_found(self) -> int | None:
        """Bytes of memory that there were for training when it started; None where unknown."""
        return free_memory.find(self.device)

    def write_batch(self, path: Path, step: int) -> None:
        """Writes the training batch of a step as lines of JSON: its rows' ids and texts."""
        batch = next(iter(self.training_batches(start=step - 1).take(1).as_numpy_iterator()))
        encoders = self.problem.feature_encoders(self.data_dir)
        with atomic(path, "w") as file:
            for row in range(len(batch["targets"])):
                shown: dict[str, Any] = {}
                for name, encoder in encoders.items():
                    if name in batch:
                        ids = batch[name][row].tolist()
                        if self.problem_hparams.modality.get(name) != "class_label":
                            ids = [one for one in ids if one]
                        shown[name] = encoder.decode(ids)
                        shown[f"{name}_ids"] = ids
                file.write(json.dumps(shown, ensure_ascii=False) + "\n")

    def evaluate(self) -> dict[str, float]:
        """Returns loss and metrics on the evaluation split."""
        from t2tlite.model.scorer import Scorer
        from t2tlite.training.evaluation import evaluate

        split = self.schedule.eval_split
        if self._scorer is None:
            modality = self.problem_hparams.modality["targets"]
            self._scorer = Scorer(self.network, modality, self.device.gather)
            self._scorer.compile(jit_compile=self.device.static_shapes)
        batches = inputs.evaluation_batches(
            self.shards[split], self.examples(split), self.evaluation_batching
        )
        if self.schedule.eval_steps:
            batches = batches.take(self.schedule.eval_steps)
        names = self.problem.eval_metrics()
        encoder = self.problem_hparams.vocabulary.get("targets")
        return evaluate(self._scorer, batches.as_numpy_iterator(), names, self.device.feed, encoder)
