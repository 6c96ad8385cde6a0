"""The Transformer: encoder-decoder, decoder-only language model, encoder-only classifier.

Shapes: as in `t2tlite.model.layers`; methods: as in `t2tlite.model.protocol`.
"""

from typing import Any

import keras
from keras import ops

from t2tlite.config import PAD_ID
from t2tlite.errors import HParamsError
from t2tlite.model import GAINED, attention_weights, modern, prepend
from t2tlite.model.dropout import Dropout, packed
from t2tlite.model.kv_cache import KVCache, room
from t2tlite.model.layers import (
    Embedding,
    causal_bias,
    dense,
    initializer,
    padding_bias,
    segment_bias,
    sinusoids,
)
from t2tlite.model.stacks import Stack
from t2tlite.model.text_model import TextModel

# Rows of T2T's learned embedding of target languages.
TARGET_SPACES = 32


class StackModel(TextModel):
    """Base class of the models of attention layers: position encodings and the encoder.

    Attributes:
      layer_runs: runs of layers in a stack; None: one for each layer.
      family: also the model that generates text; FAMILY_encoder is the classifier.
    """

    layer_runs: int | None = None
    family = "transformer"
    packs = takes_block = True
    unread: tuple[str, ...] = ("dropout",)

    def make_layers(self, hparams, problem_hparams):
        hparams.check_attention()
        if "transformer_block" in hparams.extra:
            hparams.extra = {**GAINED, **hparams.extra}
            self.check_extra(modern.HINTS, "transformer_modern_tiny, _small, _base or _big")
            modern.check(hparams)
        self.target_space = problem_hparams.target_space_id % TARGET_SPACES
        self.embed_dropout = Dropout("layer_prepostprocess_dropout", hparams, self.seed_generator)

    def make_stack(self, layers, cross, name):
        """Creates a stack of this many layers, which attends to the encoder's output if `cross`."""
        is_modern = "transformer_block" in self.hparams.extra
        stack = modern.ModernStack if is_modern else Stack
        return stack(layers, self.hparams, self.seed_generator, cross, name=name)

    def make_encoder(self, hparams):
        """Creates the encoder and the embedding of target spaces."""
        layers = hparams.num_encoder_layers or hparams.num_hidden_layers
        self.encoder = self.make_stack(layers, cross=False, name="encoder")
        self.spaces = None
        if hparams.use_target_space_embedding:
            self.spaces = keras.layers.Embedding(
                TARGET_SPACES,
                hparams.hidden_size,
                embeddings_initializer=initializer(hparams),
                name="target_space",
            )

    def add_positions(self, x_BTD, positions):
        """Adds the encodings of `positions`, [T] or [B, T]."""
        if self.hparams.pos == "none":
            return x_BTD
        return x_BTD + ops.cast(sinusoids(positions, self.hparams.hidden_size), x_BTD.dtype)

    def encode(self, features, training=False):
        """Runs the encoder on the inputs.

        Returns:
          The encoder's output [B, L, D], and the bias [B, 1, 1, L] that masks its padding.
        """
        inputs_BL = features["inputs"]
        x_BLD = self.input_embedding(self.drop_symbols(inputs_BL, training))
        if self.spaces is not None:
            x_BLD = x_BLD + self.spaces(ops.convert_to_tensor([self.target_space], "int32"))
        positions = features.get("inputs_position", ops.arange(ops.shape(inputs_BL)[1]))
        bias = memory_bias = padding_bias(inputs_BL)
        segments_BL = features.get("inputs_segmentation")
        if segments_BL is not None:
            bias = segment_bias(segments_BL, segments_BL)
        if self.hparams.unidirectional_encoder:
            bias = ops.minimum(bias, causal_bias(ops.shape(inputs_BL)[1]))
        x_BLD = self.add_positions(x_BLD, positions)
        with packed(segments_BL):
            x_BLD = self.embed_dropout(x_BLD, training=training)
            return self.encoder(x_BLD, bias, positions, training=training), memory_bias

    def attention_weights(self, features):
        """Returns the attention weights of whole texts; see `attention_weights.by_kind`."""
        return attention_weights.by_kind(self, features)


class Transformer(StackModel):
    """Encoder-decoder Transformer; a decoder-only language model without "inputs".

    With prepend_mode it is the decoder alone, too, over inputs, a separator and targets.
    """

    prepends = True

    def make_layers(self, hparams, problem_hparams):
        super().make_layers(hparams, problem_hparams)
        self.check_generates(f"{self.family}_encoder")
        sizes = self.vocab_size
        self.joins = hparams.prepend_mode != "none"
        self.sees_inputs = hparams.prepend_mode == "prepend_inputs_full_attention"
        if self.joins:
            prepend.check(hparams, sizes)
        self.has_inputs = "inputs" in sizes and not self.joins
        self.target_embedding = Embedding(sizes["targets"], hparams, name="target_embedding")
        if self.has_inputs:
            self.input_embedding = self.make_input_embedding(hparams)
            self.make_encoder(hparams)
        self.softmax = (
            self.target_embedding
            if hparams.shared_embedding_and_softmax_weights
            else Embedding(sizes["targets"], hparams, name="softmax")
        )
        layers = hparams.num_decoder_layers or hparams.num_hidden_layers
        self.decoder = self.make_stack(layers, cross=self.has_inputs, name="decoder")

    def call(self, features, training=False):
        """Returns float32 logits [B, T, V] of the next token after each prefix of the targets."""
        return self.softmax.logits(self.hidden(features, training))

    def hidden(self, features, training=False):
        """Returns the decoder's output [B, T, D], before the projection to logits."""
        if self.joins and "inputs" in features:
            joined_BS, at_BT = prepend.join(features["inputs"], features["targets"])
            hidden_BSD = self.hidden({"targets": joined_BS}, training)
            return ops.take_along_axis(hidden_BSD, at_BT[:, :, None], axis=1)
        memory: Any = None
        if self.has_inputs:
            memory = self.decoder.memory(*self.encode(features, training))
        targets_BT = features["targets"]
        length = ops.shape(targets_BT)[1]
        x_BTD = self.target_embedding(self.drop_symbols(targets_BT, training))
        # Shifted right by a zero vector: position t attends to the targets before t.
        x_BTD = ops.pad(x_BTD, [[0, 0], [1, 0], [0, 0]])[:, :-1]
        positions = ops.arange(length)
        self_bias = prepend.full_bias(features) if self.sees_inputs else causal_bias(length)
        segments_BT = features.get("targets_segmentation")
        if segments_BT is not None:
            positions = features["targets_position"]
            # The first position of a segment must not get the last token of the segment before.
            x_BTD *= ops.cast(ops.expand_dims(positions > 0, -1), x_BTD.dtype)
            self_bias = ops.minimum(self_bias, segment_bias(segments_BT, segments_BT))
            if self.has_inputs:
                memory["bias"] = segment_bias(segments_BT, features["inputs_segmentation"])
        x_BTD = self.add_positions(x_BTD, positions)
        with packed(segments_BT):
            x_BTD = self.embed_dropout(x_BTD, training=training)
            return self.decoder(x_BTD, self_bias, positions, memory, training=training)

    @property
    def shares_memory(self):
        """Whether a step may have a multiple of the memory's rows, as with beams."""
        return self.has_inputs and self.decoder.shares_memory

    def start(self, features, max_steps):
        """Prepares decoding with a cache.

        Args:
          features: "inputs" [N, L]; for a language model any feature of N rows.
          max_steps: positions that the cache has space for, an int or scalar tensor.

        Returns:
          The memory (of the encoder), which is constant, and the cache, which each step replaces:
          dicts of tensors with N rows. On TensorFlow the keys and values in the cache grow.
        """
        if self.joins:
            return prepend.start(self, features["inputs"], max_steps)
        ids_NL = next(iter(features.values()))
        memory = {}
        if self.has_inputs:
            memory = self.decoder.memory(*self.encode(features))
        return memory, self.decoder.empty_cache(ops.shape(ids_NL)[0], room(max_steps, ids_NL))

    def step(self, ids_N, position, memory, cache):
        """Decodes one position.

        Args:
          ids_N: the tokens at `position - 1`; ignored at position 0.
          position: scalar int32.
          memory: from `start`.
          cache: from `start` or the step before.

        Returns:
          float32 logits [N, V] of the token at `position`, and the cache.
        """
        x_N1D = self.target_embedding(ids_N[:, None])
        x_N1D *= ops.cast(position > 0, x_N1D.dtype)
        kv_cache = KVCache(cache, position)
        bias, positions = kv_cache.future_bias(), ops.reshape(position, (1,))
        if self.joins:
            kv_cache, bias, positions = prepend.place(cache, position, memory["inputs"])
        x_N1D = self.add_positions(x_N1D, positions)
        memory = memory if self.has_inputs else None
        x_N1D = self.decoder(x_N1D, bias, positions, memory, kv_cache=kv_cache)
        return self.softmax.logits(x_N1D[:, 0]), kv_cache.cache


class TransformerEncoder(StackModel):
    """Transformer encoder that classifies a text: the mean of its output, projected to labels."""

    packs = False

    def make_layers(self, hparams, problem_hparams):
        super().make_layers(hparams, problem_hparams)
        if not self.classifies:
            raise HParamsError(
                f"model {self.family}_encoder is a classifier, but the problem's targets are text; "
                f"use --model={self.family}"
            )
        self.input_embedding = Embedding(self.vocab_size["inputs"], hparams, name="input_embedding")
        self.make_encoder(hparams)
        self.classes = dense(self.vocab_size["targets"], hparams, "classes", dtype="float32")

    def call(self, features, training=False):
        """Returns float32 logits [B, 1, classes]."""
        encoded_BLD, _ = self.encode(features, training)
        is_token_BL = ops.not_equal(features["inputs"], PAD_ID)
        weights_BL1 = ops.cast(is_token_BL, encoded_BLD.dtype)[:, :, None]
        count_B1 = ops.maximum(ops.sum(weights_BL1, axis=1), 1)
        mean_BD = ops.sum(encoded_BLD * weights_BL1, axis=1) / count_B1
        return self.classes(mean_BD)[:, None, :]
