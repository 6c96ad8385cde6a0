"""Stacks of Transformer layers.

Shapes: as in `t2tlite.model.layers`.
"""

from typing import Any

import keras
from keras import ops

from t2tlite.model.kv_cache import KVCache, part_names
from t2tlite.model.layers import Attention, FeedForward, PrePostProcess
from t2tlite.model.relative_attention import RelativeAttention

# By the hparam self_attention_type.
SELF_ATTENTION = {"dot_product": Attention, "dot_product_relative": RelativeAttention}


class Block(keras.layers.Layer):
    """One layer of a stack: self-attention, cross-attention if any, feed-forward.

    Args:
      hparams: the model's.
      seed_generator: the model's.
      cross: whether it attends to the encoder's output.
    """

    def __init__(self, hparams, seed_generator, cross, **kwargs):
        super().__init__(**kwargs)
        preprocess = hparams.layer_preprocess_sequence
        postprocess = hparams.layer_postprocess_sequence

        def process(name):
            return (
                PrePostProcess(preprocess, hparams, seed_generator, name=f"{name}_preprocess"),
                PrePostProcess(postprocess, hparams, seed_generator, name=f"{name}_postprocess"),
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

    def call(self, x_BTD, self_bias, memory=None, cross_bias=None, cache=None, training=False):
        """Returns the layer's output, [B, T, D].

        Args:
          x_BTD: its input.
          self_bias: bias of self-attention.
          memory: keys and values of the encoder's output, from `cross_attention.keys_values`.
          cross_bias: bias of cross-attention.
          cache: this layer's name in a cache, and the `KVCache` or `PrefixCache`; None for whole
            sequences.
          training: whether to apply dropout.
        """
        y = self.self_before(x_BTD, training=training)
        keys_values, first = self.self_attention.keys_values(y), 0
        if cache is not None:
            name, kv_cache = cache
            keys_values, first = kv_cache.update(name, keys_values), kv_cache.position
        y = self.self_attention(y, keys_values, self_bias, first=first, training=training)
        x_BTD = self.self_after(y, x_BTD, training=training)
        if self.cross_attention is not None:
            y = self.cross_before(x_BTD, training=training)
            y = self.cross_attention(y, memory, cross_bias, training=training)
            x_BTD = self.cross_after(y, x_BTD, training=training)
        y = self.feed_before(x_BTD, training=training)
        y = self.feed_forward(y, training=training)
        return self.feed_after(y, x_BTD, training=training)


class BlockStack(keras.layers.Layer):
    """A sequence of blocks of any kind, and a layer after the last one.

    Attributes:
      shares_memory: whether decoded rows may share the rows of a memory, as beams do.
      blocks: its blocks, with attention layers `self_attention` and `cross_attention`.
      finish: the layer after the last block.
    """

    shares_memory = False
    blocks: list[Any]
    finish: Any

    def build(self, input_shape):
        for layer in [*self.blocks, self.finish]:
            layer.build(input_shape)

    def memory(self, encoded_BLD, bias):
        """Returns what cross-attention reads: "bias", and each block's keys and values by name.

        Args:
          encoded_BLD: the encoder's output.
          bias: masks its padding.
        """
        memory: dict[str, Any] = {"bias": bias}
        for block in self.blocks:
            pair = block.cross_attention.keys_values(encoded_BLD)
            memory.update(zip(part_names(block.name), pair, strict=True))
        return memory

    def cache_names(self):
        """Returns the names in a `KVCache` of all runs of blocks, in order."""
        return [block.name for block in self.blocks]

    def empty_cache(self, rows, max_steps):
        """Returns the tensors of a `KVCache` before position 0."""
        attention = self.blocks[0].self_attention
        cache = {}
        for name in self.cache_names():
            layers = attention.key, attention.value
            for part, layer in zip(part_names(name), layers, strict=True):
                heads = attention.key_heads
                shape = (rows, heads, max_steps, layer.units // heads)
                cache[part] = ops.zeros(shape, attention.compute_dtype)
        return cache


class Stack(BlockStack):
    """A sequence of T2T's blocks, and its last preprocessing (the final norm of pre-norm).

    Args:
      layers: number of blocks.
      hparams: the model's.
      seed_generator: the model's.
      cross: whether the blocks attend to the encoder's output.
    """

    shares_memory = True

    def __init__(self, layers, hparams, seed_generator, cross, **kwargs):
        super().__init__(**kwargs)
        self.blocks = [
            Block(hparams, seed_generator, cross, name=f"layer_{i}") for i in range(layers)
        ]
        sequence = hparams.layer_preprocess_sequence
        self.finish = PrePostProcess(sequence, hparams, seed_generator, name="finish")

    def call(self, x_BTD, self_bias, positions, memory=None, kv_cache=None, training=False):
        """Returns the stack's output, [B, T, D].

        Args:
          x_BTD: its input, which includes position encodings.
          self_bias: bias of self-attention.
          positions: [T] or [B, T]; only recurrent stacks read them.
          memory: from the method of that name; None or {} without an encoder. A step of decoding
            may have a multiple of its rows.
          kv_cache: a `KVCache` or `PrefixCache`, which is updated; None for whole sequences.
          training: whether to apply dropout.
        """
        if isinstance(kv_cache, KVCache):
            # One position: matrices make fewer operations than [B, 1, D] does.
            positions = positions[:, 0] if len(positions.shape) == 2 else positions
            x_BD = self.run(x_BTD[:, 0], self_bias, positions, memory, kv_cache, training)
            return x_BD[:, None]
        return self.run(x_BTD, self_bias, positions, memory, kv_cache, training)

    def run(self, x_BTD, self_bias, positions, memory, kv_cache, training):
        """Does the work of `call`; also of one position: x [B, D], positions [1] or [B]."""
        names = iter(self.cache_names())
        x_BTD = self.run_blocks(x_BTD, self_bias, memory, kv_cache, names, training)
        return self.finish(x_BTD, training=training)

    def run_blocks(self, x_BTD, self_bias, memory, kv_cache, names, training):
        """Runs all blocks once; `names` yields their names in `kv_cache`."""
        for block in self.blocks:
            pair, bias = None, None
            if memory:
                pair, bias = [memory[name] for name in part_names(block.name)], memory["bias"]
            cache = (next(names), kv_cache) if kv_cache is not None else None
            x_BTD = block(x_BTD, self_bias, pair, bias, cache=cache, training=training)
        return x_BTD
