"""Greedy search and sampling one step at a time, so that an answer is shown while it is written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
from keras import ops

from t2tlite.decode.keras_search import Search
from t2tlite.search import search
from t2tlite.search.sampler import make_sampler


class Stream:
    """A greedy or sampling search, compiled as its model is, that runs one step at a time."""

    def __init__(self, search_model: Search):
        self._search_model = search_model
        self._first_state = _Function(self._make_first_state, search_model)
        self._next_token = _Function(self._make_next_token, search_model)

    def steps(self, features: dict[str, Any]) -> Iterator[tuple[Any, Any]]:
        """Yields the ids [B, 1, T] and scores [B, 1] after each step, until all rows are done."""
        state = self._first_state.predict_on_batch(features)
        while not np.all(state["path"]["done_B"]):
            state = {**state, **self._next_token.predict_on_batch(state)}
            yield state["path"]["ids_BT"][:, None], state["path"]["log_probs_B"][:, None]

    def warm_up(self, features: dict[str, Any]) -> None:
        """Traces or compiles both parts."""
        state = self._first_state.predict_on_batch(features)
        # The cache may grow, so that the second step is traced for all that follow.
        for _ in range(2):
            state = {**state, **self._next_token.predict_on_batch(state)}

    def _make_first_state(self, features: dict[str, Any]) -> dict[str, Any]:
        """Runs the encoder; returns "given", which stays the same, and what steps change."""
        model = self._search_model
        given, cache, max_steps = model.begin(features)
        draws = ("uniform", "temperature", "top_p", "top_k")
        given |= {name: features[name] for name in draws if name in features}
        path = search.Sequences.start(given["limits"], max_steps)
        position_1 = ops.zeros((1,), "int32")
        return {"given": given, "cache": cache, "path": path._asdict(), "position": position_1}

    def _make_next_token(self, state: dict[str, Any]) -> dict[str, Any]:
        """Takes a step from a state; returns what changes of it."""
        model, given = self._search_model, state["given"]
        choose = search.most_probable
        if model.samples:
            choose = make_sampler(ops.transpose(given["uniform"]), *model.cuts_of(given))
        position_1, path = state["position"], search.Sequences(**state["path"])
        path, cache = search.extend(choose, model.step(given), position_1[0], path, state["cache"])
        return {"cache": cache, "path": path._asdict(), "position": position_1 + 1}


class _Function(keras.Model):
    """A function that Keras compiles; the variables that it reads are the search model's."""

    def __init__(self, function: Callable[[Any], Any], search_model: Search):
        # Without autocast, as a state must keep its dtypes.
        super().__init__(name="stream", autocast=False)
        self.search_model = search_model
        self._function = function
        self.compile(jit_compile=search_model.jit_compile)

    def build(self, _: Any = None) -> None:
        # The network is built.
        self.built = True

    def call(self, tensors: dict[str, Any]) -> dict[str, Any]:
        result: dict[str, Any] = self._function(tensors)
        return result
