"""The layers of LSTM models: cells, attention to the inputs, and stacks that run over a sequence.

They compute what T2T's do (TensorFlow 1's LSTMCell, DropoutWrapper and AttentionWrapper), except
that attention masks padding.

Shapes: as in `t2tlite.model.layers`; I width of an input, U width of the attention's scores,
A width of the attention's output, S attention distributions, G = 4 D gate pre-activations of a
cell, R width of the first cell's recurrent input.
"""

from typing import Any

import keras
from keras import ops

from t2tlite.model.layers import MASKED, dense, initializer


class LSTMCell(keras.layers.Layer):
    """One step of an LSTM layer (Hochreiter and Schmidhuber 1997), with T2T's forget bias of 1.

    Args:
      inputs: width of its input.
      width: D, of its state and output.
      hparams: reads the initializer.
    """

    def __init__(self, inputs, width, hparams, **kwargs):
        super().__init__(**kwargs)
        self.inputs = inputs
        self.width = width
        self.kernel_initializer = initializer(hparams)

    def build(self, _):
        shape = (self.inputs + self.width, 4 * self.width)
        self.kernel = self.add_weight(
            shape=shape, initializer=self.kernel_initializer, name="kernel"
        )
        self.bias = self.add_weight(shape=shape[1:], initializer="zeros", name="bias")

    def gates(self, x, kernel=None):
        """Returns the product of an input and the kernel, or some of its rows: float32 [..., G]."""
        kernel = self.kernel if kernel is None else kernel
        product = ops.matmul(ops.cast(x, self.compute_dtype), ops.cast(kernel, self.compute_dtype))
        return ops.cast(product, "float32")

    def step(self, gates_NG, cell_ND):
        """Returns the next output and the next cell state, float32 [N, D].

        Args:
          gates_NG: `gates` of the concatenated input and last output.
          cell_ND: the last cell state.
        """
        gates_NG += ops.cast(self.bias, "float32")
        enter, candidate, forget, output = ops.split(gates_NG, 4, axis=-1)
        # The forget bias of 1 keeps most of the state at the beginning of training.
        cell_ND = cell_ND * ops.sigmoid(forget + 1) + ops.sigmoid(enter) * ops.tanh(candidate)
        return ops.tanh(cell_ND) * ops.sigmoid(output), cell_ND


class InputAttention(keras.layers.Layer):
    """A decoder's attention to the encoder's outputs, by Bahdanau's or Luong's score.

    As in T2T, each of Bahdanau's heads has its own distribution over the inputs; Luong's heads
    share one and differ only in their part of the mixer.

    Args:
      width: D, of the decoder's output and of the scores.
      hparams: reads attention_mechanism, attention_layer_size, num_heads and the initializer.
    """

    def __init__(self, width, hparams, **kwargs):
        super().__init__(**kwargs)
        self.width = width
        self.kernel_initializer = initializer(hparams)
        self.heads = hparams.num_heads
        self.attended = self.heads * hparams.attention_layer_size
        self.key = self._projection(width, "key")
        self.mixer = self._projection(self.attended, "mixer")
        self.query, self.distributions = None, 1
        if hparams.attention_mechanism == "bahdanau":
            self.query, self.distributions = self._projection(width, "query"), self.heads

    def _projection(self, width, name):
        return keras.layers.Dense(
            width, use_bias=False, kernel_initializer=self.kernel_initializer, name=name
        )

    def build(self, input_shape):
        self.key.build(input_shape)
        # The decoder's output and the encoder's, which have the same width.
        self.mixer.build((None, 2 * self.width))
        if self.query is not None:
            self.query.build((None, self.width))
            self.score_SU = self.add_weight(
                shape=(self.heads, self.width), initializer=self.kernel_initializer, name="score"
            )

    def memory(self, encoded_BLD, is_token_BL):
        """Returns what all steps read: keys, values, and the bias that masks padding."""
        bias_BL = ops.where(is_token_BL, 0.0, MASKED)
        return {"keys": self.key(encoded_BLD), "values": encoded_BLD, "bias": bias_BL}

    def attend(self, query_ND, memory):
        """Returns the attention's output [N, A] and its weights [N, S, L], float32."""
        keys_NLU = memory["keys"]
        if self.query is not None:
            # Bahdanau's: v . tanh(W q + U k).
            sums_NLU = ops.tanh(keys_NLU + self.query(query_ND)[:, None])
            score_US = ops.transpose(ops.cast(self.score_SU, sums_NLU.dtype))
            logits_NSL = ops.transpose(ops.matmul(sums_NLU, score_US), (0, 2, 1))
        else:
            # Luong's: q . U k.
            query_N1U = ops.cast(query_ND, keys_NLU.dtype)[:, None]
            logits_NSL = ops.matmul(query_N1U, ops.transpose(keys_NLU, (0, 2, 1)))
        weights_NSL = ops.softmax(
            ops.cast(logits_NSL, "float32") + ops.cast(memory["bias"], "float32")[:, None]
        )
        values_NLD = memory["values"]
        context_NSD = ops.matmul(ops.cast(weights_NSL, values_NLD.dtype), values_NLD)
        query_NSD = ops.repeat(query_ND[:, None], self.distributions, axis=1)
        both_NSI = ops.concatenate([query_NSD, ops.cast(context_NSD, "float32")], axis=-1)
        # Each head's output for each distribution, of which only that of its own is used.
        mixed_NSA = ops.cast(self.mixer(both_NSI), "float32")
        parts = ops.split(mixed_NSA, self.heads, axis=-1)
        own = [part[:, min(i, self.distributions - 1)] for i, part in enumerate(parts)]
        return ops.concatenate(own, axis=-1), weights_NSL


class LSTMStack(keras.layers.Layer):
    """A stack of LSTM layers, the last of which may attend to the encoder's outputs.

    The state is a dict of float32 tensors: "output_i" and "cell_i" [N, D] of layer i; with
    attention "attended" [N, A], which is part of the next position's input; and, if the caller adds
    it to the initial state, "weights" [N, S L], the attention weights.

    Args:
      inputs: width of the input.
      width: D, of each layer.
      hparams: reads num_hidden_layers, dropout and those of `InputAttention`.
      seed_generator: the model's.
      attends: whether it has attention.
    """

    def __init__(self, inputs, width, hparams, seed_generator, attends=False, **kwargs):
        super().__init__(**kwargs)
        self.rate = hparams.dropout
        self.seed_generator = seed_generator
        self.attention: Any = None
        if attends:
            self.attention = InputAttention(width, hparams, name="attention")
        first = inputs + (self.attention.attended if attends else 0)
        self.cells: list[Any] = [
            LSTMCell(first if i == 0 else width, width, hparams, name=f"layer_{i}")
            for i in range(hparams.num_hidden_layers)
        ]
        self.top = f"output_{len(self.cells) - 1}"
        self.output_width, self.projection = width, None
        self.outputs_attention = attends and bool(hparams.output_attention)
        if self.outputs_attention and hparams.num_heads == 1:
            self.output_width = self.attention.attended
        elif self.outputs_attention:
            # As in T2T, several heads are projected to the width of a layer.
            self.projection = dense(width, hparams, "projection")

    def build(self, _):
        for cell in self.cells:
            cell.build(None)
        if self.attention is not None:
            self.attention.build((None, None, self.cells[-1].width))
        if self.projection is not None:
            self.projection.build((None, self.attention.attended))

    def initial_state(self, rows):
        """Returns the zero state before the first position."""
        state = {}
        for i, cell in enumerate(self.cells):
            for part in ("output", "cell"):
                state[f"{part}_{i}"] = ops.zeros((rows, cell.width), "float32")
        if self.attention is not None:
            state["attended"] = ops.zeros((rows, self.attention.attended), "float32")
        return state

    def output(self, state):
        """Returns the input of the output layer, of one state or many: [..., output_width]."""
        if self.projection is not None:
            return self.projection(state["attended"])
        return state["attended" if self.outputs_attention else self.top]

    def step(self, x_NI, state, memory=None):
        """Returns the state after one more position, without dropout.

        Args:
          x_NI: its input.
          state: the state before it.
          memory: of the attention, from `InputAttention.memory`.
        """
        joined = ops.concatenate([ops.cast(x_NI, "float32"), self._recurrent(state)], axis=-1)
        return self._advance(self.cells[0].gates(joined), state, memory, [])

    def _recurrent(self, state, mask_NA=None):
        """Returns the first layer's recurrent input, [N, R]."""
        if self.attention is None:
            return state["output_0"]
        attended_NA = state["attended"] if mask_NA is None else state["attended"] * mask_NA
        return ops.concatenate([attended_NA, state["output_0"]], axis=-1)

    def _advance(self, gates_NG, state, memory, masks):
        """Returns the next state, from the first layer's gates and the other layers' masks."""
        after = dict(state)
        for i, cell in enumerate(self.cells):
            output_ND, after[f"cell_{i}"] = cell.step(gates_NG, state[f"cell_{i}"])
            after[f"output_{i}"] = output_ND
            if i + 1 < len(self.cells):
                x_ND = output_ND * masks[i] if masks else output_ND
                joined = ops.concatenate([x_ND, state[f"output_{i + 1}"]], axis=-1)
                gates_NG = self.cells[i + 1].gates(joined)
        if self.attention is not None:
            after["attended"], weights_NSL = self.attention.attend(output_ND, memory)
            if "weights" in state:
                after["weights"] = ops.reshape(weights_NSL, ops.shape(state["weights"]))
        return after

    def run(self, x_BTI, state, memory=None, is_token_BT=None, reverse=False, training=False):
        """Runs over whole sequences.

        Args:
          x_BTI: the inputs.
          state: the initial state.
          memory: of the attention.
          is_token_BT: bool; the state doesn't change where it is false. None: true everywhere.
          reverse: whether to run from the last position to the first.
          training: whether to apply dropout to the layers' inputs.

        Returns:
          The last state, and a dict of the states after each position, [B, T, ...].
        """
        parts = {}
        if is_token_BT is not None:
            parts["is_token"] = ops.cast(is_token_BT, "float32")[..., None]
        x_BTI = ops.cast(x_BTI, "float32")
        if training and self.rate:
            for i, cell in enumerate(self.cells):
                ones = ops.ones((*ops.shape(x_BTI)[:2], cell.inputs), "float32")
                mask = keras.random.dropout(ones, self.rate, seed=self.seed_generator)
                if i == 0:
                    x_BTI, mask = x_BTI * mask[..., : x_BTI.shape[-1]], mask[..., x_BTI.shape[-1] :]
                parts[f"mask_{i}"] = mask
        # The input's term of the first layer's gates: one product for all positions.
        input_IG, recurrent_RG = ops.split(self.cells[0].kernel, [x_BTI.shape[-1]])
        parts["gates"] = self.cells[0].gates(x_BTI, input_IG)
        # One tensor: Keras's scan on TensorFlow takes several only if their length is static.
        joined_TBJ = ops.transpose(ops.concatenate(list(parts.values()), axis=-1), (1, 0, 2))
        columns, end = {}, 0
        for name, part in parts.items():
            columns[name] = slice(end, end := end + part.shape[-1])

        def scan_step(state, joined_BJ):
            part = {name: joined_BJ[:, columns[name]] for name in parts}
            first, *others = [part[name] for name in part if name.startswith("mask")] or [None]
            recurrent_BR = self._recurrent(state, first)
            gates_BG = part["gates"] + self.cells[0].gates(recurrent_BR, recurrent_RG)
            after = self._advance(gates_BG, state, memory, others)
            if "is_token" in part:
                is_token_B1 = part["is_token"] > 0
                after = {name: ops.where(is_token_B1, after[name], state[name]) for name in state}
            return after, after

        last, states = ops.scan(scan_step, state, joined_TBJ, reverse=reverse)
        return last, {name: ops.transpose(x, (1, 0, 2)) for name, x in states.items()}
