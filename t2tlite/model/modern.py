"""The layers of `transformer_modern_*` sets; docs/modern.md has what each part is worth.

The input of each sublayer is normalised, with post_norm also its output; with residual_factors both
parts of the residual sum have a learned factor; queries and keys of self-attention are rotated by
their positions; the feed-forward layer is gated; nothing has a bias. CTranslate2 computes the same
from the same weights, into which the factors are multiplied; with post_norm so does Hugging Face's
`T5GemmaForConditionalGeneration`.

Shapes: as in `t2tlite.model.layers`; also
  W width of a head, G heads of keys and values, S query heads that share one of these, H = G S,
  R = W / 2 rotated pairs of a head.
"""

from typing import Any, Literal

import keras
from keras import ops

from t2tlite.config import SizeOrZero
from t2tlite.errors import HParamsError
from t2tlite.model.attention_weights import record
from t2tlite.model.dropout import Dropout
from t2tlite.model.few_numbers import softmax
from t2tlite.model.fused_attention import attend
from t2tlite.model.kv_cache import part_names
from t2tlite.model.layers import MASKED, initializer
from t2tlite.model.stacks import BlockStack

# Types of the hparams that the sets add.
HINTS = {
    "transformer_block": Literal["modern"],
    "ffn_activation": Literal["swish", "gelu"],
    "post_norm": bool,
    "residual_factors": bool,
    "num_kv_heads": SizeOrZero,
}
# Hparams of T2T's block, each with the only value that is possible here.
FIXED = {
    "pos": "none",
    "self_attention_type": "dot_product",
    "layer_preprocess_sequence": "n",
    "layer_postprocess_sequence": "da",
    "attention_key_channels": 0,
    "attention_value_channels": 0,
}
# At position t, pair i of a head is turned by the angle t * ROTARY_BASE^(-i/R).
ROTARY_BASE = 1e4


def check(hparams):
    """Raises HParamsError if hparams don't fit the block; `HINTS` are checked by the model."""
    for name, only in FIXED.items():
        if (value := getattr(hparams, name)) != only:
            raise HParamsError(
                f"{name}={value} isn't possible with transformer_block=modern, which does without; "
                f"set {name}={only}, or use a set of another family such as transformer_base"
            )
    heads, groups = hparams.num_heads, hparams.num_kv_heads or hparams.num_heads
    if hparams.hidden_size // heads % 2:
        raise HParamsError(
            f"hidden_size={hparams.hidden_size} / num_heads={heads} is odd, but rotary positions "
            f"turn pairs of numbers; choose another of them"
        )
    if heads % groups:
        fitting = ", ".join(str(n) for n in range(1, heads + 1) if heads % n == 0)
        raise HParamsError(
            f"num_kv_heads={groups} doesn't divide num_heads={heads}; choose {fitting}"
        )


def projection(width, hparams, name):
    """Returns a linear layer without a bias."""
    start = initializer(hparams)
    return keras.layers.Dense(width, use_bias=False, kernel_initializer=start, name=name)


class RMSNorm(keras.layers.Layer):
    """Divides by the root mean square, times a learned vector (Zhang & Sennrich 2019, 1910.07467).

    Args:
      hparams: reads norm_epsilon.
    """

    def __init__(self, hparams, **kwargs):
        super().__init__(**kwargs)
        self.epsilon = hparams.norm_epsilon

    def build(self, input_shape):
        self.gamma_D = self.add_weight((input_shape[-1],), "ones", name="gamma")

    def call(self, x):
        return ops.rms_normalization(x, self.gamma_D, epsilon=self.epsilon)


class Residual(keras.layers.Layer):
    """What follows a sublayer: a norm, dropout, and the sum with the sublayer's input.

    The norm, with post_norm, bounds what a sublayer adds, which keeps deep stacks stable (Kim et
    al. 2025, "Peri-LN", 2502.02732). With residual_factors each part of the sum is multiplied by a
    learned factor, 1 at first. ReZero (Bachlechner et al. 2020, 2003.04887) has one for what is
    added alone, 0 at first.

    Args:
      hparams: reads post_norm, residual_factors, layer_prepostprocess_dropout.
      seed_generator: the model's.
    """

    def __init__(self, hparams, seed_generator, **kwargs):
        super().__init__(**kwargs)
        self.norm: Any = RMSNorm(hparams, name="norm") if hparams.post_norm else None
        self.dropout = Dropout("layer_prepostprocess_dropout", hparams, seed_generator)
        self.has_factors = hparams.residual_factors
        self.kept: Any = 1.0
        self.added: Any = 1.0

    def build(self, input_shape):
        if self.norm is not None:
            self.norm.build(input_shape)
        if self.has_factors:
            self.kept = self.add_weight((), "ones", name="kept")
            self.added = self.add_weight((), "ones", name="added")

    def call(self, y_BTD, x_BTD, training=False):
        if self.norm is not None:
            y_BTD = self.norm(y_BTD)
        y_BTD = self.dropout(y_BTD, training=training)
        if not self.has_factors:
            return x_BTD + y_BTD
        return x_BTD * self.kept + y_BTD * self.added


def rotation(positions, width, dtype):
    """Returns the cosines and sines that turn queries and keys, each [B or 1, 1, T, R].

    Rotary positions (Su et al. 2021, 2104.09864): each pair of numbers is turned by an angle that
    grows with the position, so that dot products depend on distances alone.

    Args:
      positions: [T] or [B, T].
      width: W.
      dtype: of the result.
    """
    rates_R = ROTARY_BASE ** (ops.arange(width // 2, dtype="float32") * (-2 / width))
    angles = ops.cast(positions, "float32")[..., None] * rates_R
    angles = angles[:, None] if len(angles.shape) == 3 else angles[None, None]
    return ops.cast(ops.cos(angles), dtype), ops.cast(ops.sin(angles), dtype)


def rotate(x_BHTW, turn):
    """Turns the pairs (x[i], x[i + R]) of each head by the result of `rotation`."""
    cos, sin = turn
    first_BHTR, second_BHTR = ops.split(x_BHTW, 2, axis=-1)
    return ops.concatenate(
        [first_BHTR * cos - second_BHTR * sin, second_BHTR * cos + first_BHTR * sin], axis=-1
    )


class GroupedAttention(keras.layers.Layer):
    """Multi-head attention in which groups of heads share keys and values.

    With fewer keys and values a decoder reads less memory at each step (Ainslie et al. 2023,
    2305.13245).

    Args:
      hparams: reads num_heads, hidden_size, attention_dropout, initializer.
      seed_generator: the model's.
      key_heads: G.
    """

    def __init__(self, hparams, seed_generator, key_heads, **kwargs):
        super().__init__(**kwargs)
        self.heads, self.key_heads = hparams.num_heads, key_heads
        self.head_width = hparams.hidden_size // self.heads
        keys = key_heads * self.head_width
        self.query = projection(hparams.hidden_size, hparams, "query")
        self.key = projection(keys, hparams, "key")
        self.value = projection(keys, hparams, "value")
        self.output_transform = projection(hparams.hidden_size, hparams, "output")
        self.dropout = Dropout("attention_dropout", hparams, seed_generator)

    def build(self, input_shape):
        for layer in (self.query, self.key, self.value, self.output_transform):
            layer.build(input_shape)

    def split(self, x_BKD):
        """Splits the heads: [B, K, D] -> [B, H or G, K, W]."""
        batch, length = ops.shape(x_BKD)[:2]
        heads_BKHW = ops.reshape(x_BKD, (batch, length, -1, self.head_width))
        return ops.transpose(heads_BKHW, (0, 2, 1, 3))

    def keys_values(self, memory_BKD, turn=None):
        """Returns keys and values of the tensor to attend to, each [B, G, K, W].

        Args:
          memory_BKD: the tensor.
          turn: `rotation` of its positions, or None.
        """
        keys_BGKW = self.split(self.key(memory_BKD))
        if turn is not None:
            keys_BGKW = rotate(keys_BGKW, turn)
        return keys_BGKW, self.split(self.value(memory_BKD))

    def call(self, x_BQD, keys_values, bias, turn=None, training=False):
        """Returns the attention's output, [B, Q, D].

        Args:
          x_BQD: the tensor that attends.
          keys_values: from the method of that name.
          bias: added to the logits, broadcast to [B, H, Q, K]: 0 or MASKED.
          turn: `rotation` of the positions of x_BQD, or None.
          training: whether to apply dropout.
        """
        keys_BGKW, values_BGKW = keys_values
        queries_BHQW = self.split(self.query(x_BQD))
        if turn is not None:
            queries_BHQW = rotate(queries_BHQW, turn)
        queries_BHQW = queries_BHQW * self.head_width**-0.5
        drops = training and self.dropout.rate
        mixed_BHQW = attend(queries_BHQW, keys_BGKW, values_BGKW, bias, training, drops)
        if mixed_BHQW is None:
            mixed_BHQW = self.mix(queries_BHQW, keys_BGKW, values_BGKW, bias, training)
        mixed_BQHW = ops.transpose(mixed_BHQW, (0, 2, 1, 3))
        batch, length = ops.shape(x_BQD)[:2]
        return self.output_transform(ops.reshape(mixed_BQHW, (batch, length, self.query.units)))

    def mix(self, queries_BHQW, keys_BGKW, values_BGKW, bias, training):
        """Returns the sums of values by attention weights, [B, H, Q, W]."""
        batch, _, length, _ = ops.shape(queries_BHQW)
        groups, shared = self.key_heads, self.heads // self.key_heads
        # The queries that share keys are rows of one product.
        grouped = (batch, groups, shared * length, -1)
        queries_BGMW = ops.reshape(queries_BHQW, grouped)
        logits_BGMK = ops.matmul(queries_BGMW, ops.transpose(keys_BGKW, (0, 1, 3, 2)))
        logits_BHQK = ops.reshape(logits_BGMK, (batch, self.heads, length, -1))
        is_step = queries_BHQW.shape[2] == 1
        if is_step:
            # Not as a sum: with a bias that a loop's steps read, TensorFlow's remapper may fuse it
            # with the product so that it reads the other branch of a switch, which is never there.
            logits_BHQK = ops.where(bias < 0, ops.cast(MASKED, logits_BHQK.dtype), logits_BHQK)
        else:
            logits_BHQK += ops.cast(bias, logits_BHQK.dtype)
        weights_BHQK = softmax(ops.cast(logits_BHQK, "float32"), is_step)
        record(self, weights_BHQK)
        weights_BHQK = ops.cast(weights_BHQK, self.compute_dtype)
        weights_BHQK = self.dropout(weights_BHQK, training=training)
        mixed_BGMW = ops.matmul(ops.reshape(weights_BHQK, grouped), values_BGKW)
        return ops.reshape(mixed_BGMW, (batch, self.heads, length, self.head_width))


class GatedFeedForward(keras.layers.Layer):
    """Feed-forward layer with a gate: (act(x W1) * (x W2)) W3 (Shazeer 2020, 2002.05202).

    The hparam ffn_activation: "swish" is SwiGLU, "gelu" GEGLU (the tanh form).
    """

    def __init__(self, hparams, seed_generator, **kwargs):
        super().__init__(**kwargs)
        self.activation = hparams.ffn_activation
        self.gate = projection(hparams.filter_size, hparams, "gate")
        self.inner = projection(hparams.filter_size, hparams, "inner")
        self.outer = projection(hparams.hidden_size, hparams, "outer")
        self.dropout = Dropout("relu_dropout", hparams, seed_generator)

    def build(self, input_shape):
        self.gate.build(input_shape)
        self.inner.build(input_shape)
        self.outer.build((*input_shape[:-1], self.inner.units))

    def call(self, x_BTD, training=False):
        gate_BTF = self.gate(x_BTD)
        is_swish = self.activation == "swish"
        gate_BTF = ops.silu(gate_BTF) if is_swish else ops.gelu(gate_BTF, approximate=True)
        y_BTF = gate_BTF * self.inner(x_BTD)
        return self.outer(self.dropout(y_BTF, training=training))


class ModernBlock(keras.layers.Layer):
    """One layer of a stack: self-attention, cross-attention if any, feed-forward.

    Args:
      hparams: the model's.
      seed_generator: the model's.
      cross: whether it attends to the encoder's output.
      key_heads: heads of keys and values.
    """

    def __init__(self, hparams, seed_generator, cross, key_heads, **kwargs):
        super().__init__(**kwargs)

        def around(name):
            return (
                RMSNorm(hparams, name=f"{name}_preprocess"),
                Residual(hparams, seed_generator, name=f"{name}_postprocess"),
            )

        arguments = hparams, seed_generator, key_heads
        self.self_attention = GroupedAttention(*arguments, name="self_attention")
        self.self_before, self.self_after = around("self_attention")
        self.cross_attention: Any = None
        if cross:
            self.cross_attention = GroupedAttention(*arguments, name="cross_attention")
            self.cross_before, self.cross_after = around("cross_attention")
        self.feed_forward = GatedFeedForward(hparams, seed_generator, name="feed_forward")
        self.feed_before, self.feed_after = around("feed_forward")

    def build(self, input_shape):
        for layer in self._flatten_layers(include_self=False, recursive=False):
            layer.build(input_shape)

    def call(
        self, x_BTD, turn, self_bias, memory=None, cross_bias=None, cache=None, training=False
    ):
        """Returns the layer's output, [B, T, D].

        Args:
          x_BTD: its input.
          turn: `rotation` of the positions.
          self_bias, memory, cross_bias, cache, training: as for `t2tlite.model.stacks.Block`.
        """
        y_BTD = self.self_before(x_BTD)
        keys_values = self.self_attention.keys_values(y_BTD, turn)
        if cache is not None:
            name, kv_cache = cache
            keys_values = kv_cache.update(name, keys_values)
        y_BTD = self.self_attention(y_BTD, keys_values, self_bias, turn, training=training)
        x_BTD = self.self_after(y_BTD, x_BTD, training=training)
        if self.cross_attention is not None:
            y_BTD = self.cross_before(x_BTD)
            y_BTD = self.cross_attention(y_BTD, memory, cross_bias, training=training)
            x_BTD = self.cross_after(y_BTD, x_BTD, training=training)
        y_BTD = self.feed_forward(self.feed_before(x_BTD), training=training)
        return self.feed_after(y_BTD, x_BTD, training=training)


class ModernStack(BlockStack):
    """A sequence of blocks and a last norm; arguments as `t2tlite.model.stacks.Stack`.

    The stack named "decoder" reads num_kv_heads, and a learned vector takes the place of the zeros
    at its first position. A language model without biases would compute zeros from these zeros, and
    couldn't learn which token comes first.
    """

    def __init__(self, layers, hparams, seed_generator, cross, name):
        super().__init__(name=name)
        decodes = name == "decoder"
        key_heads = (hparams.num_kv_heads if decodes else 0) or hparams.num_heads
        self.blocks = [
            ModernBlock(hparams, seed_generator, cross, key_heads, name=f"layer_{i}")
            for i in range(layers)
        ]
        self.finish = RMSNorm(hparams, name="finish")
        self.head_width = hparams.hidden_size // hparams.num_heads
        self.has_start = decodes
        self.start_D: Any = None

    def build(self, input_shape):
        super().build(input_shape)
        if self.has_start:
            # Scaled like embeddings, as it stands where the first token's would.
            normal = keras.initializers.RandomNormal(0.0, input_shape[-1] ** -0.5)
            self.start_D = self.add_weight((input_shape[-1],), normal, name="start")

    def call(self, x_BTD, self_bias, positions, memory=None, kv_cache=None, training=False):
        """Returns the stack's output, [B, T, D]; arguments as `t2tlite.model.stacks.Stack.call`."""
        if self.start_D is not None:
            # The zero vector stands at the start, and for padding.
            is_empty_BT1 = ops.all(ops.equal(x_BTD, 0), axis=-1, keepdims=True)
            start_D = ops.cast(self.start_D * x_BTD.shape[-1] ** 0.5, x_BTD.dtype)
            x_BTD = ops.where(is_empty_BT1, start_D, x_BTD)
        turn = rotation(positions, self.head_width, x_BTD.dtype)
        for block in self.blocks:
            pair, bias = None, None
            if memory:
                pair, bias = [memory[name] for name in part_names(block.name)], memory["bias"]
            cache = (block.name, kv_cache) if kv_cache is not None else None
            given = x_BTD, turn, self_bias, pair, bias
            x_BTD = block(*given, cache=cache, training=training)
        return self.finish(x_BTD)
