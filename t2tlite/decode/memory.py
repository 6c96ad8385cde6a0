"""How much memory decoding needs, so that a line that is too long fails before it is tried."""

from __future__ import annotations

from typing import Any

from t2tlite.config import HParams, ProblemHParams
from t2tlite.decode.decode_hparams import DecodeHParams

# Bytes of a number: decoding computes in float32.
_BYTES = 4
# Copies that exist at once of attention weights, logits, and a cache that a beam search reorders.
# Measured for attention weights: 1.2 with TensorFlow, 2.1 with JAX, on a CPU.
_ATTENTION_COPIES = 3
_LOGITS_COPIES = 6
_CACHE_COPIES = 2


class DecodingMemory:
    """The bytes that a row of a batch needs, beside the weights, in a network of this shape."""

    def __init__(self, network: Any, hparams: HParams, problem_hparams: ProblemHParams):
        from t2tlite.model.lstm import LSTMSeq2seq

        self._hparams = hparams
        self._vocab_size = problem_hparams.vocab_size["targets"]
        self._has_inputs = "inputs" in problem_hparams.vocab_size
        self._has_cache = hasattr(network, "start") and hasattr(network, "step")
        # Recurrent networks have no attention weights between all pairs of positions.
        self._attends = not isinstance(network, LSTMSeq2seq)
        self._layers = getattr(network, "layer_runs", None) or max(
            hparams.num_hidden_layers, hparams.num_encoder_layers, hparams.num_decoder_layers
        )

    def search(self, tokens: int, decode_hparams: DecodeHParams) -> int:
        """Of a search whose row has this many tokens, its prefix included."""
        steps = tokens + max(decode_hparams.extra_length, decode_hparams.min_length)
        logits = _LOGITS_COPIES * self._vocab_size
        if self._has_cache:
            # Keys and values of the answer and of the line, in each layer.
            positions = steps + tokens * self._has_inputs
            numbers = 2 * _CACHE_COPIES * self._layers * positions * self._hparams.hidden_size
        else:
            logits *= steps
            numbers = self._stack(steps)
        encoder = self._stack(tokens) if self._has_inputs else 0
        return _BYTES * (encoder + decode_hparams.beam_size * (numbers + logits))

    def score(self, tokens: int) -> int:
        """Of scoring a row whose longest feature has this many tokens."""
        logits = _LOGITS_COPIES * tokens * self._vocab_size
        # With prepend_mode the stack reads inputs and targets.
        read = tokens if self._hparams.prepend_mode == "none" else 2 * tokens + 1
        return _BYTES * (self._stack(read) + logits)

    def attention(self, tokens: int) -> int:
        """Of the attention weights of a row, which are kept for all layers."""
        weights = 3 * self._layers * self._hparams.num_heads * tokens**2
        return self.score(tokens) + _BYTES * weights

    def _stack(self, tokens: int) -> int:
        """Numbers that a layer of a stack holds at its peak."""
        hparams = self._hparams
        numbers = tokens * (8 * hparams.hidden_size + 2 * hparams.filter_size)
        if self._attends:
            numbers += _ATTENTION_COPIES * hparams.num_heads * tokens**2
            if hparams.self_attention_type == "dot_product_relative":
                # A key and a value for each pair of positions.
                numbers += 2 * tokens**2 * hparams.hidden_size // hparams.num_heads
        return numbers
