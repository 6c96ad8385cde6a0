"""T2T's LSTM models: sequence to sequence with or without attention.

An encoder reads the inputs; its last state is the first state of a decoder, which generates the
targets (Sutskever et al. 2014, arXiv 1409.3215). With attention the decoder also reads all outputs
of the encoder, by the scores of Bahdanau et al. (2015, arXiv 1409.0473) or Luong et al. (2015,
arXiv 1508.04025). `t2tlite.model.protocol` describes a model's methods.

Shapes: as in `t2tlite.model.lstm_layers`.
"""

from typing import Any, Literal

from keras import ops

from t2tlite.config import PAD_ID, Size
from t2tlite.errors import HParamsError
from t2tlite.model.layers import Embedding
from t2tlite.model.lstm_layers import LSTMStack
from t2tlite.model.text_model import TextModel

# Types of the hparams of attention.
HINTS = {
    "attention_mechanism": Literal["bahdanau", "luong"],
    "attention_layer_size": Size,
    "output_attention": bool,
}


class LSTMSeq2seq(TextModel):
    """LSTM encoder and decoder (Sutskever et al. 2014); without "inputs" a language model.

    The encoder reads the inputs in reverse, so that their first tokens are closest to the first
    targets.
    """

    family = "lstm_seq2seq"
    bidirectional = False
    attends = False
    unread = (
        *("layer_prepostprocess_dropout", "attention_dropout", "relu_dropout", "filter_size"),
        *("num_encoder_layers", "num_decoder_layers", "self_attention_type", "pos"),
        *("attention_key_channels", "attention_value_channels", "unidirectional_encoder"),
    )

    def make_layers(self, hparams, problem_hparams):
        self.check_generates("transformer_encoder")
        sizes, width, seeds = self.vocab_size, hparams.hidden_size, self.seed_generator
        if (self.attends or self.bidirectional) and "inputs" not in sizes:
            raise HParamsError(
                "this LSTM model reads inputs, and the problem has none; use --model=lstm_seq2seq"
            )
        if self.attends:
            self.check_extra(HINTS, "lstm_bahdanau_attention or lstm_luong_attention")
            if hparams.max_area_width > 1:
                raise HParamsError(
                    f"max_area_width={hparams.max_area_width} is not supported: T2T's LSTM models "
                    f"attend to areas with it; leave it at 1"
                )
        decoder_width = 2 * width if self.bidirectional else width
        self.decoder = LSTMStack(width, decoder_width, hparams, seeds, self.attends, name="decoder")
        self.target_embedding = Embedding(sizes["targets"], hparams, name="target_embedding")
        self.softmax = self.target_embedding
        if not hparams.shared_embedding_and_softmax_weights:
            wide = hparams.copy()
            wide.hidden_size = self.decoder.output_width
            self.softmax = Embedding(sizes["targets"], wide, name="softmax")
        elif self.decoder.output_width != width:
            raise HParamsError(
                f"the decoder's output is {self.decoder.output_width} wide, its embeddings "
                f"hidden_size={width}; set shared_embedding_and_softmax_weights=false"
            )
        self.input_embedding: Any = None
        self.forward: Any = None
        if "inputs" in sizes:
            self.input_embedding = self.make_input_embedding(hparams)
            self.backward = LSTMStack(width, width, hparams, seeds, name="encoder_backward")
            if self.bidirectional:
                self.forward = LSTMStack(width, width, hparams, seeds, name="encoder_forward")

    def encode(self, features, training=False):
        """Runs the encoder on the inputs.

        Returns:
          The decoder's first state, and the memory of its attention, {} without attention.
        """
        inputs_BL = features["inputs"]
        is_token_BL = ops.not_equal(inputs_BL, PAD_ID)
        x_BLD = self.input_embedding(self.drop_symbols(inputs_BL, training))
        initial = self.backward.initial_state(ops.shape(inputs_BL)[0])
        state, states = self.backward.run(
            x_BLD, initial, is_token_BT=is_token_BL, reverse=True, training=training
        )
        encoded_BLD = states[self.backward.top]
        if self.forward is not None:
            forward, states = self.forward.run(
                x_BLD, initial, is_token_BT=is_token_BL, training=training
            )
            state = {name: ops.concatenate([forward[name], state[name]], axis=-1) for name in state}
            encoded_BLD = ops.concatenate([states[self.forward.top], encoded_BLD], axis=-1)
        memory = {}
        if self.attends:
            memory = self.decoder.attention.memory(encoded_BLD, is_token_BL)
        return {**self.decoder.initial_state(ops.shape(inputs_BL)[0]), **state}, memory

    def call(self, features, training=False):
        """Returns float32 logits [B, T, V] of the next token after each prefix of the targets."""
        return self.softmax.logits(self.hidden(features, training))

    def hidden(self, features, training=False):
        """Returns the decoder's output [B, T, D], before the projection to logits."""
        states = self._states(features, training)
        return ops.cast(self.decoder.output(states), self.compute_dtype)

    def _states(self, features, training=False, record_weights=False):
        """Returns the decoder's states [B, T, ...], also of its attention weights on request."""
        targets_BT = features["targets"]
        rows = ops.shape(targets_BT)[0]
        state, memory = self.decoder.initial_state(rows), {}
        if self.input_embedding is not None:
            state, memory = self.encode(features, training)
        if record_weights:
            zeros_BL = ops.zeros_like(memory["bias"])
            state["weights"] = ops.tile(zeros_BL, (1, self.decoder.attention.distributions))
        x_BTD = self.target_embedding(self.drop_symbols(targets_BT, training))
        # Shifted right by a zero vector: position t depends on the targets before t.
        x_BTD = ops.pad(x_BTD, [[0, 0], [1, 0], [0, 0]])[:, :-1]
        # Padding comes last, so its states affect no token.
        return self.decoder.run(x_BTD, state, memory, training=training)[1]

    def start(self, features, max_steps):
        """Prepares decoding; as `Transformer.start`. The cache is the decoder's state."""
        if self.input_embedding is None:
            return {}, self.decoder.initial_state(ops.shape(next(iter(features.values())))[0])
        state, memory = self.encode(features)
        return memory, state

    def step(self, ids_N, position, memory, cache):
        """Decodes one position; as `Transformer.step`."""
        x_ND = self.target_embedding(ids_N)
        x_ND *= ops.cast(position > 0, x_ND.dtype)
        state = self.decoder.step(x_ND, cache, memory)
        hidden_ND = ops.cast(self.decoder.output(state), self.compute_dtype)
        return self.softmax.logits(hidden_ND), state


class LSTMSeq2seqAttention(LSTMSeq2seq):
    """`LSTMSeq2seq` whose decoder attends to all of the encoder's outputs."""

    attends = True

    def attention_weights(self, features):
        """Returns what each target attends to: "cross", float32 [B, 1, S, T, L]."""
        weights_BTSL = self._states(features, record_weights=True)["weights"]
        batch, length = ops.shape(weights_BTSL)[:2]
        distributions = self.decoder.attention.distributions
        weights_BTSL = ops.reshape(weights_BTSL, (batch, length, distributions, -1))
        return {"cross": ops.transpose(weights_BTSL, (0, 2, 1, 3))[:, None]}


class LSTMSeq2seqBidirectionalEncoder(LSTMSeq2seq):
    """`LSTMSeq2seq` whose encoder reads in both directions; the decoder is twice as wide."""

    bidirectional = True


class LSTMSeq2seqAttentionBidirectionalEncoder(LSTMSeq2seqAttention):
    """`LSTMSeq2seqAttention` whose encoder reads in both directions."""

    bidirectional = True
