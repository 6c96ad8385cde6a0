"""`TrainingSetup`: a problem, its data and its network, ready to train or evaluate."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from t2tlite.batches import inputs
from t2tlite.batches.batching import (
    Batching,
    Sizes,
    choose_batching,
    evaluation_batching,
    random_part,
)
from t2tlite.batches.examples import Examples
from t2tlite.batches.mixed_examples import members_of
from t2tlite.checkpoint.run_record import RunRecord
from t2tlite.config import EOS_ID, PAD_ID, HParams, ProblemHParams
from t2tlite.devices import cluster, free_memory
from t2tlite.devices.devices import Devices
from t2tlite.devices.feeding import Feed
from t2tlite.files import atomic
from t2tlite.problem import DatasetSplit, Problem
from t2tlite.text import strip_ids
from t2tlite.training import decoded_evaluation, memory_estimate, page_examples
from t2tlite.training.train_args import TrainArgs


class TrainingSetup:
    """A problem, its data and a network with new weights.

    Args:
      run: problem, model and hparams.
      data_dir: the data folder, with the vocabulary.
      train_args, device: how to train or evaluate, and where.
      problem: of a trained model; None: the one that `run` trains.

    Attributes:
      data_dir: the data folder, with the vocabulary.
      shards: paths of the TFRecord files, by split.
      network: the Keras model that `run` names, built in the device's scope.
      coverage: "on N of M examples", of the last evaluation, and the time of decoding.

    Raises:
      Error: data, vocabulary or hparams don't fit.
    """

    def __init__(
        self,
        run: RunRecord,
        data_dir: str,
        train_args: TrainArgs,
        device: Devices,
        problem: Problem | None = None,
    ):
        import keras

        self.run = run
        self.coverage = ""
        self.train_args = train_args.check()
        self.device = device
        self.hparams = HParams.from_values(run.hparams).check()
        self.problem = problem or run.trained_problem()
        self.data_dir = data_dir
        self.shards = {
            split: self.problem.shards(data_dir, split)
            for split in (DatasetSplit.TRAIN, train_args.eval_split)
        }
        self.problem_hparams: ProblemHParams = self.problem.get_hparams(self.hparams, data_dir)
        if train_args.evaluate:
            about = self.problem, self.problem_hparams, self.metric_names
            decoded_evaluation.check(train_args, *about)
        keras.utils.set_random_seed(train_args.seed)
        try:
            with device.scope():
                self.network = run.make_model(self.problem_hparams, run.precision)
        except Exception as error:
            if free_memory.is_out_of_memory(error):
                raise memory_estimate.weights_error(self.hparams) from error
            raise

    @functools.cached_property
    def metric_names(self) -> list[str]:
        """The metrics that an evaluation computes, beside the loss and those of decoding."""
        from t2tlite.training.evaluation import computed_metrics

        modality = self.problem_hparams.modality["targets"]
        return computed_metrics(self.problem.eval_metrics(), modality)

    @property
    def _has_labels(self) -> bool:
        return self.problem_hparams.modality["targets"] == "class_label"

    @functools.cached_property
    def _batched_by(self) -> HParams:
        """The hparams with the problem's own limit of length."""
        hparams = self.hparams.copy()
        hparams.max_length = self.problem.max_length(self.hparams)
        return hparams

    @functools.cached_property
    def batching(self) -> Batching:
        """How training examples are batched."""
        from t2tlite.model import protocol

        batching = choose_batching(
            self._batched_by,
            static=self.device.static_shapes,
            replicas=self.device.count,
            length_multiple=self.device.length_multiple,
            can_pack=bool(getattr(self.network, "packs", False)) and not self._has_labels,
            packed_length=self.problem.packed_length,
        )
        if batching.kind == "pack":
            protocol.check_packing(self.network, self.problem_hparams.vocab_size)
        return dataclasses.replace(batching, one_label=self._has_labels)

    @functools.cached_property
    def evaluation_batching(self) -> Batching:
        """How evaluation examples are batched."""
        return evaluation_batching(
            self._batched_by,
            static=self.device.static_shapes,
            replicas=self.device.row_shares,
            length_multiple=self.device.length_multiple,
        )

    def _examples(self, split: str, for_training: bool) -> Examples:
        return self.problem.read_examples(self.shards[split], split, self.hparams, for_training)

    @functools.cached_property
    def training_examples(self) -> Examples:
        """The examples of the training split; with prepend_mode joined to one sequence."""
        return self._examples(DatasetSplit.TRAIN, for_training=True)

    @functools.cached_property
    def training_batches(self) -> inputs.TrainingBatches:
        """The training batches by number."""
        return inputs.TrainingBatches(self.training_examples, self.batching, self.train_args.seed)

    def take_page(self) -> None:
        """Records what the data say of the web page of t2t-server."""
        examples = self.training_examples
        if self.hparams.prepend_mode != "none":
            examples = self._examples(DatasetSplit.TRAIN, for_training=False)
        encoders, prefixes = self.problem_hparams.vocabulary, self.problem.text_prefixes
        page_examples.take_page(self.run, examples, encoders, prefixes)

    def feed(self, step: int) -> Feed:
        """Returns the training batches from the one after `step` on, for `Devices.distribute`."""
        return Feed(self.training_batches.batch, self.training_batches.signature, first=step)

    @functools.cached_property
    def evaluation_examples(self) -> Examples:
        """The examples of the evaluation split, never truncated."""
        return self._examples(self.train_args.eval_split, for_training=False)

    @property
    def sizes(self) -> Sizes:
        """Counts of training examples and batches."""
        return self.training_batches.sizes

    @functools.cached_property
    def job(self) -> memory_estimate.Job:
        """What the memory estimate depends on."""
        from t2tlite.model import protocol

        return memory_estimate.Job(
            self.hparams,
            self.problem_hparams,
            sum(math.prod(weight.shape) for weight in self.network.trainable_weights),
            self.device,
            batch_tokens=self.hparams.batch_size,
            longest=self.sizes.row_length,
            evaluates=self.train_args.evaluate,
            chunks_logits=protocol.projects(self.network),
            layer_runs=getattr(self.network, "layer_runs", None),
            muon_parameters=self._muon_parameters(),
        )

    def _muon_parameters(self) -> int:
        from t2tlite.optimizers.muon import is_hidden_matrix

        if self.hparams.optimizer.lower() != "muon":
            return 0
        width = self.problem_hparams.vocab_size["targets"]
        weights = self.network.trainable_weights
        return sum(math.prod(w.shape) for w in weights if is_hidden_matrix(w, self.hparams, width))

    @functools.cached_property
    def memory_found(self) -> int | None:
        """Bytes of memory available at first use, before training; None where unknown."""
        return free_memory.find(self.device)

    def make_objective(self) -> tuple[Any, Any]:
        """Returns the Keras model that `fit` trains, not yet compiled, and its built optimizer."""
        from t2tlite.optimizers.optimizers import make_optimizer
        from t2tlite.training.objective import Objective

        reduce, shares = self.device.sum_over_replicas, self.device.row_shares
        with self.device.scope():
            run_if = self.device.run_if if self.device.strategy else None
            optimizer = make_optimizer(
                self.hparams,
                self.train_args.train_steps,
                run_if,
                self.problem_hparams.vocab_size["targets"],
                self.device.fused_adam,
            )
            objective = Objective(self.network, self.hparams, self.problem_hparams, reduce, shares)
            optimizer.build(self.network.trainable_variables)
        return objective, optimizer

    def write_batch(self, path: Path, step: int) -> None:
        """Writes the batch that a step trained on as JSON lines: each row's token ids and texts."""
        batch = self.training_batches.batch(step - 1)
        encoders = self.problem.feature_encoders(self.data_dir)
        with atomic(path, "w") as file:
            for row in range(len(batch["targets"])):
                values: dict[str, Any] = {}
                for name in filter(batch.__contains__, encoders):
                    ids = batch[name][row].tolist()
                    shown = ids
                    if self.problem_hparams.modality.get(name) == "symbol":
                        ids = [id_ for id_ in ids if id_ != PAD_ID]
                        # An EOS inside is the seam of two examples that are packed into a row.
                        shown = strip_ids(ids, [EOS_ID])
                    values[name] = encoders[name].decode(shown)
                    values[f"{name}_ids"] = ids
                file.write(json.dumps(values, ensure_ascii=False) + "\n")

    @functools.cached_property
    def _scorer(self) -> Any:
        from t2tlite.model.teacher_forcing import Scorer

        scorer = Scorer(self.network, self.problem_hparams.modality["targets"], self.device.gather)
        scorer.compile(jit_compile=self.device.static_shapes)
        return scorer

    @functools.cached_property
    def evaluation_parts(self) -> dict[str, tuple[Examples, Any]]:
        """What is evaluated: the examples, and which of them, bool [records].

        It has one entry for each member of a mixture, by its name; else one with the name "".

        All of them if they make at most eval_steps batches, otherwise a random part that makes
        about as many. Counted are the batches of one device without static shapes, so that the
        part depends on nothing but the data, the hparams and the training arguments.
        """
        examples = self.evaluation_examples
        batching = evaluation_batching(self._batched_by, static=False)
        batching = dataclasses.replace(batching, one_label=self._has_labels)
        parts = {}
        for name, part in members_of(examples).items():
            sizes = inputs.measure(part, batching)
            share = self.train_args.most_eval_batches / sizes.batches
            parts[name] = part, random_part(sizes.examples, share)
        return parts

    @functools.cached_property
    def _decoded(self) -> decoded_evaluation.DecodedEvaluation:
        return decoded_evaluation.DecodedEvaluation(
            *(self.run, self.problem, self.network, self.device, self.data_dir),
            *(self.train_args.eval_split, self.evaluation_parts, self.train_args.eval_decode),
        )

    def evaluate(self, decodes: bool = True) -> dict[str, float]:
        """Returns the loss, in nats a token, and the metrics on the evaluation split or its part.

        Those of a mixture are the means over its members, and those of each as MEMBER:NAME.

        Sets `coverage` if it decodes or nothing is to be decoded.

        Args:
          decodes: whether to decode, too, where `TrainArgs.eval_decode` asks for it.
        """
        from t2tlite.training.evaluation import evaluate, mean_of_members

        encoder = self.problem_hparams.vocabulary.get("targets")
        by_member, evaluated = {}, 0
        for member, (examples, part) in self.evaluation_parts.items():
            batches = inputs.evaluation_batches(examples, self.evaluation_batching, part)
            about = self.metric_names, self.device.feed, encoder
            metrics, count = evaluate(self._scorer, batches, *about)
            by_member[member] = metrics
            evaluated += count
        total = sum(len(part) for _, part in self.evaluation_parts.values())
        coverage = f"on {evaluated} of {total} examples"
        if not self.train_args.eval_decode:
            self.coverage = coverage
        elif decodes:
            decoded, effort = self._decoded.evaluate()
            self.coverage = f"{coverage}; {effort}"
            for name, row in by_member.items():
                # After the loss, so that a narrow table leaves out others first.
                by_member[name] = {"loss": row["loss"], **decoded[name], **row}
        return mean_of_members(by_member)

    @contextlib.contextmanager
    def explained_errors(self) -> Iterator[None]:
        """Turns the backend's errors that a user can mend into `Error`s that say how."""
        try:
            with cluster.lost_worker_errors(self.device.workers):
                yield
        except Exception as error:
            if free_memory.is_out_of_memory(error):
                raise memory_estimate.out_of_memory_error(self.job, self.memory_found) from error
            raise
