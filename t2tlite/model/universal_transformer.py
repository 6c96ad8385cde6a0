"""The universal Transformer: one layer, run again and again.

Dehghani et al. 2019 (arXiv 1807.03819). Every run adds the sinusoids of the positions and a signal
of its own number to the state, and then does what a layer of the Transformer does. The hparam
recurrence_type says how often:

- "basic": num_rec_steps times;
- "act": each position as often as it asks for, at most act_max_steps times (adaptive computation
  time, Graves 2016, arXiv 1603.08983). A position says after each run with which probability it is
  done; its output is the mean of its states by these probabilities, and the loss counts its runs.
  All are run act_max_steps times, so that shapes are static; what comes after a position's end has
  no weight in its output.

Both are T2T's. Its other recurrences and variants aren't here, and are told to be missing.

Shape letters as in `t2tlite.model.layers`.
"""

from typing import Any

import keras
from keras import ops

from t2tlite.errors import HParamsError
from t2tlite.model.layers import initializer, sinusoids
from t2tlite.model.stacks import Stack
from t2tlite.model.transformer import StackModel, Transformer, TransformerEncoder

# The values that there are here of hparams that T2T's sets add; T2T has more of them.
CHOICES = {
    "recurrence_type": ("basic", "act"),
    "act_type": ("basic",),
    "step_timing_signal_type": ("learned", "sinusoid"),
    "add_or_concat_timing_signal": ("add",),
    "position_start_index": (None, "None", ""),
    "mix_with_transformer": (None, "None", ""),
    "transformer_ffn_type": ("fc",),
    "add_sru": (False,),
    # Only other recurrences read these.
    "add_ffn_unit_to_the_transition_function": (False,),
    "couple_carry_transform_gates": (True,),
    "depth_embedding": (True,),
    "dwa_elements": (True,),
    "gate_ffn_layer": ("dense",),
    "lstm_forget_bias": (1.0,),
    "num_mixedin_layers": (2,),
    "transform_bias_init": (-1.0,),
    "use_memory_as_final_state": (False,),
}
NUMBERS = ("num_rec_steps", "num_inrecurrence_layers", "act_max_steps")
OTHERS = (
    *("add_position_timing_signal", "add_step_timing_signal"),
    *("act_epsilon", "act_halting_bias_init", "act_loss_weight"),
)


class RecurrentStack(Stack):
    """A stack that runs its layers, num_inrecurrence_layers of them, several times.

    Args:
      hparams: of the model.
      seed_generator: of the model's dropout.
      cross: whether they attend to the encoder's output.
    """

    def __init__(self, hparams, seed_generator, cross, **kwargs):
        super().__init__(hparams.num_inrecurrence_layers, hparams, seed_generator, cross, **kwargs)
        self.hparams = hparams
        self.halting: Any = None
        self.steps = _runs(hparams)
        if hparams.recurrence_type == "act":
            self.halting = keras.layers.Dense(
                1,
                kernel_initializer=initializer(hparams),
                bias_initializer=keras.initializers.Constant(hparams.act_halting_bias_init),
                name="halting",
            )

    def build(self, input_shape):
        super().build(input_shape)
        width = self.hparams.hidden_size
        self.step_signals_SD = None
        if self.hparams.add_step_timing_signal and (
            self.hparams.step_timing_signal_type == "learned"
        ):
            normal = keras.initializers.RandomNormal(0.0, width**-0.5)
            self.step_signals_SD = self.add_weight(
                shape=(self.steps, width), initializer=normal, name="step_signals"
            )
        if self.halting is not None:
            self.halting.build((None, None, width))

    def places(self):
        once = super().places()
        return [f"step_{step}_{name}" for step in range(self.steps) for name in once]

    def signalled(self, x_BTD, step, positions):
        """Returns the state with the signals of its positions and of the run's number."""
        hparams, width = self.hparams, self.hparams.hidden_size
        if hparams.add_position_timing_signal:
            x_BTD = x_BTD + ops.cast(sinusoids(positions, width), x_BTD.dtype)
        if self.step_signals_SD is not None:
            x_BTD = x_BTD + ops.cast(self.step_signals_SD[step] * width**0.5, x_BTD.dtype)
        elif hparams.add_step_timing_signal:
            x_BTD = x_BTD + ops.cast(sinusoids(step, width), x_BTD.dtype)
        return x_BTD

    def call(self, x_BTD, self_bias, positions, memory=None, past=None, training=False):
        """Runs the stack; as `Stack.call`."""
        places = iter(self.places())

        def run(x_BTD):
            return self.run(x_BTD, self_bias, memory, past, places, training)

        if self.halting is not None:
            x_BTD = self._adaptive(x_BTD, positions, run, training)
        else:
            for step in range(self.steps):
                x_BTD = run(self.signalled(x_BTD, step, positions))
        return self.finish(x_BTD, training=training)

    def _adaptive(self, x_BTD, positions, run, training):
        """Returns the mean of each position's states until it is done."""
        enough = 1.0 - self.hparams.act_epsilon
        halted_BT = ops.zeros_like(x_BTD[..., 0], dtype="float32")
        remainders_BT, runs_BT = halted_BT, halted_BT
        mean_BTD = ops.zeros_like(x_BTD, dtype="float32")
        for step in range(self.steps):
            x_BTD = self.signalled(x_BTD, step, positions)
            p_BT = ops.sigmoid(ops.cast(self.halting(x_BTD)[..., 0], "float32"))
            running_BT = halted_BT < 1.0
            last_BT = running_BT & (halted_BT + p_BT > enough)
            goes_on_BT = ops.cast(running_BT & ~last_BT, "float32")
            last_BT = ops.cast(last_BT, "float32")
            halted_BT = halted_BT + p_BT * goes_on_BT
            # In its last run a position spends what is left of its probability.
            rest_BT = last_BT * (1.0 - halted_BT)
            remainders_BT = remainders_BT + rest_BT
            halted_BT = halted_BT + rest_BT
            runs_BT = runs_BT + goes_on_BT + last_BT
            share_BT1 = (p_BT * goes_on_BT + rest_BT)[..., None]
            x_BTD = run(x_BTD)
            mean_BTD = ops.cast(x_BTD, "float32") * share_BT1 + mean_BTD * (1.0 - share_BT1)
        if training and self.hparams.act_loss_weight:
            self.add_loss(self.hparams.act_loss_weight * ops.mean(runs_BT + remainders_BT))
        return ops.cast(mean_BTD, x_BTD.dtype)


class _Recurrent(StackModel):
    """What makes a model of stacks a universal one."""

    def __init__(self, hparams, problem_hparams, name="universal_transformer"):
        super().__init__(hparams, problem_hparams, name)

    family = "universal_transformer"
    unread = (*StackModel.unread, "num_encoder_layers", "num_decoder_layers")

    def make_layers(self, hparams, problem_hparams):
        _check(hparams)
        self.layer_runs = _runs(hparams) * hparams.num_inrecurrence_layers
        super().make_layers(hparams, problem_hparams)

    def add_positions(self, x_BTD, positions):
        # As in T2T: the runs add them, or the model does once.
        if self.hparams.add_position_timing_signal:
            return x_BTD
        return super().add_positions(x_BTD, positions)

    def make_stack(self, layers, cross, name):
        return RecurrentStack(self.hparams, self.seed_generator, cross, name=name)


class UniversalTransformer(_Recurrent, Transformer):
    """Universal encoder-decoder; without "inputs", a decoder-only language model."""


class UniversalTransformerEncoder(_Recurrent, TransformerEncoder):
    """Universal encoder that classifies a text."""


def _runs(hparams):
    """How often a stack is run."""
    return hparams.act_max_steps if hparams.recurrence_type == "act" else hparams.num_rec_steps


def _check(hparams):
    values = hparams.values()
    for name in (*CHOICES, *NUMBERS, *OTHERS):
        if name not in values:
            raise HParamsError(
                f"a universal Transformer needs the hparam {name}, which is missing; use "
                f"--hparams_set=universal_transformer_base or _tiny"
            )
    for name, allowed in CHOICES.items():
        if values[name] not in allowed:
            choices = " or ".join(str(one) for one in allowed if one not in ("None", ""))
            raise HParamsError(
                f"{name}={values[name]} is a variant of the universal Transformer that t2tlite "
                f"doesn't have; choose {choices}"
            )
    for name in NUMBERS:
        if values[name] < 1:
            raise HParamsError(f"{name}={values[name]} leaves no layers; choose 1 or more")
    if not 0 < hparams.act_epsilon < 1:
        raise HParamsError(
            f"act_epsilon={hparams.act_epsilon} isn't between 0 and 1; choose about 0.01"
        )
