"""T2T's Adafactor."""

from keras import ops

from t2tlite.optimizers.accumulation import Accumulating

# T2T's epsilon1, added to squared gradients, and epsilon2, the lower bound of a weight's RMS.
EPSILON, MIN_SCALE = 1e-30, 1e-3


class Adafactor(Accumulating):
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

        squares = ops.square(gradient) + EPSILON
        if self._is_factored(variable):
            rows = self._average(slots["rows"], ops.mean(squares, axis=-1), decay)
            columns = self._average(slots["columns"], ops.mean(squares, axis=-2), decay)
            rows = rows / ops.mean(rows, axis=-1, keepdims=True)
            update = gradient * ops.rsqrt(rows)[..., None] * ops.rsqrt(columns)[..., None, :]
        else:
            update = gradient * ops.rsqrt(self._average(slots["squares"], squares, decay))
        clip = self.hparams.optimizer_adafactor_clipping_threshold
        if clip:
            update = update / ops.maximum(1.0, _rms(update) / clip)
        scale = ops.cast(learning_rate, variable.dtype)
        if self.hparams.optimizer_adafactor_multiply_by_parameter_scale:
            scale = scale * ops.maximum(_rms(variable), MIN_SCALE)
        update = scale * update
        beta1 = self.hparams.optimizer_adafactor_beta1
        if beta1:
            update = self._average(slots["momentum"], update, beta1)
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
