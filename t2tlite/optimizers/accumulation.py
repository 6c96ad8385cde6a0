"""`Accumulating`: what all optimizers share: accumulated gradients, cautious weight decay."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import ops


class Accumulating(keras.optimizers.Optimizer):
    """With gradient_accumulation_steps, updates as one batch of all target tokens would.

    Keras weights batches equally, updates moving averages after each of them, and can't accumulate
    on several devices with TensorFlow, where it also clips the gradients of each device apart.

    Args:
      run_if: of `make_optimizer`.
      cautious: whether to decay only weights that the update makes smaller (Chen et al. 2025,
        arXiv:2510.12402); for subclasses of Keras's optimizers.
      average_from: updates before the first of those whose weights the moving average counts
        equally; None: it is exponential.
      **shared: arguments of every Keras optimizer, such as learning_rate.

    Attributes:
      accumulated_tokens: variable, target tokens since the last update. Negative, -N: the sums are
        of N batches whose tokens weren't counted; each counts like the next batch.
      averaged_updates: variable, updates whose weights are in the equal average; None without one.
    """

    averaged_updates: Any = None

    def __init__(self, run_if=None, cautious=False, average_from=None, **shared):
        super().__init__(**shared)
        self._run_if = run_if or _run_if
        self._cautious = cautious
        self._average_from = average_from
        # By thread: tf.distribute traces each replica in a thread of its own.
        self._batch = threading.local()

    def build(self, variables):
        """Creates the slots, and the counts of tokens and averaged updates where needed."""
        if self.built:
            return
        super().build(variables)
        if self.gradient_accumulation_steps:
            self.accumulated_tokens = self.add_variable((), "zeros", name="accumulated_tokens")
        if self._average_from is not None:
            self.averaged_updates = self.add_variable((), "zeros", name="averaged_updates")

    def update_step(self, gradient, variable, learning_rate):
        """Updates one weight from its gradient."""
        if not self._cautious:
            super().update_step(gradient, variable, learning_rate)
            return
        # On TensorFlow, convert_to_tensor would give the variable itself.
        before = ops.copy(variable)
        super().update_step(gradient, variable, learning_rate)
        shrinks = (before - variable) * before >= 0.0
        rate = ops.cast(learning_rate, variable.dtype) * self.weight_decay
        self.assign_sub(variable, rate * ops.where(shrinks, before, 0.0))

    def _apply_weight_decay(self, variables):
        # Before the update; the cautious one needs to know the update.
        if not self._cautious:
            super()._apply_weight_decay(variables)

    @property
    def averages_differ(self) -> bool:
        """Whether there are averages of the weights that aren't the weights of the last update."""
        if self._average_from is None:
            return self.use_ema
        return float(self.averaged_updates) > 1

    def _update_model_variables_moving_average(self, trainable_variables):
        if self._average_from is None:
            super()._update_model_variables_moving_average(trainable_variables)
            return
        # This update is counted only after it. The number of those in the average can't be computed
        # from it: a training that resumes may have got another length, or its average only then.
        is_averaged = self.iterations + 1 > self._average_from
        count = ops.where(is_averaged, self.averaged_updates + 1.0, 0.0)
        self.averaged_updates.assign(count)
        share = 1.0 / ops.maximum(count, 1.0)
        averages = self._model_variables_moving_average
        for variable, average in zip(trainable_variables, averages, strict=True):
            average.assign(average + share * (variable - average))

    def weigh_batch(self, tokens: Any) -> None:
        """Sets the target tokens, on all devices, of the batch that `apply` gets next.

        Where samples have weights, they are the sum of those of the tokens.
        """
        self._batch.tokens = tokens

    def _backend_apply_gradients(self, grads, trainable_variables):
        if keras.backend.backend() == "tensorflow":
            pairs = super()._all_reduce_sum_gradients(zip(grads, trainable_variables, strict=True))
            grads = [_dense(gradient, variable) for gradient, variable in pairs]
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

        means = self._clip_gradients([total / ops.maximum(tokens, 1e-30) for total in sums])
        if keras.backend.backend() == "jax":
            self._undo_unless(ends, lambda: update(means))
        else:
            self._run_if(ends, update, means)
        for slot, total in zip([self.accumulated_tokens, *slots], [tokens, *sums], strict=True):
            slot.assign(ops.where(ends, ops.zeros_like(total), total))

    def _average(self, slot, value, decay):
        """Moves a slot's moving average towards a value, and returns it."""
        self.assign(slot, decay * slot + (1.0 - decay) * value)
        return ops.convert_to_tensor(slot)

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


def _dense(gradient: Any, variable: Any) -> Any:
    """Returns TensorFlow's gradient of a lookup, tf.IndexedSlices, as a tensor; others unchanged.

    It may have a row several times, and Keras would square each of them.
    """
    return ops.zeros_like(variable) + gradient if hasattr(gradient, "indices") else gradient


def _run_if(condition: Any, function: Callable[[Any], None], values: Any) -> None:
    ops.cond(condition, lambda: function(values), lambda: None)
