"""LSTM sequence to sequence, with or without attention: how people translated before Transformers.

An encoder reads the inputs and hands its last state to a decoder, which writes the targets
(Sutskever et al. 2014, arXiv 1409.3215). With attention the decoder also looks at all outputs of
the encoder, by the scores of Bahdanau et al. (2015, arXiv 1409.0473) or Luong et al. (2015, arXiv
1508.04025). The models are T2T's; `t2tlite.model.lstm_layers` has what they are made of, and
`t2tlite.model.transformer` the protocol.

Shape letters as in `t2tlite.model.layers`.
"""

from typing import Any

from keras import ops

from t2tlite.errors import HParamsError
from t2tlite.model.layers import Embedding
from t2tlite.model.lstm_layers import Layers
from t2tlite.model.text_model import TextModel

MECHANISMS = ("bahdanau", "luong")


class LSTMSeq2seq(TextModel):
    """LSTM encoder and decoder (Sutskever et al. 2014); without "inputs" a language model.

    The encoder reads from the last token to the first, so that the first are fresh in its memory
    when the decoder writes its first.
    """

    bidirectional = False
    attends = False
    unread = (
        *("layer_prepostprocess_dropout", "attention_dropout", "relu_dropout", "filter_size"),
        *("num_encoder_layers", "num_decoder_layers", "self_attention_type", "pos"),
        *("attention_key_channels", "attention_value_channels", "unidirectional_encoder"),
    )

    def __init__(self, hparams, problem_hparams, name="lstm_seq2seq"):
        super().__init__(hparams, problem_hparams, name)

    def make_layers(self, hparams, problem_hparams):
        self._check(hparams)
        sizes, width, seeds = self.vocab_size, hparams.hidden_size, self.seed_generator
        shared = hparams.shared_embedding_and_softmax_weights
        decoder_width = 2 * width if self.bidirectional else width
        self.decoder = Layers(width, decoder_width, hparams, seeds, self.attends, name="decoder")
        self.target_embedding = Embedding(sizes["targets"], hparams, name="target_embedding")
        self.softmax = self.target_embedding
        if not shared:
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
            same = shared and sizes["inputs"] == sizes["targets"]
            self.input_embedding = (
                self.target_embedding
                if same
                else Embedding(sizes["inputs"], hparams, name="input_embedding")
            )
            self.backward = Layers(width, width, hparams, seeds, name="encoder_backward")
            if self.bidirectional:
                self.forward = Layers(width, width, hparams, seeds, name="encoder_forward")

    def _check(self, hparams):
        if self.classifies:
            raise HParamsError(
                "LSTM models write text, and this problem's targets are class labels; use "
                "--model=transformer_encoder"
            )
        if (self.attends or self.bidirectional) and "inputs" not in self.vocab_size:
            raise HParamsError(
                "this LSTM model reads inputs, and the problem has none; use --model=lstm_seq2seq"
            )
        if not self.attends:
            return
        for name in ("attention_mechanism", "attention_layer_size", "output_attention"):
            if name not in hparams.values():
                raise HParamsError(
                    f"an LSTM model with attention needs the hparam {name}, which is missing; use "
                    f"--hparams_set=lstm_bahdanau_attention or lstm_luong_attention"
                )
        if hparams.attention_layer_size < 1:
            raise HParamsError(
                f"attention_layer_size={hparams.attention_layer_size}: expected 1 or more"
            )
        if hparams.attention_mechanism not in MECHANISMS:
            raise HParamsError(
                f"attention_mechanism={hparams.attention_mechanism} is not one of: "
                f"{', '.join(MECHANISMS)}"
            )

    def encode(self, features, training=False):
        """Runs the encoder on the inputs.

        Returns:
          The decoder's first state, and what its attention reads, {} without attention.
        """
        inputs_BL = features["inputs"]
        kept_BL = ops.not_equal(inputs_BL, 0)
        x_BLD = self.input_embedding(self.drop_symbols(inputs_BL, training))
        blank = self.backward.blank(ops.shape(inputs_BL)[0])
        state, states = self.backward.run(
            x_BLD, blank, kept_BT=kept_BL, reverse=True, training=training
        )
        encoded_BLD = states[self.backward.top]
        if self.forward is not None:
            ahead, states = self.forward.run(x_BLD, blank, kept_BT=kept_BL, training=training)
            state = {name: ops.concatenate([ahead[name], state[name]], axis=-1) for name in state}
            encoded_BLD = ops.concatenate([states[self.forward.top], encoded_BLD], axis=-1)
        memory = {}
        if self.attends:
            memory = self.decoder.attention.memory(encoded_BLD, kept_BL)
        return {**self.decoder.blank(ops.shape(inputs_BL)[0]), **state}, memory

    def call(self, features, training=False):
        """Returns float32 logits [B, T, V] of the next token after each prefix of the targets."""
        return self.softmax.logits(self.hidden(features, training))

    def hidden(self, features, training=False):
        """Returns the decoder's output, of which the logits are a projection: [B, T, D]."""
        states = self._states(features, training)
        return ops.cast(self.decoder.output(states), self.compute_dtype)

    def _states(self, features, training=False, watched=False):
        """Returns the decoder's states, with the weights of its attention if they're `watched`."""
        targets_BT = features["targets"]
        rows = ops.shape(targets_BT)[0]
        state, memory = self.decoder.blank(rows), {}
        if self.input_embedding is not None:
            state, memory = self.encode(features, training)
        if watched:
            blank_NL = ops.zeros_like(memory["bias"])
            state["weights"] = ops.tile(blank_NL, (1, self.decoder.attention.distributions))
        x_BTD = self.target_embedding(self.drop_symbols(targets_BT, training))
        # Shifted right by a zero vector: position t sees the targets before t.
        x_BTD = ops.pad(x_BTD, [[0, 0], [1, 0], [0, 0]])[:, :-1]
        # Padding comes after all that counts, so nothing is lost by running over it.
        return self.decoder.run(x_BTD, state, memory, training=training)[1]

    def start(self, features, max_steps):
        """Prepares decoding; as `Transformer.start`. The state takes no room for steps."""
        if self.input_embedding is None:
            return {}, self.decoder.blank(ops.shape(next(iter(features.values())))[0])
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
    """`LSTMSeq2seq` whose decoder looks at all of the encoder's outputs."""

    attends = True

    def attention_weights(self, features):
        """Returns what each target looks at: "cross", float32 [B, 1, S, T, L]."""
        weights_BTSL = self._states(features, watched=True)["weights"]
        batch, length = ops.shape(weights_BTSL)[:2]
        shares = self.decoder.attention.distributions
        weights_BTSL = ops.reshape(weights_BTSL, (batch, length, shares, -1))
        return {"cross": ops.transpose(weights_BTSL, (0, 2, 1, 3))[:, None]}


class LSTMSeq2seqBidirectionalEncoder(LSTMSeq2seq):
    """`LSTMSeq2seq` whose encoder reads in both directions; the decoder is twice as wide."""

    bidirectional = True


class LSTMSeq2seqAttentionBidirectionalEncoder(LSTMSeq2seqAttention):
    """`LSTMSeq2seqAttention` whose encoder reads in both directions."""

    bidirectional = True
