"""`make_optimizer`: the optimizer that the hparams name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from t2tlite.config import HParams
from t2tlite.errors import HParamsError
from t2tlite.optimizers.accumulation import Accumulating
from t2tlite.optimizers.adafactor import Adafactor
from t2tlite.optimizers.muon import Muon
from t2tlite.optimizers.schedules import LearningRate


class Adam(Accumulating, keras.optimizers.Adam):
    """Keras's Adam.

    Args:
      fused_adam: `Devices.fused_adam`; None: Keras's operations.
      **shared: arguments of Keras's Adam and of `Accumulating`.
    """

    def __init__(self, fused_adam=None, **shared):
        super().__init__(**shared)
        self._fused_adam = fused_adam

    def update_step(self, gradient, variable, learning_rate):
        """Updates one weight from its gradient."""
        if self._fused_adam is None:
            super().update_step(gradient, variable, learning_rate)
            return
        index = self._get_variable_index(variable)
        step = ops.cast(self.iterations + 1, "float32")
        self._fused_adam(
            variable,
            self._momentums[index],
            self._velocities[index],
            gradient,
            learning_rate,
            (self.beta_1, self.beta_2, self.epsilon),
            step,
        )


class SGD(Accumulating, keras.optimizers.SGD):
    """Keras's SGD."""


def make_optimizer(
    hparams: HParams,
    train_steps: int,
    run_if: Callable[[Any, Any, Any], None] | None = None,
    output_width: int | None = None,
    fused_adam: Callable[..., None] | None = None,
) -> Any:
    """Returns the Keras optimizer that the hparams name, with its learning rate schedule.

    Args:
      hparams: reads optimizer*, learning_rate*, clip_grad_norm, weight_decay*, ema_decay and
        average_last_share.
      train_steps: of the whole run, for learning rates that decay to its end.
      run_if: for several devices on TensorFlow, `Devices.run_if`.
      output_width: number of tokens or classes; `Muon` reads it.
      fused_adam: `Devices.fused_adam`, if the backend has it.

    Raises:
      HParamsError: unknown optimizer or learning rate schedule, or a combination that isn't
        supported.
    """
    shared = _shared_arguments(hparams, train_steps, run_if)
    # T2T takes the names of classes, too: MultistepAdam.
    name = hparams.optimizer.replace("_", "").lower()
    _check(hparams, name)
    if name == "muon":
        return Muon(hparams, output_width, **shared)
    if hparams.weight_decay_cautious and hparams.weight_decay:
        shared["cautious"] = True
        # Keras's operations, so that weights can be compared with those before.
        fused_adam = None
    # Explicit names: Keras would number the optimizers of a process, and slots are saved by name.
    if name in ("adam", "trueadam", "multistepadam", "adamw"):
        return Adam(
            fused_adam,
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
        f"adafactor, momentum, sgd, muon"
    )


def _shared_arguments(
    hparams: HParams, train_steps: int, run_if: Callable[[Any, Any, Any], None] | None
) -> dict[str, Any]:
    """Returns the arguments of all optimizers."""
    shared: dict[str, Any] = {
        "run_if": run_if,
        "learning_rate": LearningRate(hparams, train_steps),
        "global_clipnorm": hparams.clip_grad_norm or None,
        "weight_decay": hparams.weight_decay or None,
    }
    if hparams.ema_decay:
        shared["use_ema"], shared["ema_momentum"] = True, hparams.ema_decay
    if share := hparams.average_last_share:
        updates = train_steps // max(hparams.optimizer_multistep_accumulate_steps, 1)
        shared["use_ema"], shared["average_from"] = True, int((1.0 - share) * updates)
    if hparams.optimizer_multistep_accumulate_steps > 1:
        shared["gradient_accumulation_steps"] = hparams.optimizer_multistep_accumulate_steps
    return shared


def _check(hparams: HParams, name: str) -> None:
    """Raises HParamsError for a combination that isn't supported."""
    if hparams.ema_decay and hparams.average_last_share:
        raise HParamsError(
            f"ema_decay={hparams.ema_decay} and average_last_share={hparams.average_last_share}: "
            f"one average is kept; set one of them to 0"
        )
    if name == "adamw" and hparams.weight_decay:
        raise HParamsError(
            f"optimizer={hparams.optimizer} with weight_decay={hparams.weight_decay} takes that "
            f"part of the weights away at each step in T2T, which isn't supported; choose "
            f"optimizer=adam, whose weight_decay is times the learning rate"
        )
    if name == "adafactor" and hparams.weight_decay_cautious and hparams.weight_decay:
        raise HParamsError(
            "optimizer=adafactor doesn't support weight_decay_cautious; choose adam or muon"
        )
