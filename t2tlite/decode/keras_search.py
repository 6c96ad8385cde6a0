"""Searches as Keras models, so that a backend compiles encoder and all steps into one program."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from t2tlite.config import HParams, ProblemHParams
from t2tlite.decode.decode_hparams import DecodeHParams
from t2tlite.model import protocol
from t2tlite.search import search
from t2tlite.search.constraints import at_least, forced, no_repeat


def make_search(
    network: Any,
    problem_hparams: ProblemHParams,
    hparams: HParams,
    decode_hparams: DecodeHParams,
    gather: Callable[[Any], Any] = lambda value: value,
) -> keras.Model:
    """Returns a Keras model of the search that the decode hparams describe.

    It takes {"ids": int32 [B, L], "lengths": int32 [B]}, where a row of length 0 only fills the
    batch, and optionally {"prefix": int32 [B, P]}, with which the answers begin. Further optional
    inputs replace decode hparams, so that a change of them compiles nothing:

    - "room": int32 [B, R], 1 for each token by which an answer may exceed its line, then 0; with
      min_length R is above it;
    - "alpha": float32 [B], of which the first counts;
    - "temperature", "top_p" (float32 [B]), "top_k" (int32 [B], no more than `top_k` of `Search`);
    - "uniform": float32 [B, T], the random numbers in [0, 1) to draw by.

    It returns {"ids": int32 [B, K, T], "scores": float32 [B, K]}, the best of the K answers first.

    Args:
      network: a model; see `t2tlite.model.protocol`.
      hparams: of the model; defaults of sampling.
      decode_hparams: must not change afterwards.
      gather: returns a whole array from one that is divided over devices, of generated texts.
    """
    if problem_hparams.modality["targets"] == "class_label":
        return Classes(network)
    if problem_hparams.modality["targets"] == "real_l2":
        return Numbers(network)
    has_inputs = "inputs" in problem_hparams.vocab_size
    return Search(network, has_inputs, hparams, decode_hparams, gather)


def sampling_cuts(hparams: HParams, decode_hparams: DecodeHParams) -> tuple[float, int, float]:
    """Returns temperature, top_k (0: all ids) and top_p of sampling."""
    temperature = decode_hparams.sampling_temp or hparams.sampling_temp
    top_k = max(decode_hparams.sampling_keep_top_k or hparams.sampling_keep_top_k, 0)
    return temperature, top_k, decode_hparams.sampling_top_p


class Classes(keras.Model):
    """All labels, the most probable first, with their log-probabilities."""

    def __init__(self, network: Any):
        super().__init__(name="classes")
        self.network = network

    def call(self, features: dict[str, Any]) -> dict[str, Any]:
        inputs_BL = features["ids"]
        targets_B1 = ops.zeros_like(inputs_BL[:, :1])
        logits_BV = self.network({"inputs": inputs_BL, "targets": targets_B1})[:, 0]
        scores_BV, labels_BV = ops.top_k(ops.log_softmax(logits_BV), k=logits_BV.shape[-1])
        return {"ids": ops.cast(labels_BV, "int32")[:, :, None], "scores": scores_BV}


class Numbers(keras.Model):
    """The numbers of a model that predicts some, as the only answer, with the score 0."""

    def __init__(self, network: Any):
        super().__init__(name="numbers")
        self.network = network

    def call(self, features: dict[str, Any]) -> dict[str, Any]:
        inputs_BL = features["ids"]
        targets_B1 = ops.zeros_like(inputs_BL[:, :1])
        numbers_B1N = self.network({"inputs": inputs_BL, "targets": targets_B1})
        return {"ids": numbers_B1N, "scores": ops.zeros_like(numbers_B1N[:, :, 0])}


class Search(keras.Model):
    """Greedy, beam or sampled decoding of a batch of lines."""

    def __init__(
        self,
        network: Any,
        has_inputs: bool,
        hparams: HParams,
        decode_hparams: DecodeHParams,
        gather: Callable[[Any], Any] = lambda value: value,
    ):
        super().__init__(name="search")
        self.network = network
        self.gather = gather
        self.has_cache = protocol.has_cache(network)
        self.has_inputs = has_inputs
        self.decode_hparams = decode_hparams
        self.samples = (decode_hparams.sampling_method or hparams.sampling_method) == "random"
        self.beams = 1 if self.samples else decode_hparams.beam_size
        self.cuts = sampling_cuts(hparams, decode_hparams)
        self.seed_generator = keras.random.SeedGenerator(decode_hparams.random_seed)
        # The `Stream` of this search, once there is one.
        self.stream: Any = None

    def call(self, features: dict[str, Any]) -> dict[str, Any]:
        batch = ops.shape(features["ids"])[0]
        given, cache, max_steps = self.begin(features)
        options = {"row_limits_B": given["limits"][:: self.beams], "given": given}
        if self.beams > 1:
            alpha = features["alpha"][0] if "alpha" in features else self.decode_hparams.alpha
            sizes = batch, self.beams, max_steps, alpha
            ids_BKT, scores_BK = search.beam_search(self.step, cache, *sizes, **options)
            return {"ids": self.gather(ids_BKT), "scores": self.gather(scores_BK)}
        if self.samples:
            temperature, top_k, top_p, most_B = self.cuts_of(features)
            draws = temperature, top_k, top_p, self.seed_generator
            options |= {"uniform_BT": features.get("uniform"), "most_B": most_B}
            ids_BT, scores_B = search.sample(self.step, cache, batch, max_steps, *draws, **options)
        else:
            ids_BT, scores_B = search.greedy(self.step, cache, batch, max_steps, **options)
        return {"ids": self.gather(ids_BT[:, None]), "scores": self.gather(scores_B[:, None])}

    def cuts_of(self, features: dict[str, Any]) -> tuple[Any, int, Any, Any]:
        """Returns temperature, top_k, top_p and most_B, as `search.sample` takes them."""
        temperature, top_k, top_p = self.cuts
        temperature = features.get("temperature", temperature)
        return temperature, top_k, features.get("top_p", top_p), features.get("top_k")

    def begin(self, features: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any], Any]:
        """Runs the encoder and prepares the first step.

        Returns:
          What every step reads, in tensors of B x beams rows; the cache at position 0; the most
          steps of any row.
        """
        ids_BL, lengths_B = features["ids"], features["lengths"]
        prefix_BP, decode_hparams = features.get("prefix"), self.decode_hparams
        least = decode_hparams.min_length + 1 if decode_hparams.min_length else 0
        extra_B, room = decode_hparams.extra_length, max(decode_hparams.extra_length, least)
        if "room" in features:
            extra_B, room = ops.sum(features["room"], axis=1), ops.shape(features["room"])[1]
        limits_B = ops.maximum(lengths_B + extra_B, least)
        # A row that only fills the batch takes no steps.
        limits_B = ops.where(lengths_B > 0, limits_B, 0)
        max_steps = ops.shape(ids_BL)[1] + room
        # A language model sees only targets: the line is the beginning of the answer.
        inputs = {"inputs" if self.has_inputs else "targets": ids_BL}
        if not self.has_inputs:
            prefix_BP = ids_BL
        elif prefix_BP is not None:
            limits_B += ops.sum(ops.cast(prefix_BP != 0, "int32"), axis=1)
            max_steps += ops.shape(prefix_BP)[1]
        memory, cache = self._start(inputs, max_steps)
        given = {"memory": memory, "limits": ops.repeat(limits_B, self.beams, axis=0)}
        if prefix_BP is not None:
            given["prefix"] = ops.repeat(prefix_BP, self.beams, axis=0)
        if decode_hparams.no_repeat_ngram_size:
            room_NT = ops.zeros((ops.shape(given["limits"])[0], max_steps), "int32")
            step = self._make_step(memory)
            _, cache = no_repeat(step, cache, decode_hparams.no_repeat_ngram_size, room_NT)
        return given, cache, max_steps

    def step(self, given: dict[str, Any]) -> Any:
        """Returns the step function, with the constraints of the decode hparams, over `given`."""
        decode_hparams, step = self.decode_hparams, self._make_step(given["memory"])
        limits_N = given["limits"]
        if decode_hparams.no_repeat_ngram_size:
            # `begin` made its cache.
            step, _ = no_repeat(step, {}, decode_hparams.no_repeat_ngram_size, None)
        if decode_hparams.force_decode_length:
            step = at_least(step, limits_N)
        elif decode_hparams.min_length:
            step = at_least(step, ops.full_like(limits_N, decode_hparams.min_length))
        if "prefix" in given:
            step = forced(step, given["prefix"])
        return step

    def _start(
        self, features: dict[str, Any], max_steps: Any
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Returns the memory that all steps read, and the first cache, for B x beams rows."""

        def repeated(tensors: Any) -> Any:
            return keras.tree.map_structure(lambda x: ops.repeat(x, self.beams, axis=0), tensors)

        if self.has_cache:
            # The encoder runs once for all beams of a row.
            memory, cache = self.network.start(features, max_steps)
            if not protocol.shares_memory(self.network):
                memory = repeated(memory)
            return memory, repeated(cache)
        memory = repeated(features)
        rows = ops.shape(next(iter(memory.values())))[0]
        return memory, {"targets": ops.zeros((rows, max_steps), "int32")}

    def _make_step(self, memory: dict[str, Any]) -> Any:
        """Returns a step function without constraints; see `t2tlite.search.search`."""
        if self.has_cache:
            return lambda ids_N, position, cache: self.network.step(ids_N, position, memory, cache)

        def step(ids_N: Any, position: Any, cache: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
            steps = ops.arange(ops.shape(cache["targets"])[1])
            written = ops.where(steps[None] == position - 1, ids_N[:, None], cache["targets"])
            # The token at a position is predicted from those before it alone.
            logits_NTV = self.network({**memory, "targets": written}, training=False)
            return ops.take(logits_NTV, position, axis=1), {"targets": written}

        return step
