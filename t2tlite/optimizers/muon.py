"""Muon for the matrices of hidden layers, AdamW for all other weights.

Muon (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon) replaces the momentum of a
matrix by the nearest matrix whose singular values are all equal. The scale is that of Moonlight
(Liu et al. 2025, arXiv:2502.16982): learning rates and weight decays of AdamW carry over.

`keras.optimizers.Muon` computes the same update, but of every matrix whose path lacks "embedding",
output layers and relative positions included, and it decays norms and biases, too.
"""

from __future__ import annotations

import logging
import math
from typing import Any

from keras import ops

from t2tlite.config import HParams
from t2tlite.errors import HParamsError
from t2tlite.optimizers.accumulation import Accumulating

log = logging.getLogger(__name__)

# Coefficients of x -> A x + B x^3 + C x^5, which brings singular values near 1: five such steps
# take 0.002 to 1 into 0.68 to 1.21.
A, B, C = 3.4445, -4.7750, 2.0315
ITERATIONS = 5
# The root mean square of an update, about that of Adam's (Liu et al. 2025, section 2.2).
UPDATE_RMS = 0.2


def orthogonalize(matrix: Any, dtype: str = "float32") -> Any:
    """Returns about U V^T for a matrix U S V^T, by Newton-Schulz iterations.

    Args:
      matrix: float [R, C]; its scale doesn't matter.
      dtype: of the matrix products.
    """
    rows, columns = matrix.shape
    # The shorter side first: the products are R x R.
    x = ops.transpose(matrix) if rows > columns else matrix
    # The Frobenius norm is at least the largest singular value.
    x = ops.cast(x / ops.maximum(ops.sqrt(ops.sum(ops.square(x))), 1e-7), dtype)
    for _ in range(ITERATIONS):
        gram = ops.matmul(x, ops.transpose(x))
        x = A * x + ops.matmul(B * gram + C * ops.matmul(gram, gram), x)
    x = ops.cast(x, matrix.dtype)
    return ops.transpose(x) if rows > columns else x


def is_hidden_matrix(variable: Any, hparams: HParams, output_width: int | None = None) -> bool:
    """Whether Muon updates a weight; arguments as `Muon`'s."""
    shape = tuple(variable.shape)
    is_matrix = len(shape) == 2 and min(shape) > 1 and variable.path.endswith("kernel")
    return is_matrix and (output_width not in shape or output_width in _hidden_widths(hparams))


def _hidden_widths(hparams: HParams) -> set[int]:
    """Returns the numbers of columns of the kernels of hidden layers."""
    shared = int(hparams.extra.get("num_kv_heads", 0)) * (hparams.hidden_size // hparams.num_heads)
    gates = 4 * hparams.hidden_size  # of an LSTM
    keys_values = hparams.attention_key_channels, hparams.attention_value_channels
    return {hparams.hidden_size, hparams.filter_size, gates, shared, *keys_values}


class Muon(Accumulating):
    """Muon, and AdamW for what isn't a matrix of a hidden layer.

    A matrix of a hidden layer is a weight [R, C] named "kernel" that has more than one row and
    column and doesn't belong to an output layer. Tensors of more axes, embeddings, positions, norms
    and biases are AdamW's. So a kernel that holds several matrices side by side, such as that of an
    LSTM's gates, is one matrix. Weight decay spares vectors: norms and biases.

    Args:
      hparams: reads optimizer_muon_*, optimizer_adam_*, weight_decay*, activation_dtype and the
        widths of the layers.
      output_width: number of tokens or classes. A kernel with a side of this length is that of an
        output layer, unless hidden layers are just as wide.
      **shared: arguments of every Keras optimizer, such as learning_rate.
    """

    def __init__(self, hparams: HParams, output_width: int | None = None, **shared: Any):
        super().__init__(name="muon", **shared)
        self.hparams = hparams
        self.output_width = output_width

    def build(self, variables):
        """Creates the slots: a momentum for each weight, and AdamW's velocity.

        Raises:
          HParamsError: there is no matrix of a hidden layer.
        """
        if self.built:
            return
        super().build(variables)
        self._momentums, self._velocities = [], []
        for variable in variables:
            self._momentums.append(self.add_variable_from_reference(variable, "momentum"))
            velocity = None
            if not is_hidden_matrix(variable, self.hparams, self.output_width):
                velocity = self.add_variable_from_reference(variable, "velocity")
            self._velocities.append(velocity)
        sizes = [math.prod(variable.shape) for variable in variables]
        pairs = zip(sizes, self._velocities, strict=True)
        taken = [size for size, velocity in pairs if velocity is None]
        if not taken:
            raise HParamsError(
                "optimizer=muon found no matrix of a hidden layer, a weight [R, C] named kernel; "
                "choose optimizer=adam"
            )
        share = sum(taken) / sum(sizes)
        log.info(
            "optimizer=muon: Muon updates %d matrices, %.0f %% of the weights, AdamW the others",
            *(len(taken), 100 * share),
        )

    def _apply_weight_decay(self, variables):
        """Does nothing: `update_step` does it."""

    def update_step(self, gradient, variable, learning_rate):
        """Updates one weight from its gradient."""
        # By index: on TensorFlow `variable` is not the Keras variable here.
        index = self._get_variable_index(variable)
        momentum, velocity = self._momentums[index], self._velocities[index]
        rate = ops.cast(learning_rate, variable.dtype)
        if velocity is None:
            update = self._muon_update(gradient, momentum)
            rate = rate * self.hparams.optimizer_muon_learning_rate_ratio
        else:
            update = self._adam_update(gradient, momentum, velocity)
        if self.weight_decay and len(variable.shape) > 1:
            weight = ops.convert_to_tensor(variable)
            decay = self.weight_decay * weight
            if self.hparams.weight_decay_cautious:
                decay = ops.where(update * weight >= 0.0, decay, 0.0)
            update = update + decay
        self.assign_sub(variable, rate * update)

    def _muon_update(self, gradient, momentum):
        beta = self.hparams.optimizer_muon_momentum
        mean = self._average(momentum, gradient, beta)
        # Nesterov's momentum.
        direction = beta * mean + (1.0 - beta) * gradient
        bfloat16 = self.hparams.activation_dtype == "bfloat16"
        update = orthogonalize(direction, "bfloat16" if bfloat16 else "float32")
        # The root mean square of U V^T [R, C] is max(R, C)^-0.5.
        return UPDATE_RMS * max(update.shape) ** 0.5 * update

    def _adam_update(self, gradient, momentum, velocity):
        beta1, beta2 = self.hparams.optimizer_adam_beta1, self.hparams.optimizer_adam_beta2
        step = ops.cast(self.iterations + 1, "float32")
        mean = self._average(momentum, gradient, beta1)
        square = self._average(velocity, ops.square(gradient), beta2)
        # As T2T's Adam, which adds epsilon before the correction of the bias.
        scale = ops.sqrt(1.0 - ops.power(beta2, step)) / (1.0 - ops.power(beta1, step))
        return scale * mean / (ops.sqrt(square) + self.hparams.optimizer_adam_epsilon)
