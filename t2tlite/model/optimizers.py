"""Optimizers: `make_optimizer` by hparams, and T2T's `Adafactor`."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import ops

from t2tlite.config import HParams
from t2tlite.errors import HParamsError
from t2tlite.model.schedules import LearningRate

# T2T's epsilon1, added to squared gradients, and epsilon2, the lower bound of a weight's RMS.
EPSILON, MIN_SCALE = 1e-30, 1e-3


class _Accumulating(keras.optimizers.Optimizer):
    """With gradient_accumulation_steps, updates as one batch of all target tokens would.

    Keras weights batches equally, updates moving averages after each of them, and can't accumulate
    on several devices with TensorFlow, where it also clips the gradients of each device apart.

    Args:
      run_if: of `make_optimizer`.
      **shared: arguments of every Keras optimizer, such as learning_rate.

    Attributes:
      accumulated_tokens: variable, target tokens since the last update. Negative, -N: the sums are
        of N batches whose tokens weren't counted; each counts like the next batch.
    """

    def __init__(self, run_if=None, **shared):
        super().__init__(**shared)
        self._run_if = run_if or _run_if
        # By thread: tf.distribute traces each replica in a thread of its own.
        self._batch = threading.local()

    def build(self, variables):
        """Creates the slots, and the token count if gradients are accumulated."""
        if self.built:
            return
        super().build(variables)
        if self.gradient_accumulation_steps:
            self.accumulated_tokens = self.add_variable((), "zeros", name="accumulated_tokens")

    def weigh_batch(self, tokens: Any) -> None:
        """Sets the target tokens, on all devices, of the batch that `apply` gets next."""
        self._batch.tokens = tokens

    def _backend_apply_gradients(self, grads, trainable_variables):
        if keras.backend.backend() == "tensorflow":
            pairs = super()._all_reduce_sum_gradients(zip(grads, trainable_variables, strict=True))
            grads = [gradient for gradient, _ in pairs]
        if not self.gradient_accumulation_steps:
            super()._backend_apply_gradients(grads, trainable_variables)
            return
        count = ops.cast(getattr(self._batch, "tokens", 1.0), "float32")
        before = ops.convert_to_tensor(self.accumulated_tokens)
        uncounted = before < 0.0
        tokens = ops.where(uncounted, -before * count, before) + count
        scale = ops.where(uncounted, count, 1.0)
        slots = [
            self._accumulated_gradients[self._get_variable_index(v)] for v in trainable_variables
        ]
        sums = [
            scale * slot + count * gradient for slot, gradient in zip(slots, grads, strict=True)
        ]
        ends = (self._iterations + 1) % self.gradient_accumulation_steps == 0

        def update(grads: Sequence[Any]) -> None:
            self._apply_weight_decay(trainable_variables)
            self._backend_update_step(grads, trainable_variables, self.learning_rate)
            self._update_model_variables_moving_average(self._trainable_variables)

        means = self._clip_gradients([total / ops.maximum(tokens, 1.0) for total in sums])
        if keras.backend.backend() == "jax":
            self._undo_unless(ends, lambda: update(means))
        else:
            self._run_if(ends, update, means)
        for slot, total in zip([self.accumulated_tokens, *slots], [tokens, *sums], strict=True):
            slot.assign(ops.where(ends, ops.zeros_like(total), total))

    def _undo_unless(self, condition: Any, function: Callable[[], None]) -> None:
        """Calls the function, and keeps what it assigns if the condition holds.

        JAX's condition must be a function without side effects.
        """
        variables = [*self._trainable_variables, *self.variables]
        before = [variable.value for variable in variables]
        function()
        for variable, value in zip(variables, before, strict=True):
            if variable.value is not value:
                variable.assign(ops.where(condition, variable.value, value))

    def _all_reduce_sum_gradients(self, grads_and_vars):
        """Returns its argument: `_backend_apply_gradients` has summed the gradients already."""
        return grads_and_vars


def _run_if(condition: Any, function: Callable[[Any], None], values: Any) -> None:
    ops.cond(condition, lambda: function(values), lambda: None)


class Adam(_Accumulating, keras.optimizers.Adam):
    """Keras's Adam."""


class SGD(_Accumulating, keras.optimizers.SGD):
    """Keras's SGD."""


class Adafactor(_Accumulating):
    """Adafactor (Shazeer & Stern 2018, arXiv:1804.04235) with all of T2T's settings.

    The second moments of a matrix [R, C] are factored into slots [R] and [C].

    Keras's Adafactor caps the learning rate, keeps an [R, C] slot too, and gives two slots the same
    name, which a checkpoint needs to be unique.

    Args:
      hparams: reads optimizer_adafactor_*.
      **shared: arguments of every Keras optimizer, such as learning_rate.
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
            if self._is_factored(variable):
                slots["rows"] = self._add_slot(variable, "rows", shape[:-1])
                slots["columns"] = self._add_slot(variable, "columns", (*shape[:-2], shape[-1]))
            else:
                slots["squares"] = self._add_slot(variable, "squares", shape)
            if self.hparams.optimizer_adafactor_beta1:
                slots["momentum"] = self._add_slot(variable, "momentum", shape)
            self._slots.append(slots)

    def _is_factored(self, variable):
        return self.hparams.optimizer_adafactor_factored and len(variable.shape) >= 2

    def _add_slot(self, variable, kind, shape):
        name = f"{variable.path.replace('/', '_')}_{kind}"
        return self.add_variable(shape, "zeros", variable.dtype, name=name)

    def update_step(self, gradient, variable, learning_rate):
        """Updates one weight from its gradient."""
        # By index: on TensorFlow `variable` is not the Keras variable here.
        slots = self._slots[self._get_variable_index(variable)]
        decay = self._decay()

        def average(slot, value):
            self.assign(slot, decay * slot + (1.0 - decay) * value)
            return ops.convert_to_tensor(slot)

        squares = ops.square(gradient) + EPSILON
        if self._is_factored(variable):
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
        """Returns the decay rate of the second moments at this step."""
        step = ops.cast(self.iterations, "float32") + 1.0
        if self.hparams.optimizer_adafactor_decay_type == "pow":
            return 1.0 - ops.power(step, -self.hparams.optimizer_adafactor_memory_exponent)
        beta2 = self.hparams.optimizer_adafactor_beta2
        return beta2 * (1.0 - ops.power(beta2, step - 1.0)) / (1.0 - ops.power(beta2, step))


def _rms(values):
    return ops.sqrt(ops.mean(ops.square(ops.convert_to_tensor(values))))


def make_optimizer(
    hparams: HParams, train_steps: int, run_if: Callable[[Any, Any, Any], None] | None = None
) -> Any:
    """Returns the Keras optimizer that the hparams name, with its learning rate schedule.

    Args:
      hparams: reads optimizer*, learning_rate*, clip_grad_norm, weight_decay and ema_decay.
      train_steps: of the whole run, for learning rates that decay to its end.
      run_if: for several devices on TensorFlow, `Devices.run_if`.

    Raises:
      HParamsError: unknown optimizer or learning rate schedule.
    """
    shared: dict[str, Any] = {
        "run_if": run_if,
        "learning_rate": LearningRate(hparams, train_steps),
        "global_clipnorm": hparams.clip_grad_norm or None,
        "weight_decay": hparams.weight_decay or None,
    }
    if hparams.ema_decay:
        shared["use_ema"], shared["ema_momentum"] = True, hparams.ema_decay
    if hparams.optimizer_multistep_accumulate_steps > 1:
        shared["gradient_accumulation_steps"] = hparams.optimizer_multistep_accumulate_steps
    # T2T takes the names of classes, too: MultistepAdam.
    name = hparams.optimizer.replace("_", "").lower()
    if hparams.optimizer in ("adam_w", "AdamW") and hparams.weight_decay:
        raise HParamsError(
            f"optimizer={hparams.optimizer} with weight_decay={hparams.weight_decay} takes that "
            f"part of the weights away at each step in T2T, which isn't supported; choose "
            f"optimizer=adam, whose weight_decay is times the learning rate"
        )
    # Explicit names: Keras would number the optimizers of a process, and slots are saved by name.
    if name in ("adam", "trueadam", "multistepadam", "adamw"):
        return Adam(
            name="adam",
            beta_1=hparams.optimizer_adam_beta1,
            beta_2=hparams.optimizer_adam_beta2,
            epsilon=hparams.optimizer_adam_epsilon,
            **shared,
        )
    if name == "adafactor":
        return Adafactor(hparams, **shared)
    if name in ("momentum", "sgd"):
        return SGD(
            name="sgd",
            momentum=hparams.optimizer_momentum_momentum if name == "momentum" else 0.0,
            nesterov=hparams.optimizer_momentum_nesterov,
            **shared,
        )
    raise HParamsError(
        f"optimizer={hparams.optimizer} is not one of: adam, multistep_adam, true_adam, adam_w, "
        f"adafactor, momentum, sgd"
    )
