"""Answers token by token, as they are written: greedy search and sampling a step at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
from keras import ops

from t2tlite.decode.search_model import Search
from t2tlite.model import search


class Beginning(keras.Model):
    """What comes before the first token: the encoder, and room for all that steps keep.

    It takes what a search takes, and returns the state that `NextToken` takes: "given", which
    stays, and "cache", "path" and "position", which change.
    """

    def __init__(self, searching: Search):
        super().__init__(name="beginning", autocast=False)
        self.searching = searching

    def build(self, _: Any = None) -> None:
        # All weights are the network's, which has been loaded.
        self.built = True

    def call(self, features: dict[str, Any]) -> dict[str, Any]:
        searching = self.searching
        given, cache, max_steps = searching.begin(features)
        if searching.samples:
            shape = (max_steps, ops.shape(features["ids"])[0])
            uniform_TB = keras.random.uniform(shape, seed=searching.seed_generator)
            given["uniform"] = ops.transpose(uniform_TB)
        path = search.Path.start(given["limits"], max_steps)
        position_1 = ops.zeros((1,), "int32")
        return {"given": given, "cache": cache, "path": path._asdict(), "position": position_1}


class NextToken(keras.Model):
    """One step: takes a state and returns what changes of it."""

    def __init__(self, searching: Search):
        # What comes from a step in bfloat16 goes into the next one as it is.
        super().__init__(name="next_token", autocast=False)
        self.searching = searching

    def build(self, _: Any = None) -> None:
        self.built = True

    def call(self, state: dict[str, Any]) -> dict[str, Any]:
        searching, given = self.searching, state["given"]
        choose = search.most_probable
        if searching.samples:
            uniform_TB = ops.transpose(given["uniform"])
            choose = search.drawing(
                uniform_TB,
                searching.temperature,
                max(searching.top_k, 0),
                searching.how.sampling_top_p,
            )
        path, cache = search.extended(
            choose,
            searching.step(given),
            state["position"][0],
            search.Path(**state["path"]),
            state["cache"],
        )
        return {"cache": cache, "path": path._asdict(), "position": state["position"] + 1}


class Stream:
    """A search that is taken a step at a time.

    Args:
      searching: of one answer a line, greedy or sampled.
      static_shapes: whether to compile for the shapes at hand.
    """

    def __init__(self, searching: Search, static_shapes: bool):
        self._beginning, self._next_token = Beginning(searching), NextToken(searching)
        for model in (self._beginning, self._next_token):
            model.compile(jit_compile=static_shapes)

    def ids(self, features: dict[str, Any]) -> Iterator[tuple[Any, Any]]:
        """Yields the ids [B, 1, T] and scores [B, 1] after each step, until all rows are done.

        Args:
          features: as a search takes them.
        """
        state = self._beginning.predict_on_batch(features)
        while not np.all(state["path"]["done_B"]):
            state = {**state, **self._next_token.predict_on_batch(state)}
            yield state["path"]["ids_BT"][:, None], state["path"]["log_probs_B"][:, None]

    def warm_up(self, features: dict[str, Any]) -> None:
        """Traces or compiles both parts."""
        self._next_token.predict_on_batch(self._beginning.predict_on_batch(features))
