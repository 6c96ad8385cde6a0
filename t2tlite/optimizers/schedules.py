"""The learning rate schedule: T2T's product of named factors, each a function of the step."""

import math

import keras
from keras import ops

from t2tlite.errors import HParamsError


class LearningRate(keras.optimizers.schedules.LearningRateSchedule):
    """The learning rate by hparam learning_rate_schedule, such as "constant*linear_warmup".

    Args:
      hparams: reads learning_rate_*, hidden_size, optimizer and
        optimizer_multistep_accumulate_steps: all steps of a schedule are updates.
      train_steps: batches of the whole run, for factors that decay to its end.

    Attributes:
      hparams: with the warm-up that learning_rate_warmup_share allows.

    Raises:
      HParamsError: unknown factor or learning_rate_decay_scheme.
    """

    def __init__(self, hparams, train_steps):
        if share := hparams.learning_rate_warmup_share:
            updates = train_steps // max(hparams.optimizer_multistep_accumulate_steps, 1)
            longest = max(int(share * updates), 1)
            hparams = hparams.copy()
            hparams.learning_rate_warmup_steps = min(hparams.learning_rate_warmup_steps, longest)
        self.hparams = hparams
        self.train_steps = train_steps
        names = [name.strip() for name in hparams.learning_rate_schedule.split("*")]
        self.factors = [name for name in names if name]
        for name in self.factors:
            if name not in _FACTORS:
                raise HParamsError(
                    f"learning_rate_schedule={hparams.learning_rate_schedule}: {name!r} is not one "
                    f"of: {', '.join(_FACTORS)}"
                )
        if "legacy" in self.factors:
            scheme = hparams.learning_rate_decay_scheme
            if scheme not in ("noam", *_DECAYS):
                raise HParamsError(
                    f"learning_rate_decay_scheme={scheme} is not one of: noam, {', '.join(_DECAYS)}"
                )

    def __call__(self, step):
        """Returns the rate, a float32 scalar; `step` is the number of batches so far."""
        batches = max(self.hparams.optimizer_multistep_accumulate_steps, 1)
        train_steps = self.train_steps // batches
        if batches > 1:
            step = ops.floor_divide(step, batches)
        step = ops.cast(step, "float32")
        rate = ops.ones((), "float32")
        for name in self.factors:
            rate = rate * _FACTORS[name](self.hparams, step, train_steps)
        if self.hparams.learning_rate_minimum:
            rate = ops.maximum(rate, self.hparams.learning_rate_minimum)
        return rate

    def get_config(self):
        return {"hparams": self.hparams, "train_steps": self.train_steps}


def _warmup(hparams):
    return max(hparams.learning_rate_warmup_steps, 1)


def _rsqrt_decay(hparams, step, _):
    return ops.rsqrt(ops.maximum(step, _warmup(hparams)))


def _steps_after_warmup(hparams, step):
    return ops.maximum(step - hparams.learning_rate_warmup_steps, 0.0)


def _exp_decay(hparams, step, _=None):
    periods = _steps_after_warmup(hparams, step) / hparams.learning_rate_decay_steps
    if hparams.learning_rate_decay_staircase:
        periods = ops.floor(periods)
    return ops.power(hparams.learning_rate_decay_rate, periods)


def _half_cosine(progress):
    """Falls from 1 at progress 0 to 0 at progress 1."""
    return 0.5 * (1.0 + ops.cos(math.pi * progress))


def _cosdecay(hparams, step, _):
    # It rises again after learning_rate_decay_steps, as in T2T.
    decayed = _half_cosine(step / hparams.learning_rate_decay_steps)
    return ops.where(step <= hparams.learning_rate_warmup_steps, 1.0, decayed)


def _linear_decay(hparams, step, train_steps):
    left = (train_steps - step) / hparams.learning_rate_decay_steps
    return ops.clip(left, 0.0, 1.0)


def _fall(step, first, train_steps):
    """Falls from 1 at update `first` to 0 at update train_steps, linearly."""
    return ops.clip((train_steps - step) / max(train_steps - first, 1), 0.0, 1.0)


def _linear_decay_to_zero(hparams, step, train_steps):
    """From the end of the warm-up on (Bergsma et al. 2025, arXiv:2502.15938)."""
    return _fall(step, hparams.learning_rate_warmup_steps, train_steps)


def _linear_cooldown(hparams, step, train_steps):
    """Constant until the last share of the updates (Haegele et al. 2024, arXiv:2405.18392)."""
    return _fall(step, (1.0 - hparams.learning_rate_cooldown_share) * train_steps, train_steps)


def _single_cycle_cos_decay(hparams, step, train_steps):
    cycle = max(train_steps - hparams.learning_rate_warmup_steps, 1)
    return _half_cosine(ops.minimum(_steps_after_warmup(hparams, step) / cycle, 1.0))


def _multi_cycle_cos_decay(hparams, step, _):
    cycle = hparams.learning_rate_warmup_steps + hparams.learning_rate_cosine_cycle_steps
    position = _position_in_cycle(step, cycle)
    progress = _steps_after_warmup(hparams, position) / hparams.learning_rate_cosine_cycle_steps
    return _half_cosine(ops.minimum(progress, 1.0))


def _position_in_cycle(step, cycle):
    return step - cycle * ops.floor(step / cycle)


def _legacy(hparams, step, _):
    """T2T's older schedules: "noam", or an exponential warm-up and then a decay."""
    name = hparams.optimizer.lower()
    # The rates of Muon are those of Adam.
    adam = 0.002 if "adam" in name or name == "muon" else 1.0
    scale = adam * hparams.learning_rate
    scheme = hparams.learning_rate_decay_scheme
    if scheme == "noam":
        warmup = _warmup(hparams)
        rising, falling = (step + 1.0) * warmup**-1.5, ops.rsqrt(step + 1.0)
        return scale * 5000.0 * hparams.hidden_size**-0.5 * ops.minimum(rising, falling)
    decayed = _DECAYS[scheme](hparams, step)
    warmup = hparams.learning_rate_warmup_steps
    if not warmup:
        return scale * decayed
    # From 1 % to 100 %, by the same factor each step, in float32 as in T2T.
    factor = ops.exp(ops.cast(math.log(0.01) / warmup, "float32"))
    return scale * ops.where(step < warmup, ops.power(factor, warmup - step), decayed)


def _cosine(hparams, step):
    cycle = hparams.learning_rate_cosine_cycle_steps
    return _half_cosine((cycle - ops.abs(cycle - _position_in_cycle(step, 2 * cycle))) / cycle)


def _cycle_linear(hparams, step):
    cycle = _warmup(hparams)
    position = _position_in_cycle(step, 2 * cycle)
    return (1.0 - ops.abs((position - cycle) / cycle) + 0.1) * 3.0


_DECAYS = {
    "none": lambda hparams, step: ops.ones((), "float32"),
    "exp": _exp_decay,
    "cosine": _cosine,
    "cyclelinear10x": _cycle_linear,
    "sqrt": lambda hparams, step: (
        500.0 * ops.rsqrt(ops.maximum(step - hparams.learning_rate_warmup_steps, 1.0))
    ),
}

_FACTORS = {
    "constant": lambda hparams, *_: hparams.learning_rate_constant,
    "linear_warmup": lambda hparams, step, _: ops.minimum(1.0, step / _warmup(hparams)),
    "linear_decay": _linear_decay,
    "linear_decay_to_zero": _linear_decay_to_zero,
    "linear_cooldown": _linear_cooldown,
    "rsqrt_decay": _rsqrt_decay,
    "rsqrt_normalized_decay": lambda hparams, step, _: (
        _rsqrt_decay(hparams, step, _) * _warmup(hparams) ** 0.5
    ),
    "exp_decay": _exp_decay,
    "cosdecay": _cosdecay,
    "single_cycle_cos_decay": _single_cycle_cos_decay,
    "multi_cycle_cos_decay": _multi_cycle_cos_decay,
    "rsqrt_hidden_size": lambda hparams, *_: hparams.hidden_size**-0.5,
    "legacy": _legacy,
}
