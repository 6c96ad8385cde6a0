"""HParams: the typed hyperparameters of a model and its training, with T2T's names.

A registered set is a function that calls another set, changes values and returns the result.
`--hparams="a=1,b=2"` overrides values by name. An unknown name is an error with the closest names;
an assignment without effect logs a warning.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
import logging
import os
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from t2tlite.assignments import (
    Bounds,
    Pattern,
    check_fields,
    convert,
    field_hints,
    parse_assignments,
    parse_like,
    shown,
    split_index,
    with_item,
)
from t2tlite.errors import HParamsError
from t2tlite.hparam_effects import without_effect
from t2tlite.t2t_names.hparams import HINTS, T2T_ONLY

log = logging.getLogger(__name__)

# The value of an hparam that leaves the choice to t2tlite.
AUTO = "auto"

PAD_ID = 0  # padding, in every vocabulary
EOS_ID = 1  # end of a sequence, in every vocabulary
# Feature of a batch: the weights of its target positions, float32, where samples have weights.
WEIGHTS = "targets_weight"

# The bounds admit far more than any known model has, and nothing that can't work.
Size = Annotated[int, Bounds(1, 2**15)]
SizeOrZero = Annotated[int, Bounds(0, 2**15)]
Layers = Annotated[int, Bounds(1, 1000)]
LayersOrZero = Annotated[int, Bounds(0, 1000)]
Tokens = Annotated[int, Bounds(1, 2**22)]
TokensOrZero = Annotated[int, Bounds(0, 2**22)]
Steps = Annotated[int, Bounds(0, 2**31 - 1)]
Period = Annotated[int, Bounds(1, 2**31 - 1)]  # in steps
Rate = Annotated[float, Bounds(0.0, 0.99999)]
Decay = Annotated[float, Bounds(0.0, 0.9999999)]  # of a moving average; at 1 it never moves
Factor = Annotated[float, Bounds(0.0, 1e6)]
Epsilon = Annotated[float, Bounds(1e-20, 1.0)]  # 0 would divide 0 by 0
NotSupported = Annotated[float, Bounds(0.0, 0.0)]
Name = Annotated[str, Pattern(r"\w+", "a name")]
Axes3 = Annotated[str, Pattern(r"((^|,) *([0-2]|-[1-3]) *)*", "axes of [0, 1, 2], as 0,1")]
Axes4 = Annotated[str, Pattern(r"((^|,) *([0-3]|-[1-4]) *)*", "axes of [0, 1, 2, 3], as 0,1")]


@dataclass
class HParams:
    """Hyperparameters of a model, its optimizer and its batches.

    >>> hparams = HParams(hidden_size=256, num_heads=4)
    >>> hparams.override("num_hidden_layers=2,learning_rate_constant=0.5")
    HParams(hidden_size=256, num_hidden_layers=2, num_heads=4, learning_rate_constant=0.5)

    The defaults are those of T2T's transformer_base. A value is converted to its field's type when
    it is assigned; `check` verifies bounds and choices. T2T's hparams without a field can be read,
    and assigned as long as that changes no result.

    Attributes:
      extra: hparams that have no field, by name: what a plugin or a set adds by `add_hparam`, as
        the LSTM models' and universal Transformers' sets do. They read and write as attributes.
    """

    # Size of the model.
    hidden_size: Size = 512  # width of each layer's output, d_model in the paper
    num_hidden_layers: Layers = 6  # layers of the encoder and of the decoder
    num_encoder_layers: LayersOrZero = 0  # layers of the encoder; 0: num_hidden_layers
    num_decoder_layers: LayersOrZero = 0  # layers of the decoder; 0: num_hidden_layers
    num_heads: Size = 8  # attention heads
    filter_size: Annotated[int, Bounds(1, 2**17)] = 2048  # inner width of the feed-forward layers
    attention_key_channels: SizeOrZero = 0  # total width of the keys of all heads; 0: hidden_size
    attention_value_channels: SizeOrZero = 0  # total width of all heads' values; 0: hidden_size
    vocab_divisor: Size = 1  # the embedding table is padded to a multiple of this many rows

    # Layers.
    # Before and after a sublayer: n norm, d dropout, a residual add; "none" and "dan": post-norm.
    layer_preprocess_sequence: Annotated[
        str, Pattern("none||n|d|nd|dn", "n, d, nd, dn or none (n: norm, d: dropout)")
    ] = "n"
    layer_postprocess_sequence: Annotated[
        str,
        Pattern(r"none||(?!.*(.).*\1)[nda]+", "letters of n (norm), d (dropout), a (add), or none"),
    ] = "da"
    norm_epsilon: Epsilon = 1e-6  # added to the variance in layer norm
    pos: Literal["timing", "none"] = "timing"  # position encoding; timing: sinusoids
    # dot_product_relative: Shaw et al. 2018.
    self_attention_type: Literal["dot_product", "dot_product_relative"] = "dot_product"
    max_relative_position: SizeOrZero = 0  # largest distance that dot_product_relative tells apart
    shared_embedding_and_softmax_weights: bool = True  # one table for inputs, targets and logits
    # sqrt_depth: embeddings times sqrt(hidden_size).
    multiply_embedding_mode: Literal["sqrt_depth", "none", ""] = "sqrt_depth"
    use_target_space_embedding: bool = True  # add a learned vector of the target language to inputs
    unidirectional_encoder: bool = False  # causal self-attention in the encoder
    prepend_mode: Literal[
        "none", "prepend_inputs_masked_attention", "prepend_inputs_full_attention"
    ] = "none"  # else a decoder alone reads inputs and targets as one sequence
    initializer: Literal[
        "uniform_unit_scaling", "normal_unit_scaling", "orthogonal", "uniform", "normal"
    ] = "uniform_unit_scaling"
    initializer_gain: Annotated[float, Bounds(1e-6, 1e3)] = 1.0  # scale of the initializer

    # Regularisation. A dropout is the probability that a value is dropped.
    layer_prepostprocess_dropout: Rate = 0.1  # of embeddings and of each sublayer's output
    attention_dropout: Rate = 0.1  # of attention weights
    relu_dropout: Rate = 0.1  # inside the feed-forward layers
    dropout: Rate = 0.2  # of the input of each LSTM layer; Transformers don't read it
    symbol_dropout: Rate = 0.0  # of whole input and target tokens, which become padding
    # Axes along which a dropout mask is shared: fewer random numbers.
    layer_prepostprocess_dropout_broadcast_dims: Axes3 = ""  # of [batch, length, width], as "1"
    attention_dropout_broadcast_dims: Axes4 = ""  # of [batch, head, query, key], as "0,1"
    relu_dropout_broadcast_dims: Axes3 = ""  # of [batch, length, filter], as "1"
    label_smoothing: Rate = 0.1  # probability moved from the target to all other tokens
    # Two passes over each batch, with other dropout: the weight of their divergence (Liang et al.
    # 2021, "R-Drop"); 0: one pass.
    rdrop_alpha: Annotated[float, Bounds(0.0, 1000.0)] = 0.0
    # The share of the data's targets in the loss; the rest is a teacher's (t2t-distill --top_k).
    task_balance: Annotated[float, Bounds(0.0, 1.0)] = 1.0
    distill_temperature: Annotated[float, Bounds(0.01, 100.0)] = 1.0  # divides the logits of both
    weight_decay: Annotated[float, Bounds(0.0, 100.0)] = 0.0  # decoupled, times the learning rate
    weight_decay_cautious: bool = False  # only of weights that the update makes smaller

    # Learning rate: the product of the schedule's factors.
    learning_rate_schedule: Annotated[str, Pattern(r"[\w *]+", "names joined by *")] = (
        "constant*linear_warmup*rsqrt_decay*rsqrt_hidden_size"
    )
    learning_rate_constant: Factor = 2.0  # the factor "constant"
    learning_rate_warmup_steps: Steps = 8000  # also the step at which rsqrt_decay starts
    # The warm-up is at most this share of a training's updates; 0: no limit.
    learning_rate_warmup_share: Annotated[float, Bounds(0.0, 1.0)] = 0.0
    learning_rate: Factor = 0.2  # read by the schedule "legacy" only
    learning_rate_decay_scheme: Name = "noam"  # of "legacy": noam, none, exp, cosine, sqrt, ...
    learning_rate_decay_rate: Annotated[float, Bounds(0.0, 10.0)] = 1.0  # factor of exp
    learning_rate_decay_steps: Period = 5000  # steps per decay
    learning_rate_decay_staircase: bool = False  # decay once per learning_rate_decay_steps
    learning_rate_minimum: Annotated[float | None, Bounds(0.0, 1e6)] = None
    learning_rate_cosine_cycle_steps: Period = 250000  # steps of half a cosine
    # The last share of a training's updates, in which linear_cooldown falls to 0.
    learning_rate_cooldown_share: Annotated[float, Bounds(1e-6, 1.0)] = 0.2

    # Optimizer.
    optimizer: Name = "adam"  # adam(_w), multistep_adam, true_adam, adafactor, momentum, sgd, muon
    optimizer_adam_beta1: Decay = 0.9
    optimizer_adam_beta2: Decay = 0.997
    optimizer_adam_epsilon: Epsilon = 1e-9
    optimizer_adafactor_beta1: Decay = 0.0  # momentum of the update; 0: none
    optimizer_adafactor_beta2: Decay = 0.999  # of the decay type "adam"
    optimizer_adafactor_factored: bool = True  # second moments of matrices as rows and columns
    optimizer_adafactor_decay_type: Literal["pow", "adam"] = "pow"
    # pow: beta2 at step t is 1 - t^-exponent.
    optimizer_adafactor_memory_exponent: Annotated[float, Bounds(0.0, 10.0)] = 0.8
    optimizer_adafactor_clipping_threshold: Factor = 1.0  # of the update's root mean square
    # The learning rate is relative to the root mean square of the weights.
    optimizer_adafactor_multiply_by_parameter_scale: bool = True
    optimizer_momentum_momentum: Decay = 0.9
    optimizer_momentum_nesterov: bool = False
    optimizer_muon_momentum: Annotated[float, Bounds(0.0, 0.9999)] = 0.95  # Nesterov's
    # Learning rate of the matrices that Muon updates, relative to that of the other weights.
    optimizer_muon_learning_rate_ratio: Factor = 1.0
    optimizer_multistep_accumulate_steps: SizeOrZero = 0  # batches per update; 0 and 1: one
    clip_grad_norm: Factor = 0.0  # largest global norm of the gradient; 0: no limit
    ema_decay: Decay = 0.0  # decay of the exponential moving average of the weights; 0: none
    # The last share of a training's updates whose weights are averaged equally; 0: no average.
    average_last_share: Annotated[float, Bounds(0.0, 1.0)] = 0.0
    grad_noise_scale: NotSupported = 0.0
    weight_noise: NotSupported = 0.0

    # Batches.
    batch_size: Tokens = 4096  # padded tokens per batch and replica, of inputs or targets
    # bucket: rows of similar length; pack: several examples per row; pad: to max_length; auto: pack
    # where static shapes are needed, else bucket.
    batching: Literal["auto", "bucket", "pack", "pad"] = "auto"
    pack_dataset: bool = False  # T2T's name for batching=pack
    max_length: TokensOrZero = 256  # longest training example in tokens; 0: batch_size
    min_length: TokensOrZero = 0  # shortest training example in tokens
    max_input_seq_length: TokensOrZero = 0  # longer training inputs are truncated; 0: no limit
    max_target_seq_length: TokensOrZero = 0  # longer training targets are truncated; 0: no limit
    min_length_bucket: Tokens = 8  # upper bound of the first bucket in tokens
    length_bucket_step: Annotated[float, Bounds(1.0001, 1000.0)] = 1.1  # ratio of two bounds
    eval_drop_long_sequences: bool = False  # apply max_length to evaluation too

    # Numbers in training. bfloat16: activations and products; the weights stay float32. auto: the
    # faster one of the device where training begins.
    activation_dtype: Literal["auto", "float32", "bfloat16"] = "auto"

    # Sampling while decoding; --decode_hparams overrides it.
    sampling_method: Literal["argmax", "random"] = "argmax"
    sampling_temp: Annotated[float, Bounds(1e-3, 1e3)] = 1.0  # divides the logits
    sampling_keep_top_k: Annotated[int, Bounds(-1, 2**31 - 1)] = -1  # most probable ones; -1: all

    extra: dict[str, Any] = field(default_factory=dict, repr=False)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _TYPES:
            object.__setattr__(self, name, convert(name, value, _TYPES[name]))
        elif name in self.extra:
            self.extra[name] = value
        elif name in T2T_ONLY:
            T2T_ONLY[name].assign("hparam", name, value)
            if value != T2T_ONLY[name].default:
                self.extra[name] = value
        else:
            raise HParamsError(self._unknown(name))

    def __getattr__(self, name: str) -> Any:
        # Python calls this only for a name that is no field.
        extra = self.__dict__.get("extra", {})
        if name in extra:
            return extra[name]
        if name in T2T_ONLY:
            return T2T_ONLY[name].default
        raise AttributeError(self._unknown(name))

    def add_hparam(self, name: str, value: Any) -> None:
        """Adds an hparam to `extra`; an existing one is assigned."""
        if name in _TYPES or name in T2T_ONLY:
            setattr(self, name, value)
        else:
            self.extra[name] = value

    def override(self, assignments: str | Mapping[str, Any]) -> HParams:
        """Assigns from `"name=value,name=value"`, or a dict, by each value's type; returns self.

        An assignment without effect logs a warning. A list is written in brackets: `a=[1,2]`, and
        `a[0]=3` replaces one item.

        Raises:
          HParamsError: a name doesn't exist or is assigned twice, or a value isn't of its type.
        """
        is_text = isinstance(assignments, str)
        pairs = parse_assignments(assignments)
        for name, value in pairs:
            name, index = split_index(name)
            present = self.value_of(name)
            if index is not None:
                setattr(self, name, with_item(name, present, index, value))
            elif name not in _TYPES:
                setattr(self, name, parse_like(name, value, present))
            else:
                # Brackets may keep a comma in a string.
                setattr(self, name, value.strip("[]") if is_text and _TYPES[name] is str else value)
        for name, _ in pairs:
            if reason := self.without_effect(name):
                log.warning("%s", reason)
        return self

    def assign(self, values: Mapping[str, Any]) -> HParams:
        """Assigns values by name; returns self.

        Raises:
          HParamsError: a name doesn't exist, or a value isn't of its type.
        """
        for name, value in values.items():
            present = self.value_of(name)
            setattr(self, name, parse_like(name, value, present) if name in self.extra else value)
        return self

    def assign_json(self, path: str | os.PathLike[str]) -> dict[str, Any]:
        """Assigns from a JSON file `{"name": value, ...}`, such as a tuning run's best.json.

        Returns:
          The values of the file, by name.

        Raises:
          HParamsError: the file can't be read, a name doesn't exist, or a value isn't of its type.
        """
        try:
            values = json.loads(Path(path).read_text(encoding="utf-8-sig"))
        except (OSError, ValueError, RecursionError) as error:
            raise HParamsError(f"can't read hparams from {path}: {error}") from None
        if not isinstance(values, dict):
            raise HParamsError(f'{path} holds no hparams; expected {{"name": value, ...}}')
        if "weight_dtype" in values and values.get("activation_dtype") == "float32":
            # A file of T2T lists all hparams, and this is its default, which nobody chose.
            del values["activation_dtype"]
        self.assign(values)
        return values

    def value_of(self, name: str) -> Any:
        """Returns the value of an hparam.

        Raises:
          HParamsError: the name doesn't exist; the message lists the closest ones.
        """
        if name == "extra" or not (name in _TYPES or name in self.extra or name in T2T_ONLY):
            raise HParamsError(self._unknown(name))
        return getattr(self, name)

    def without_effect(self, name: str) -> str:
        """Returns why assigning an hparam has no effect on these hparams; "" if it has one."""
        return without_effect(name, self)

    def check_attention(self) -> None:
        """Checks that the widths fit multi-head attention.

        Raises:
          HParamsError: the first that doesn't, with the nearest that would.
        """
        for name in ("attention_key_channels", "attention_value_channels"):
            width = getattr(self, name) or self.hidden_size
            if width % self.num_heads:
                low = width // self.num_heads * self.num_heads
                shown = name if getattr(self, name) else "hidden_size"
                raise HParamsError(
                    f"{shown}={width} is not a multiple of num_heads={self.num_heads}; choose "
                    f"{f'{low} or ' if low else ''}{low + self.num_heads}"
                )
        if self.pos == "timing" and self.hidden_size % 2:
            raise HParamsError(
                f"hidden_size={self.hidden_size} is odd; pos=timing needs an even one"
            )

    def check(self) -> HParams:
        """Checks that each value is within its field's bounds or choices; returns self.

        Raises:
          HParamsError: the first value that isn't, with the values that are.
        """
        if self.self_attention_type == "dot_product_relative" and self.max_relative_position < 1:
            raise HParamsError(
                f"max_relative_position={self.max_relative_position} leaves "
                f"self_attention_type=dot_product_relative no positions; choose 1 or more (T2T: 20)"
            )
        check_fields(self, field_hints(type(self)))
        return self

    def values(self) -> dict[str, Any]:
        """Returns all hparams, fields and `extra`, by name."""
        flat = {name: getattr(self, name) for name in _TYPES if name != "extra"}
        return {**flat, **self.extra}

    def to_json(self) -> str:
        """Returns `values()` as JSON, one hparam per line."""
        return json.dumps(self.values(), indent=1, sort_keys=True)

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> HParams:
        """Creates an HParams from the result of `values()`; unknown names go to `extra`."""
        known = {name: values[name] for name in values if name in _TYPES and name != "extra"}
        return cls(**known, extra={name: values[name] for name in values if name not in known})

    def copy(self) -> HParams:
        """Returns an independent copy."""
        return dataclasses.replace(self, extra=dict(self.extra))

    def changes(self, other: HParams | None = None) -> dict[str, Any]:
        """Returns the values that differ from those of `other`, by default from T2T's, by name."""
        before = (other or HParams()).values()
        return {n: v for n, v in self.values().items() if n not in before or v != before[n]}

    def __repr__(self) -> str:
        name, base = self.__dict__.get("of_set", ("", None))
        changes = ", ".join(f"{n}={value!r}" for n, value in self.changes(base).items())
        return f"<HParams of {name}: {changes or 'unchanged'}>" if name else f"HParams({changes})"

    def _unknown(self, name: str) -> str:
        names = [*(_TYPES.keys() - {"extra"}), *T2T_ONLY, *self.__dict__.get("extra", {})]
        close = difflib.get_close_matches(name, names, n=3, cutoff=0.6)
        hint = f"did you mean {' or '.join(close)}?" if close else "none is close"
        return f"no hparam is named {shown(name)}: {HINTS.get(name, hint)}"


_TYPES: dict[str, Any] = typing.get_type_hints(HParams)


@dataclass
class ProblemHParams:
    """What a model needs to know of a problem, with T2T's names; `Problem.hparams` fills it.

    The dicts are by feature, "inputs" and "targets"; a problem without inputs has no "inputs".
    """

    vocab_size: dict[str, int] = field(default_factory=dict)
    # "symbol" (a sequence of tokens), "class_label" (one label) or "real_l2" (numbers).
    modality: dict[str, str] = field(default_factory=dict)
    input_space_id: int = 0  # T2T's number of the input language
    target_space_id: int = 0  # that of the target language, an index into a learned table
    loss_multiplier: float = 1.0  # factor of the loss
    stop_at_eos: bool = True  # whether decoding stops at EOS
    vocabulary: dict[str, Any] = field(default_factory=dict, repr=False)  # the encoders
    # T2T's problems set further attributes by this name.
    add_hparam = object.__setattr__
