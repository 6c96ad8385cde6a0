"""Stacks of attention layers, and what they remember between the steps of decoding.

Shape letters as in `t2tlite.model.layers`.
"""

from typing import Any

import keras
from keras import ops

from t2tlite.model.layers import Attention, FeedForward, Process
from t2tlite.model.relative_attention import RelativeAttention

# By the hparam self_attention_type.
SELF_ATTENTION = {"dot_product": Attention, "dot_product_relative": RelativeAttention}


class Past:
    """Keys and values of the positions before the one that is decoded, and their room.

    Args:
      cache: the tensors [N, H, room, D/H] of each layer's self-attention, as `Stack.room` names
        them.
      position: scalar int32, the place that is decoded.

    Attributes:
      cache: the same with what was added.
    """

    def __init__(self, cache, position):
        self.cache = dict(cache)
        self.position = position

    @property
    def room(self):
        """Positions that there is room for."""
        return ops.shape(next(iter(self.cache.values())))[2]

    def extended(self, name, keys_values):
        """Writes the keys and values of this position; returns those of the whole room."""
        here = ops.reshape(ops.arange(self.room) == self.position, (1, 1, -1, 1))
        for part, new in zip(_names(name), keys_values, strict=True):
            self.cache[part] = ops.where(here, new, self.cache[part])
        return [self.cache[part] for part in _names(name)]


def _names(layer):
    return f"{layer}_keys", f"{layer}_values"


class Block(keras.layers.Layer):
    """One layer of a stack: self-attention, attention to the encoder if any, feed-forward.

    Args:
      hparams: of the model.
      seed_generator: of the model's dropout.
      cross: whether it attends to the encoder's output.
    """

    def __init__(self, hparams, seed_generator, cross, **kwargs):
        super().__init__(**kwargs)
        before, after = hparams.layer_preprocess_sequence, hparams.layer_postprocess_sequence

        def process(name):
            return (
                Process(before, hparams, seed_generator, name=f"{name}_preprocess"),
                Process(after, hparams, seed_generator, name=f"{name}_postprocess"),
            )

        attention = SELF_ATTENTION[hparams.self_attention_type]
        self.self_attention = attention(hparams, seed_generator, name="self_attention")
        self.self_before, self.self_after = process("self_attention")
        self.cross_attention = None
        if cross:
            self.cross_attention = Attention(hparams, seed_generator, name="cross_attention")
            self.cross_before, self.cross_after = process("cross_attention")
        self.feed_forward = FeedForward(hparams, seed_generator, name="feed_forward")
        self.feed_before, self.feed_after = process("feed_forward")

    def build(self, input_shape):
        for layer in self._flatten_layers(include_self=False, recursive=False):
            layer.build(input_shape)

    def call(self, x_BTD, self_bias, memory=None, cross_bias=None, past=None, training=False):
        """Runs the layer.

        Args:
          x_BTD: its input.
          self_bias: of self-attention.
          memory: keys and values of the encoder's output, by this layer's `cross_attention`.
          cross_bias: of the attention to the encoder.
          past: the name of this layer's part of a `Past`, and the `Past`; None when a whole
            sequence is run at once.
          training: whether to drop.

        Returns:
          [B, T, D].
        """
        y = self.self_before(x_BTD, training=training)
        keys_values, first = self.self_attention.keys_values(y), 0
        if past is not None:
            name, past = past
            keys_values, first = past.extended(name, keys_values), past.position
        y = self.self_attention(y, keys_values, self_bias, first=first, training=training)
        x_BTD = self.self_after(y, x_BTD, training=training)
        if self.cross_attention is not None:
            y = self.cross_before(x_BTD, training=training)
            y = self.cross_attention(y, memory, cross_bias, training=training)
            x_BTD = self.cross_after(y, x_BTD, training=training)
        y = self.feed_before(x_BTD, training=training)
        y = self.feed_forward(y, training=training)
        return self.feed_after(y, x_BTD, training=training)


class Stack(keras.layers.Layer):
    """Blocks one after the other, with T2T's last preprocessing (the final norm of pre-norm).

    Args:
      layers: how many.
      hparams: of the model.
      seed_generator: of the model's dropout.
      cross: whether they attend to the encoder's output.
    """

    def __init__(self, layers, hparams, seed_generator, cross, **kwargs):
        super().__init__(**kwargs)
        self.blocks: list[Any] = [
            Block(hparams, seed_generator, cross, name=f"layer_{i}") for i in range(layers)
        ]
        sequence = hparams.layer_preprocess_sequence
        self.finish = Process(sequence, hparams, seed_generator, name="finish")

    def build(self, input_shape):
        for layer in [*self.blocks, self.finish]:
            layer.build(input_shape)

    def memory(self, encoded_BLD, bias):
        """Returns what each step of the stack reads of the encoder's output.

        Args:
          encoded_BLD: the output.
          bias: hides its padding.

        Returns:
          "bias", and keys and values for each block by name.
        """
        found: dict[str, Any] = {"bias": bias}
        for block in self.blocks:
            pair = block.cross_attention.keys_values(encoded_BLD)
            found.update(zip(_names(block.name), pair, strict=True))
        return found

    def places(self):
        """Returns the names under which runs of blocks keep their keys and values."""
        return [block.name for block in self.blocks]

    def room(self, rows, max_steps):
        """Returns the empty cache of a `Past` for N rows of at most so many positions."""
        attention = self.blocks[0].self_attention
        cache = {}
        for name in self.places():
            layers = attention.key, attention.value
            for part, layer in zip(_names(name), layers, strict=True):
                shape = (rows, attention.heads, max_steps, layer.units // attention.heads)
                cache[part] = ops.zeros(shape, attention.compute_dtype)
        return cache

    def call(self, x_BTD, self_bias, positions, memory=None, past=None, training=False):
        """Runs the stack.

        Args:
          x_BTD: its input.
          self_bias: of self-attention.
          positions: of x, [T] or [B, T]; what it needs of them, x has already.
          memory: as the method of that name returns it; None or {} without an encoder.
          past: a `Past` that gets this position's keys and values; None when a whole sequence is
            run at once.
          training: whether to drop.

        Returns:
          [B, T, D].
        """
        places = iter(self.places())
        x_BTD = self.run(x_BTD, self_bias, memory, past, places, training)
        return self.finish(x_BTD, training=training)

    def run(self, x_BTD, self_bias, memory, past, places, training):
        """Runs all blocks once; `places` yields their names in `past`, the rest is as in `call`."""
        for block in self.blocks:
            pair, bias = None, None
            if memory:
                pair, bias = [memory[name] for name in _names(block.name)], memory["bias"]
            place = (next(places), past) if past is not None else None
            x_BTD = block(x_BTD, self_bias, pair, bias, past=place, training=training)
        return x_BTD
