"""Greedy search and sampling one step at a time, so that an answer is shown while it is written."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
from keras import ops

from t2tlite.decode.search_model import Search
from t2tlite.model import search


class FirstState(keras.Model):
    """Runs the encoder and makes the state before the first step.

    It takes what a search takes. It returns the state that `NextToken` takes: "given", which stays
    the same, and "cache", "path" and "position", which change.
    """

    def __init__(self, search_model: Search):
        super().__init__(name="first_state", autocast=False)
        self.search_model = search_model

    def build(self, _: Any = None) -> None:
        # All weights are the network's, which is built.
        self.built = True

    def call(self, features: dict[str, Any]) -> dict[str, Any]:
        given, cache, max_steps = self.search_model.begin(features)
        if self.search_model.samples:
            shape = (max_steps, ops.shape(features["ids"])[0])
            uniform_TB = keras.random.uniform(shape, seed=self.search_model.seed_generator)
            given["uniform"] = ops.transpose(uniform_TB)
        path = search.Path.start(given["limits"], max_steps)
        position_1 = ops.zeros((1,), "int32")
        return {"given": given, "cache": cache, "path": path._asdict(), "position": position_1}


class NextToken(keras.Model):
    """One step: takes a state and returns what changes of it."""

    def __init__(self, search_model: Search):
        # Without autocast, as a state must keep its dtypes.
        super().__init__(name="next_token", autocast=False)
        self.search_model = search_model

    def build(self, _: Any = None) -> None:
        self.built = True

    def call(self, state: dict[str, Any]) -> dict[str, Any]:
        model, given = self.search_model, state["given"]
        choose = search.most_probable
        if model.samples:
            choose = search.drawing(
                ops.transpose(given["uniform"]),
                model.temperature,
                max(model.top_k, 0),
                model.decode_hparams.sampling_top_p,
            )
        path, cache = search.extended(
            choose,
            model.step(given),
            state["position"][0],
            search.Path(**state["path"]),
            state["cache"],
        )
        return {"cache": cache, "path": path._asdict(), "position": state["position"] + 1}


class Stream:
    """A search that runs one step at a time.

    Args:
      search_model: greedy or sampling.
      static_shapes: whether to compile for the shapes of the features.
    """

    def __init__(self, search_model: Search, static_shapes: bool):
        self._first_state, self._next_token = FirstState(search_model), NextToken(search_model)
        for model in (self._first_state, self._next_token):
            model.compile(jit_compile=static_shapes)

    def steps(self, features: dict[str, Any]) -> Iterator[tuple[Any, Any]]:
        """Yields the ids [B, 1, T] and scores [B, 1] after each step, until all rows are done."""
        state = self._first_state.predict_on_batch(features)
        while not np.all(state["path"]["done_B"]):
            state = {**state, **self._next_token.predict_on_batch(state)}
            yield state["path"]["ids_BT"][:, None], state["path"]["log_probs_B"][:, None]

    def warm_up(self, features: dict[str, Any]) -> None:
        """Traces or compiles both parts."""
        self._next_token.predict_on_batch(self._first_state.predict_on_batch(features))
