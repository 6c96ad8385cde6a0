"""Searches over a network, as Keras models, so that a backend compiles them whole."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from t2tlite.config import HParams, ProblemHParams
from t2tlite.model import search
from t2tlite.model.constraints import at_least, forced, no_repeat
from t2tlite.run.decode_hparams import DecodeHParams


def make_search(
    network: Any, problem_hparams: ProblemHParams, hparams: HParams, how: DecodeHParams
) -> keras.Model:
    """Returns a Keras model of the search that `how` describes.

    It takes {"ids": int32 [B, L], "lengths": int32 [B]}, where a row of length 0 only fills up the
    batch, and optionally {"prefix": int32 [B, P]}, with which the answers then begin. It returns
    {"ids": int32 [B, K, T], "scores": float32 [B, K]}, the best of the K answers first.
    """
    if problem_hparams.modality["targets"] == "class_label":
        return Classes(network)
    return Search(network, "inputs" in problem_hparams.vocab_size, hparams, how)


class Classes(keras.Model):
    """All labels, the likeliest first, with their log probabilities."""

    def __init__(self, network: Any):
        super().__init__(name="classes")
        self.network = network

    def call(self, features: dict[str, Any]) -> dict[str, Any]:
        inputs_BL = features["ids"]
        targets_B1 = ops.zeros_like(inputs_BL[:, :1])
        logits_BV = self.network({"inputs": inputs_BL, "targets": targets_B1})[:, 0]
        scores_BV, labels_BV = ops.top_k(ops.log_softmax(logits_BV), k=logits_BV.shape[-1])
        return {"ids": ops.cast(labels_BV, "int32")[:, :, None], "scores": scores_BV}


class Search(keras.Model):
    """Greedy, beam or sampled decoding of a batch of lines."""

    def __init__(self, network: Any, has_inputs: bool, hparams: HParams, how: DecodeHParams):
        super().__init__(name="search")
        self.network = network
        self.has_inputs = has_inputs
        self.how = how
        self.samples = (how.sampling_method or hparams.sampling_method) == "random"
        self.temperature = how.sampling_temp or hparams.sampling_temp
        self.top_k = how.sampling_keep_top_k or hparams.sampling_keep_top_k
        self.seed_generator = keras.random.SeedGenerator(how.random_seed)

    def seed(self, draw: int) -> None:
        """Makes the next batch draw the samples that the batch of this number draws."""
        self.seed_generator.state.assign([self.how.random_seed, draw])

    def call(self, features: dict[str, Any]) -> dict[str, Any]:
        ids_BL, how = features["ids"], self.how
        batch, width = ops.shape(ids_BL)[0], ops.shape(ids_BL)[1]
        beams = 1 if self.samples else how.beam_size
        # The answer to a filling row would be thrown away, so it takes no step.
        lengths_B, prefix_BP = features["lengths"], features.get("prefix")
        least = how.min_length + 1 if how.min_length else 0
        limits_B = ops.maximum(lengths_B + how.extra_length, least)
        limits_B = ops.where(lengths_B > 0, limits_B, 0)
        max_steps = width + max(how.extra_length, least)
        # A language model sees only targets: the line is the beginning of the answer.
        inputs = {"inputs" if self.has_inputs else "targets": ids_BL}
        if not self.has_inputs:
            prefix_BP = ids_BL
        elif prefix_BP is not None:
            limits_B += ops.sum(ops.cast(prefix_BP != 0, "int32"), axis=1)
            max_steps += ops.shape(prefix_BP)[1]
        step, cache = stepper(self.network, inputs, max_steps, beams)
        step, cache = self._constrained(step, cache, limits_B, max_steps, beams)
        if prefix_BP is not None:
            step = forced(step, ops.repeat(prefix_BP, beams, axis=0))
        if beams > 1:
            ids_BKT, scores_BK = search.beam_search(
                step, cache, batch, beams, max_steps, how.alpha, row_limits_B=limits_B
            )
            return {"ids": ids_BKT, "scores": scores_BK}
        if self.samples:
            ids_BT, scores_B = search.sample(
                step,
                cache,
                batch,
                max_steps,
                temperature=self.temperature,
                top_k=max(self.top_k, 0),
                top_p=how.sampling_top_p,
                seed=self.seed_generator,
                row_limits_B=limits_B,
            )
        else:
            ids_BT, scores_B = search.greedy(step, cache, batch, max_steps, row_limits_B=limits_B)
        return {"ids": ids_BT[:, None], "scores": scores_B[:, None]}

    def _constrained(
        self, step: Any, cache: dict[str, Any], limits_B: Any, max_steps: Any, beams: int
    ) -> tuple[Any, dict[str, Any]]:
        """The step with what the decode hparams ask of answers."""
        how, limits_N = self.how, ops.repeat(limits_B, beams, axis=0)
        if how.no_repeat_ngram_size:
            room_NT = ops.zeros((ops.shape(limits_N)[0], max_steps), "int32")
            step, cache = no_repeat(step, cache, how.no_repeat_ngram_size, room_NT)
        if how.force_decode_length:
            return at_least(step, limits_N, search.EOS_ID), cache
        if how.min_length:
            step = at_least(step, ops.full_like(limits_N, how.min_length), search.EOS_ID)
        return step, cache


def stepper(
    network: Any, features: dict[str, Any], max_steps: Any, beams: int
) -> tuple[Any, dict[str, Any]]:
    """Returns a step function over B x beams rows, and its cache.

    Args:
      network: a model, with or without a cache of its own; see `t2tlite.model.transformer`.
      features: "inputs", or for a language model "targets", int32 [B, L].
      max_steps: positions to decode at most.
      beams: rows for each of the features'.
    """

    def repeated(tensors: dict[str, Any]) -> dict[str, Any]:
        return {name: ops.repeat(value, beams, axis=0) for name, value in tensors.items()}

    if hasattr(network, "start") and hasattr(network, "step"):
        # The encoder runs once for all beams of a row.
        memory, cache = map(repeated, network.start(features, max_steps))
        return lambda ids_N, position, cache: network.step(ids_N, position, memory, cache), cache

    features = repeated(features)

    def step(ids_N: Any, position: Any, cache: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        steps = ops.arange(ops.shape(cache["targets"])[1])
        written = ops.where(steps[None] == position - 1, ids_N[:, None], cache["targets"])
        # The token at a position is predicted from those before it: its own isn't read.
        logits_NTV = network({**features, "targets": written}, training=False)
        return ops.take(logits_NTV, position, axis=1), {"targets": written}

    rows = ops.shape(next(iter(features.values())))[0]
    return step, {"targets": ops.zeros((rows, max_steps), "int32")}
