"""Adafactor (Shazeer & Stern 2018) with all of T2T's settings.

Keras's own caps the learning rate, keeps a slot as large as the weight although it is factored, and
gives two slots one name, by which a checkpoint couldn't tell them apart.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from t2tlite.config import HParams
from t2tlite.errors import HParamsError
from t2tlite.model.schedules import LearningRate

# Added to the squared gradient, and the least scale of a weight: T2T's epsilon1 and epsilon2.
EPSILON, MIN_SCALE = 1e-30, 1e-3


class Adafactor(keras.optimizers.Optimizer):
    """Adam's second moments in rows and columns: a matrix [R, C] has slots [R] and [C].

    Args:
      hparams: reads optimizer_adafactor_*.
      **shared: what every Keras optimizer takes, learning_rate among it.
    """

    def __init__(self, hparams, **shared):
        super().__init__(name="adafactor", **shared)
        self.hparams = hparams

    def build(self, variables):
        if self.built:
            return
        super().build(variables)
        self._slots = []
        for variable in variables:
            shape, slots = tuple(variable.shape), {}
            if self._factors(variable):
                slots["rows"] = self._slot(variable, "rows", shape[:-1])
                slots["columns"] = self._slot(variable, "columns", (*shape[:-2], shape[-1]))
            else:
                slots["squares"] = self._slot(variable, "squares", shape)
            if self.hparams.optimizer_adafactor_beta1:
                slots["momentum"] = self._slot(variable, "momentum", shape)
            self._slots.append(slots)

    def _factors(self, variable):
        return self.hparams.optimizer_adafactor_factored and len(variable.shape) >= 2

    def _slot(self, variable, kind, shape):
        name = f"{variable.path.replace('/', '_')}_{kind}"
        return self.add_variable(shape, "zeros", variable.dtype, name=name)

    def update_step(self, gradient, variable, learning_rate):
        """Updates one weight from its gradient."""
        # By place, as on TensorFlow `variable` isn't Keras's own here.
        slots = self._slots[self._get_variable_index(variable)]
        decay = self._decay()

        def average(slot, value):
            self.assign(slot, decay * slot + (1.0 - decay) * value)
            return ops.convert_to_tensor(slot)

        squares = ops.square(gradient) + EPSILON
        if self._factors(variable):
            rows = average(slots["rows"], ops.mean(squares, axis=-1))
            columns = average(slots["columns"], ops.mean(squares, axis=-2))
            rows = rows / ops.mean(rows, axis=-1, keepdims=True)
            update = gradient * ops.rsqrt(rows)[..., None] * ops.rsqrt(columns)[..., None, :]
        else:
            update = gradient * ops.rsqrt(average(slots["squares"], squares))
        clip = self.hparams.optimizer_adafactor_clipping_threshold
        if clip:
            update = update / ops.maximum(1.0, _rms(update) / clip)
        scale = ops.cast(learning_rate, variable.dtype)
        if self.hparams.optimizer_adafactor_multiply_by_parameter_scale:
            scale = scale * ops.maximum(_rms(variable), MIN_SCALE)
        update = scale * update
        beta1 = self.hparams.optimizer_adafactor_beta1
        if beta1:
            self.assign(slots["momentum"], beta1 * slots["momentum"] + (1.0 - beta1) * update)
            update = ops.convert_to_tensor(slots["momentum"])
        self.assign_sub(variable, update)

    def _decay(self):
        """The share of itself that a second moment keeps at this step."""
        step = ops.cast(self.iterations, "float32") + 1.0
        if self.hparams.optimizer_adafactor_decay_type == "pow":
            return 1.0 - ops.power(step, -self.hparams.optimizer_adafactor_memory_exponent)
        beta2 = self.hparams.optimizer_adafactor_beta2
        return beta2 * (1.0 - ops.power(beta2, step - 1.0)) / (1.0 - ops.power(beta2, step))


def _rms(values):
    return ops.sqrt(ops.mean(ops.square(ops.convert_to_tensor(values))))


def make_optimizer(hparams: HParams, train_steps: int) -> Any:
    """Returns the optimizer with its learning rate schedule, T2T's settings.

    Raises:
      HParamsError: an optimizer that isn't known.
    """
    shared: dict[str, Any] = {
        "learning_rate": LearningRate(hparams, train_steps),
        "global_clipnorm": hparams.clip_grad_norm or None,
        "weight_decay": hparams.weight_decay or None,
    }
    if hparams.ema_decay:
        shared["use_ema"], shared["ema_momentum"] = True, hparams.ema_decay
    if hparams.optimizer_multistep_accumulate_steps > 1:
        shared["gradient_accumulation_steps"] = hparams.optimizer_multistep_accumulate_steps
    name = hparams.optimizer.lower()
    # Named: Keras numbers the unnamed of a process, and a checkpoint knows its slots by name.
    if name in ("adam", "true_adam", "multistep_adam", "adamw"):
        return keras.optimizers.Adam(
            name="adam",
            beta_1=hparams.optimizer_adam_beta1,
            beta_2=hparams.optimizer_adam_beta2,
            epsilon=hparams.optimizer_adam_epsilon,
            **shared,
        )
    if name == "adafactor":
        return Adafactor(hparams, **shared)
    if name in ("momentum", "sgd"):
        return keras.optimizers.SGD(
            name="sgd",
            momentum=hparams.optimizer_momentum_momentum if name == "momentum" else 0.0,
            nesterov=hparams.optimizer_momentum_nesterov,
            **shared,
        )
    raise HParamsError(
        f"optimizer={hparams.optimizer} is not one of: adam, multistep_adam, true_adam, adamw, "
        f"adafactor, momentum, sgd"
    )
