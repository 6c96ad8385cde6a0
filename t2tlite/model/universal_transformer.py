"""The universal Transformer (Dehghani et al. 2019, arXiv 1807.03819): one layer, repeated.

Each run adds the encodings of the positions and of the run's number to the state, and then applies
a layer of the Transformer. The hparam recurrence_type sets the number of runs:

- "basic": num_rec_steps;
- "act": adaptive for each position, at most act_max_steps (adaptive computation time, Graves 2016,
  arXiv 1603.08983). Before each run a position predicts the probability that it halts. Its output
  combines its states by these probabilities, and the loss penalises its runs. All positions do
  act_max_steps runs, so that shapes are static; runs after halting have weight 0.

T2T's other recurrences and variants don't exist here; their hparams are an error.

Shapes: as in `t2tlite.model.layers`; S runs.
"""

from typing import Annotated, Any, Literal

import keras
from keras import ops

from t2tlite.assignments import Bounds
from t2tlite.config import Factor, Layers
from t2tlite.model.layers import dense, sinusoids
from t2tlite.model.stacks import Stack
from t2tlite.model.transformer import StackModel, Transformer, TransformerEncoder

# Types of the hparams that T2T's sets add. T2T reads others of them in other recurrences only.
HINTS = {
    "recurrence_type": Literal["basic", "act"],
    "num_rec_steps": Layers,
    "num_inrecurrence_layers": Layers,
    "add_position_timing_signal": bool,
    "add_step_timing_signal": bool,
    "step_timing_signal_type": Literal["learned", "sinusoid"],
    "add_or_concat_timing_signal": Literal["add"],
    "position_start_index": Literal["None", "", None],
    "mix_with_transformer": Literal["None", "", None],
    "transformer_ffn_type": Literal["fc"],
    "add_sru": Annotated[bool, Bounds(False, False)],
}
# Read with recurrence_type=act.
ACT_HINTS = {
    "act_max_steps": Layers,
    "act_halting_bias_init": Annotated[float, Bounds(-100.0, 100.0)],
    "act_epsilon": Annotated[float, Bounds(1e-9, 0.99999)],
    "act_loss_weight": Factor,
    "act_type": Literal["basic"],
}


class RecurrentStack(Stack):
    """A stack of num_inrecurrence_layers blocks that runs several times; arguments as `Stack`."""

    def __init__(self, hparams, seed_generator, cross, **kwargs):
        super().__init__(hparams.num_inrecurrence_layers, hparams, seed_generator, cross, **kwargs)
        self.hparams = hparams
        self.halting: Any = None
        self.steps = _runs(hparams)
        if hparams.recurrence_type == "act":
            bias = keras.initializers.Constant(hparams.act_halting_bias_init)
            self.halting = dense(1, hparams, "halting", bias_initializer=bias)

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

    def cache_names(self):
        names = super().cache_names()
        return [f"step_{step}_{name}" for step in range(self.steps) for name in names]

    def add_signals(self, x_BTD, step, positions):
        """Adds the encodings of the positions and of the run's number."""
        hparams, width = self.hparams, self.hparams.hidden_size
        if hparams.add_position_timing_signal:
            x_BTD = x_BTD + ops.cast(sinusoids(positions, width), x_BTD.dtype)
        if self.step_signals_SD is not None:
            x_BTD = x_BTD + ops.cast(self.step_signals_SD[step] * width**0.5, x_BTD.dtype)
        elif hparams.add_step_timing_signal:
            x_BTD = x_BTD + ops.cast(sinusoids(step, width), x_BTD.dtype)
        return x_BTD

    def run(self, x_BTD, self_bias, positions, memory, kv_cache, training):
        names = iter(self.cache_names())

        def run_once(x_BTD):
            return self.run_blocks(x_BTD, self_bias, memory, kv_cache, names, training)

        if self.halting is not None:
            x_BTD = self._run_adaptive(x_BTD, positions, run_once, training)
        else:
            for step in range(self.steps):
                x_BTD = run_once(self.add_signals(x_BTD, step, positions))
        return self.finish(x_BTD, training=training)

    def _run_adaptive(self, x_BTD, positions, run, training):
        """Returns each position's states until it halts, combined by halting probability."""
        threshold = 1.0 - self.hparams.act_epsilon
        halted_BT = ops.zeros_like(x_BTD[..., 0], dtype="float32")
        remainder_sums_BT, runs_BT = halted_BT, halted_BT
        mean_BTD = ops.zeros_like(x_BTD, dtype="float32")
        for step in range(self.steps):
            x_BTD = self.add_signals(x_BTD, step, positions)
            p_BT = ops.sigmoid(ops.cast(self.halting(x_BTD)[..., 0], "float32"))
            running_BT = halted_BT < 1.0
            halts_BT = running_BT & (halted_BT + p_BT > threshold)
            continues_BT = ops.cast(running_BT & ~halts_BT, "float32")
            halts_BT = ops.cast(halts_BT, "float32")
            halted_BT = halted_BT + p_BT * continues_BT
            # The last run of a position gets the rest of its probability.
            remainder_BT = halts_BT * (1.0 - halted_BT)
            remainder_sums_BT = remainder_sums_BT + remainder_BT
            halted_BT = halted_BT + remainder_BT
            runs_BT = runs_BT + continues_BT + halts_BT
            share_BT1 = (p_BT * continues_BT + remainder_BT)[..., None]
            x_BTD = run(x_BTD)
            mean_BTD = ops.cast(x_BTD, "float32") * share_BT1 + mean_BTD * (1.0 - share_BT1)
        if training and self.hparams.act_loss_weight:
            self.add_loss(self.hparams.act_loss_weight * ops.mean(runs_BT + remainder_sums_BT))
        return ops.cast(mean_BTD, x_BTD.dtype)


class _Recurrent(StackModel):
    """Makes the stacks of a model recurrent."""

    family = "universal_transformer"
    takes_block = False
    unread = (*StackModel.unread, "num_encoder_layers", "num_decoder_layers")

    def make_layers(self, hparams, problem_hparams):
        sets = "universal_transformer_base or _tiny"
        self.check_extra(HINTS, sets)
        if hparams.recurrence_type == "act":
            self.check_extra(ACT_HINTS, sets)
        self.layer_runs = _runs(hparams) * hparams.num_inrecurrence_layers
        super().make_layers(hparams, problem_hparams)

    def add_positions(self, x_BTD, positions):
        # As in T2T, either each run adds them or the model does once.
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
    """Returns the number of runs of a stack."""
    return hparams.act_max_steps if hparams.recurrence_type == "act" else hparams.num_rec_steps
