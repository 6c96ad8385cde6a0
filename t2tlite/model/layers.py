"""The layers of the Transformer (Vaswani et al. 2017, arXiv 1706.03762), as T2T computes them.

A tensor's name ends in the letters of its shape (hidden_BTD), here and in the rest of `model/`:
  B batch, T target length, L input length, Q queries, K keys, D hidden size or a part of it,
  H heads, F filter size, V vocabulary, N rows that are decoded (batch x beam).
"""

import math

import keras
from keras import ops

from t2tlite.config import PAD_ID
from t2tlite.model.attention_weights import record
from t2tlite.model.dropout import Dropout
from t2tlite.model.few_numbers import product, softmax
from t2tlite.model.fused_attention import attend

# Added to attention logits to mask a key. T2T's value; with -inf a query whose keys are all masked
# would give NaN.
MASKED = -1e9


def mask_bias(is_masked):
    """Returns the float32 bias for attention logits that masks where a boolean tensor is true."""
    return ops.cast(is_masked, "float32") * MASKED


def padding_bias(ids_BK):
    """Returns the bias [B, 1, 1, K] that masks padding."""
    return mask_bias(ops.equal(ids_BK, PAD_ID))[:, None, None, :]


def causal_bias(length):
    """Returns the bias [1, 1, T, T] that masks the positions after each query's."""
    positions_T = ops.arange(length)
    return mask_bias(positions_T[None, :] > positions_T[:, None])[None, None]


def segment_bias(queries_BQ, keys_BK):
    """Returns the bias [B, 1, Q, K] that masks other segments (examples) of a packed row.

    Args:
      queries_BQ, keys_BK: segment numbers.
    """
    return mask_bias(ops.not_equal(queries_BQ[:, :, None], keys_BK[:, None, :]))[:, None]


def initializer(hparams):
    """Returns the initializer of projections that `hparams.initializer` names."""
    gain = hparams.initializer_gain
    return {
        "uniform_unit_scaling": keras.initializers.VarianceScaling(gain, "fan_avg", "uniform"),
        "normal_unit_scaling": keras.initializers.VarianceScaling(
            gain, "fan_avg", "truncated_normal"
        ),
        "orthogonal": keras.initializers.Orthogonal(gain),
        "uniform": keras.initializers.RandomUniform(-0.1 * gain, 0.1 * gain),
        "normal": keras.initializers.RandomNormal(0.0, gain),
    }[hparams.initializer]


def dense(width, hparams, name, **options):
    """Returns a dense layer with the hparams' initializer; options as `keras.layers.Dense`."""
    return keras.layers.Dense(width, kernel_initializer=initializer(hparams), name=name, **options)


def sinusoids(positions, width):
    """Returns sinusoidal position encodings (Vaswani et al. 2017, section 3.5), in T2T's order.

    The first half of the channels are sines, the second cosines, of geometric timescales from 1 to
    10,000.

    Args:
      positions: numbers, of any shape [...].
      width: an even number of channels.

    Returns:
      float32 [..., width].
    """
    half = width // 2
    step = math.log(1e4) / max(half - 1, 1)
    rates = ops.exp(-step * ops.arange(half, dtype="float32"))
    angles = ops.expand_dims(ops.cast(positions, "float32"), -1) * rates
    return ops.concatenate([ops.sin(angles), ops.cos(angles)], axis=-1)


class Embedding(keras.layers.Layer):
    """Token embeddings, and the logits of an output layer with the same weights.

    Args:
      vocab_size: V.
      hparams: reads hidden_size, vocab_divisor, multiply_embedding_mode.
    """

    def __init__(self, vocab_size, hparams, **kwargs):
        super().__init__(**kwargs)
        self.vocab_size = vocab_size
        self.rows = math.ceil(vocab_size / hparams.vocab_divisor) * hparams.vocab_divisor
        self.width = hparams.hidden_size
        scaled = hparams.multiply_embedding_mode == "sqrt_depth"
        self.scale = self.width**0.5 if scaled else 1.0

    def build(self, _):
        normal = keras.initializers.RandomNormal(0.0, self.width**-0.5)
        # Not converted by itself, so that `call` adds up its gradient in float32.
        self.weight_VD = self.add_weight(
            shape=(self.rows, self.width), initializer=normal, autocast=False, name="embedding"
        )

    def call(self, ids):
        """Returns the scaled embeddings of ids, zero for padding: int [...] -> [..., D]."""
        vectors = ops.cast(ops.take(self.weight_VD, ids, axis=0), self.compute_dtype)
        is_token = ops.cast(ops.expand_dims(ops.not_equal(ids, PAD_ID), -1), self.compute_dtype)
        return vectors * (is_token * self.scale)

    def logits(self, hidden):
        """Returns float32 logits: [..., D] -> [..., V]."""
        weight = ops.transpose(ops.cast(self.weight_VD, hidden.dtype))
        logits = ops.cast(ops.matmul(hidden, weight), "float32")
        if self.rows > self.vocab_size:
            # Rows beyond the vocabulary only pad the table to a multiple of vocab_divisor.
            logits += mask_bias(ops.arange(self.rows) >= self.vocab_size)
        return logits


class Attention(keras.layers.Layer):
    """Multi-head dot-product attention without biases (Vaswani et al. 2017, section 3.2).

    Args:
      hparams: reads num_heads, hidden_size, the widths of keys and values, dropout, initializer.
      seed_generator: the model's.

    Attributes:
      fuses: whether one kernel may compute it all, see `t2tlite.model.fused_attention`.
    """

    fuses = True

    def __init__(self, hparams, seed_generator, **kwargs):
        super().__init__(**kwargs)
        self.heads = self.key_heads = hparams.num_heads
        keys = hparams.attention_key_channels or hparams.hidden_size
        values = hparams.attention_value_channels or hparams.hidden_size
        self.scale = (keys // self.heads) ** -0.5
        self.query = dense(keys, hparams, "query", use_bias=False)
        self.key = dense(keys, hparams, "key", use_bias=False)
        self.value = dense(values, hparams, "value", use_bias=False)
        self.output_transform = dense(hparams.hidden_size, hparams, "output", use_bias=False)
        self.dropout = Dropout("attention_dropout", hparams, seed_generator)

    def build(self, input_shape):
        for layer in (self.query, self.key, self.value):
            layer.build(input_shape)
        self.output_transform.build((*input_shape[:-1], self.value.units))

    def split(self, x_BKD):
        """Splits the heads: [B, K, D], or [B, D] of one position, -> [B, H, K, D/H]."""
        width = x_BKD.shape[-1] // self.heads
        if len(x_BKD.shape) == 2:
            return ops.reshape(x_BKD, (-1, self.heads, 1, width))
        batch, length = ops.shape(x_BKD)[:2]
        return ops.transpose(ops.reshape(x_BKD, (batch, length, self.heads, width)), (0, 2, 1, 3))

    def keys_values(self, memory_BKD):
        """Returns keys and values of the tensor to attend to, each [B, H, K, D/H]."""
        return self.split(self.key(memory_BKD)), self.split(self.value(memory_BKD))

    def logits(self, queries_BHQD, keys_BHKD, first):
        """Returns the dot products of queries and keys, [B, H, Q, K]; `first` as in `call`."""
        return product(queries_BHQD, ops.transpose(keys_BHKD, (0, 1, 3, 2)))

    def mix(self, weights_BHQK, values_BHKD, first):
        """Returns the weighted sums of the values, [B, H, Q, D/H]; `first` as in `call`."""
        return product(weights_BHQK, values_BHKD)

    def call(self, x_BQD, keys_values, bias, first=0, training=False):
        """Returns the attention's output, [B, Q, D].

        Args:
          x_BQD: the tensor that attends; or [B * Q, D], the rows that share keys being neighbours.
          keys_values: from the method of that name.
          bias: added to the logits, broadcast to [B, H, Q, K]: 0 or MASKED.
          first: index of the first query among the keys; only relative positions read it.
          training: whether to apply dropout.
        """
        keys_BHKD, values_BHKD = keys_values
        queries_BQD = self.query(x_BQD) * self.scale
        is_step = len(x_BQD.shape) == 2
        if is_step:
            rows = ops.shape(keys_BHKD)[0]
            shape = (rows, ops.shape(x_BQD)[0] // rows, queries_BQD.shape[-1])
            queries_BQD = ops.reshape(queries_BQD, shape)
        queries_BHQD = self.split(queries_BQD)
        mixed_BHQD = None
        if self.fuses:
            drops = training and self.dropout.rate
            mixed_BHQD = attend(queries_BHQD, keys_BHKD, values_BHKD, bias, training, drops)
        if mixed_BHQD is None:
            logits_BHQK = self.logits(queries_BHQD, keys_BHKD, first)
            logits_BHQK += ops.cast(bias, logits_BHQK.dtype)
            weights_BHQK = softmax(ops.cast(logits_BHQK, "float32"), is_step)
            record(self, weights_BHQK)
            weights_BHQK = ops.cast(weights_BHQK, self.compute_dtype)
            weights_BHQK = self.dropout(weights_BHQK, training=training)
            mixed_BHQD = self.mix(weights_BHQK, values_BHKD, first)
        mixed_BQHD = ops.transpose(mixed_BHQD, (0, 2, 1, 3))
        rows = (-1,) if is_step else ops.shape(mixed_BQHD)[:2]
        return self.output_transform(ops.reshape(mixed_BQHD, (*rows, self.value.units)))


class FeedForward(keras.layers.Layer):
    """Position-wise feed-forward layer: relu(x W1 + b1) W2 + b2, with dropout after the relu."""

    def __init__(self, hparams, seed_generator, **kwargs):
        super().__init__(**kwargs)
        self.inner = dense(hparams.filter_size, hparams, "inner", activation="relu")
        self.outer = dense(hparams.hidden_size, hparams, "outer")
        self.dropout = Dropout("relu_dropout", hparams, seed_generator)

    def build(self, input_shape):
        self.inner.build(input_shape)
        self.outer.build((*input_shape[:-1], self.inner.units))

    def call(self, x_BTD, training=False):
        return self.outer(self.dropout(self.inner(x_BTD), training=training))


class PrePostProcess(keras.layers.Layer):
    """The operations before or after a sublayer: n (layer norm), d (dropout), a (residual add).

    Args:
      sequence: T2T's layer_preprocess_sequence or layer_postprocess_sequence: a string of these
        letters, or "none".
      hparams: reads norm_epsilon and layer_prepostprocess_dropout.
      seed_generator: the model's.
    """

    def __init__(self, sequence, hparams, seed_generator, **kwargs):
        super().__init__(**kwargs)
        self.sequence = "" if sequence == "none" else sequence
        if "n" in self.sequence:
            self.norm = keras.layers.LayerNormalization(epsilon=hparams.norm_epsilon, name="norm")
        if "d" in self.sequence:
            self.dropout = Dropout("layer_prepostprocess_dropout", hparams, seed_generator)

    def build(self, input_shape):
        if "n" in self.sequence:
            self.norm.build(input_shape)

    def call(self, x_BTD, previous_BTD=None, training=False):
        for letter in self.sequence:
            if letter == "n":
                x_BTD = self.norm(x_BTD)
            elif letter == "d":
                x_BTD = self.dropout(x_BTD, training=training)
            elif letter == "a":
                x_BTD = x_BTD + previous_BTD
        return x_BTD
