"""Searches over a network, as Keras models, so that a backend compiles them whole."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from t2tlite.config import HParams, ProblemHParams
from t2tlite.model import search
from t2tlite.run.decoding import DecodeHParams


def make_search(
    network: Any, problem_hparams: ProblemHParams, hparams: HParams, how: DecodeHParams
) -> keras.Model:
    """Returns a Keras model of the search that `how` describes.

    It takes {"ids": int32 [B, L], "lengths": int32 [B]} and returns {"ids": int32 [B, K, T],
    "scores": float32 [B, K]}, the best of the K answers first.
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

    def call(self, features: dict[str, Any]) -> dict[str, Any]:
        ids_BL, how = features["ids"], self.how
        batch, width = ops.shape(ids_BL)[0], ops.shape(ids_BL)[1]
        beams = 1 if self.samples else how.beam_size
        max_steps = width + how.extra_length
        limits_B = features["lengths"] + how.extra_length
        # A language model sees only targets: the line is the beginning of the answer.
        inputs = {"inputs" if self.has_inputs else "targets": ids_BL}
        step, cache = stepper(self.network, inputs, max_steps, beams)
        if not self.has_inputs:
            step = forced(step, ops.repeat(ids_BL, beams, axis=0))
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


def forced(step: Any, prefix_NP: Any) -> Any:
    """Wraps a step function so that each row begins with its prefix (0: no token)."""

    def forced_step(ids_N: Any, position: Any, cache: Any) -> tuple[Any, Any]:
        logits_NV, cache = step(ids_N, position, cache)
        width = ops.shape(prefix_NP)[1]
        wanted_N = ops.take(prefix_NP, ops.minimum(position, width - 1), axis=1)
        wanted_N = ops.where(position < width, wanted_N, ops.zeros_like(wanted_N))
        only_NV = ops.where(ops.arange(logits_NV.shape[-1])[None] == wanted_N[:, None], 0.0, -1e9)
        return ops.where(wanted_N[:, None] > 0, only_NV, logits_NV), cache

    return forced_step
