"""The layers of the Transformer (Vaswani et al. 2017), as Tensor2Tensor computes them.

Shapes, here and in the rest of `model/`:
  B batch, T target length, L input length, Q queries, K keys, D hidden size, H heads, F filter
  size, V vocabulary, N rows that are decoded (batch x beam).
Names end in the letters of their shape: hidden_BTD.
"""

import math

import keras
from keras import ops

from t2tlite.model.attention_weights import record

# Added to the logits of attention where it must not look; as T2T, not -inf, so that a row without
# anything to look at gives finite numbers.
MASKED = -1e9


def initializer(hparams):
    """Returns the initializer of projections that the hparams name."""
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


def sinusoids(positions, width):
    """Sinusoidal positions: [sin | cos] halves over geometric timescales from 1 to 10,000.

    Args:
      positions: numbers of any shape [...].
      width: even number of channels.

    Returns:
      float32 [..., width].
    """
    half = width // 2
    step = math.log(1e4) / max(half - 1, 1)
    rates = ops.exp(-step * ops.arange(half, dtype="float32"))
    angles = ops.expand_dims(ops.cast(positions, "float32"), -1) * rates
    return ops.concatenate([ops.sin(angles), ops.cos(angles)], axis=-1)


class Dropout(keras.layers.Layer):
    """Dropout that may share its mask along axes, T2T's `*_broadcast_dims`.

    Args:
      rate: share of values dropped.
      broadcast_dims: axes with one mask, as "0,1" or "".
      seed_generator: of the whole model, so that its state is one variable.
    """

    def __init__(self, rate, broadcast_dims, seed_generator, **kwargs):
        super().__init__(**kwargs)
        self.rate = rate
        self.axes = [int(axis) for axis in broadcast_dims.split(",") if axis.strip()]
        self.seed_generator = seed_generator

    def call(self, x, training=False):
        if not training or not self.rate:
            return x
        noise_shape = None
        if self.axes:
            noise_shape = list(ops.shape(x))
            for axis in self.axes:
                noise_shape[axis] = 1
        return keras.random.dropout(x, self.rate, noise_shape, seed=self.seed_generator)


class Embedding(keras.layers.Layer):
    """Token vectors, and the logits of the tied output layer.

    Args:
      vocab_size: tokens, V.
      hparams: of the model; reads hidden_size, vocab_divisor, multiply_embedding_mode.
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
        self.weight_VD = self.add_weight(
            shape=(self.rows, self.width), initializer=normal, name="embedding"
        )

    def call(self, ids):
        """Returns the scaled vectors of ids, zero for padding: int [...] -> [..., D]."""
        vectors = ops.take(ops.cast(self.weight_VD, self.compute_dtype), ids, axis=0)
        kept = ops.cast(ops.expand_dims(ops.not_equal(ids, 0), -1), self.compute_dtype)
        return vectors * (kept * self.scale)

    def logits(self, hidden):
        """Returns float32 logits: [..., D] -> [..., V]."""
        weight = ops.transpose(ops.cast(self.weight_VD, hidden.dtype))
        logits = ops.cast(ops.matmul(hidden, weight), "float32")
        if self.rows > self.vocab_size:
            # Rows that only fill up to vocab_divisor are no tokens.
            logits += MASKED * ops.cast(ops.arange(self.rows) >= self.vocab_size, "float32")
        return logits


class Attention(keras.layers.Layer):
    """Multi-head attention without biases; queries are scaled by (key width a head)^-0.5.

    Args:
      hparams: of the model.
      seed_generator: of the model's dropout.
    """

    def __init__(self, hparams, seed_generator, **kwargs):
        super().__init__(**kwargs)
        self.heads = hparams.num_heads
        keys = hparams.attention_key_channels or hparams.hidden_size
        values = hparams.attention_value_channels or hparams.hidden_size
        self.scale = (keys // self.heads) ** -0.5

        def projection(width, name):
            return keras.layers.Dense(
                width, use_bias=False, kernel_initializer=initializer(hparams), name=name
            )

        self.query = projection(keys, "query")
        self.key = projection(keys, "key")
        self.value = projection(values, "value")
        self.output_transform = projection(hparams.hidden_size, "output")
        self.dropout = Dropout(
            hparams.attention_dropout, hparams.attention_dropout_broadcast_dims, seed_generator
        )

    def build(self, input_shape):
        for layer in (self.query, self.key, self.value):
            layer.build(input_shape)
        self.output_transform.build((*input_shape[:-1], self.value.units))

    def split(self, x_BKD):
        """Separates the heads: [B, K, D] -> [B, H, K, D/H]."""
        batch, length = ops.shape(x_BKD)[:2]
        width = x_BKD.shape[-1] // self.heads
        return ops.transpose(ops.reshape(x_BKD, (batch, length, self.heads, width)), (0, 2, 1, 3))

    def keys_values(self, memory_BKD):
        """Returns the heads' keys and values of what is attended to, each [B, H, K, D/H]."""
        return self.split(self.key(memory_BKD)), self.split(self.value(memory_BKD))

    def logits(self, queries_BHQD, keys_BHKD, first):
        """Returns how well each query fits each key, [B, H, Q, K]; `first` as in `call`."""
        return ops.matmul(queries_BHQD, ops.transpose(keys_BHKD, (0, 1, 3, 2)))

    def mixed(self, weights_BHQK, values_BHKD, first):
        """Returns the weighted values, [B, H, Q, D/H]; `first` as in `call`."""
        return ops.matmul(weights_BHQK, values_BHKD)

    def call(self, x_BQD, keys_values, bias, first=0, training=False):
        """Attends.

        Args:
          x_BQD: where the queries come from.
          keys_values: as the method of that name returns them.
          bias: added to the logits, broadcast to [B, H, Q, K]: 0 or MASKED.
          first: the place of the first query among the keys; only relative positions read it.
          training: whether to drop attention weights.

        Returns:
          [B, Q, D].
        """
        keys_BHKD, values_BHKD = keys_values
        queries_BHQD = self.split(self.query(x_BQD) * self.scale)
        logits_BHQK = self.logits(queries_BHQD, keys_BHKD, first)
        logits_BHQK += ops.cast(bias, logits_BHQK.dtype)
        weights_BHQK = ops.softmax(ops.cast(logits_BHQK, "float32"))
        record(self, weights_BHQK)
        weights_BHQK = ops.cast(weights_BHQK, self.compute_dtype)
        weights_BHQK = self.dropout(weights_BHQK, training=training)
        mixed_BHQD = self.mixed(weights_BHQK, values_BHKD, first)
        mixed_BQHD = ops.transpose(mixed_BHQD, (0, 2, 1, 3))
        batch, length = ops.shape(mixed_BQHD)[:2]
        return self.output_transform(ops.reshape(mixed_BQHD, (batch, length, self.value.units)))


class FeedForward(keras.layers.Layer):
    """relu(x W1 + b1) W2 + b2, with dropout after the relu."""

    def __init__(self, hparams, seed_generator, **kwargs):
        super().__init__(**kwargs)
        self.inner = keras.layers.Dense(
            hparams.filter_size,
            activation="relu",
            kernel_initializer=initializer(hparams),
            name="inner",
        )
        self.outer = keras.layers.Dense(
            hparams.hidden_size, kernel_initializer=initializer(hparams), name="outer"
        )
        self.dropout = Dropout(
            hparams.relu_dropout, hparams.relu_dropout_broadcast_dims, seed_generator
        )

    def build(self, input_shape):
        self.inner.build(input_shape)
        self.outer.build((*input_shape[:-1], self.inner.units))

    def call(self, x_BTD, training=False):
        return self.outer(self.dropout(self.inner(x_BTD), training=training))


class Process(keras.layers.Layer):
    """What T2T does before or after a sublayer: a sequence of n (norm), d (dropout), a (add).

    Args:
      sequence: of these letters, or "none".
      hparams: of the model.
      seed_generator: of the model's dropout.
    """

    def __init__(self, sequence, hparams, seed_generator, **kwargs):
        super().__init__(**kwargs)
        self.sequence = "" if sequence == "none" else sequence
        if "n" in self.sequence:
            self.norm = keras.layers.LayerNormalization(epsilon=hparams.norm_epsilon, name="norm")
        if "d" in self.sequence:
            self.dropout = Dropout(
                hparams.layer_prepostprocess_dropout,
                hparams.layer_prepostprocess_dropout_broadcast_dims,
                seed_generator,
            )

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
