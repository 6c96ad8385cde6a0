"""HParams: the typed description of a model and its training, with T2T's names.

A registered set is a function that calls another set, assigns, and returns; `--hparams="a=1,b=2"`
overrides fields by name. Nothing is silent: an unknown name is an error with the closest names, a
T2T name that has no meaning here is told (`t2tlite.t2t_names.hparams`), and so is an assignment
without effect.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
import logging
import os
import re
import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from t2tlite.errors import HParamsError
from t2tlite.t2t_names.hparams import FOREIGN

log = logging.getLogger(__name__)

PAD_ID = 0  # padding, in every vocabulary
EOS_ID = 1  # end of a sequence, in every vocabulary


@dataclass
class HParams:
    """Every knob of a model, its optimizer, its batches. Defaults are T2T's transformer_base."""

    # Size of the model.
    hidden_size: int = 512  # width of every layer's output, d_model in the paper
    num_hidden_layers: int = 6  # layers of encoder and of decoder
    num_encoder_layers: int = 0  # layers of the encoder; 0: num_hidden_layers
    num_decoder_layers: int = 0  # layers of the decoder; 0: num_hidden_layers
    num_heads: int = 8  # attention heads
    filter_size: int = 2048  # inner width of the feed-forward layers
    attention_key_channels: int = 0  # width of all heads' keys together; 0: hidden_size
    attention_value_channels: int = 0  # width of all heads' values together; 0: hidden_size
    vocab_divisor: int = 1  # the embedding's rows are padded to a multiple of this

    # What the layers do.
    layer_preprocess_sequence: str = "n"  # before a sublayer: n norm, d dropout, a add; or none
    layer_postprocess_sequence: str = "da"  # after a sublayer; "none" and "dan" make post-norm
    norm_epsilon: float = 1e-6  # added to the variance in layer norm
    pos: str = "timing"  # positions: "timing" (sinusoids) or "none"
    self_attention_type: str = "dot_product"  # or dot_product_relative: by distance of positions
    max_relative_position: int = (
        0  # positions beyond which dot_product_relative makes no difference
    )
    shared_embedding_and_softmax_weights: bool = True  # one matrix for inputs, targets and logits
    multiply_embedding_mode: str = "sqrt_depth"  # scale of embeddings; anything else: 1
    use_target_space_embedding: bool = True  # add the target language's learned row to the inputs
    unidirectional_encoder: bool = False  # encoder positions see only those before them
    initializer: str = "uniform_unit_scaling"  # or orthogonal, uniform, normal, normal_unit_scaling
    initializer_gain: float = 1.0  # scale of the initializer

    # Regularisation; every dropout is the share of values dropped.
    layer_prepostprocess_dropout: float = 0.1  # on embeddings and on each sublayer's output
    attention_dropout: float = 0.1  # on attention weights
    relu_dropout: float = 0.1  # inside the feed-forward layers
    dropout: float = 0.2  # on the input of each LSTM layer; Transformers don't read it
    symbol_dropout: float = 0.0  # on whole input and target tokens
    layer_prepostprocess_dropout_broadcast_dims: str = ""  # axes that share one mask, as "1"
    attention_dropout_broadcast_dims: str = ""  # axes of [batch, head, query, key], as "0,1"
    relu_dropout_broadcast_dims: str = ""  # axes of [batch, length, filter], as "1"
    label_smoothing: float = 0.1  # probability mass moved from the target to all other tokens
    weight_decay: float = 0.0  # decoupled decay of the weights, in learning-rate units

    # Learning rate: the product of the schedule's factors.
    learning_rate_schedule: str = "constant*linear_warmup*rsqrt_decay*rsqrt_hidden_size"
    learning_rate_constant: float = 2.0  # the factor "constant"
    learning_rate_warmup_steps: int = 8000  # steps of warm-up, and where rsqrt_decay starts
    learning_rate: float = 0.2  # read by the schedule "legacy" alone
    learning_rate_decay_scheme: str = "noam"  # of "legacy": noam, none, exp, cosine, sqrt, ...
    learning_rate_decay_rate: float = (
        1.0  # factor per learning_rate_decay_steps in exponential decay
    )
    learning_rate_decay_steps: int = 5000  # steps per decay
    learning_rate_decay_staircase: bool = False  # decay in jumps
    learning_rate_minimum: float | None = None  # never below this
    learning_rate_cosine_cycle_steps: int = 250000  # steps of half a cosine

    # Optimizer.
    optimizer: str = "adam"  # adam, multistep_adam, adafactor, momentum, sgd, true_adam
    optimizer_adam_beta1: float = 0.9
    optimizer_adam_beta2: float = 0.997
    optimizer_adam_epsilon: float = 1e-9
    optimizer_adafactor_beta1: float = 0.0  # momentum of the update; 0: none
    optimizer_adafactor_beta2: float = 0.999  # of the decay type "adam"
    optimizer_adafactor_factored: bool = True  # keep rows and columns of matrices alone
    optimizer_adafactor_decay_type: str = "pow"  # or "adam"
    optimizer_adafactor_memory_exponent: float = 0.8  # beta2 at step t is 1 - t^-exponent
    optimizer_adafactor_clipping_threshold: float = 1.0  # of the update's root mean square
    # Rates are relative to the weights' root mean square.
    optimizer_adafactor_multiply_by_parameter_scale: bool = True
    optimizer_momentum_momentum: float = 0.9
    optimizer_momentum_nesterov: bool = False
    optimizer_multistep_accumulate_steps: int = 0  # batches per update; 0 and 1: one
    clip_grad_norm: float = 0.0  # largest global norm of the gradient; 0: no limit
    ema_decay: float = 0.0  # share of itself that a weight's moving average keeps a step; 0: none
    grad_noise_scale: float = 0.0  # only 0 is supported
    weight_noise: float = 0.0  # only 0 is supported

    # Batches.
    batch_size: int = 4096  # padded tokens a batch and replica, of inputs or targets
    batching: str = "auto"  # bucket, pack or pad; auto: bucket, or pack where shapes are static
    pack_dataset: bool = False  # T2T's word for batching=pack
    max_length: int = 256  # longest example in training, in tokens; 0: batch_size
    min_length: int = 0  # shortest example in training, in tokens
    max_input_seq_length: int = 0  # longer inputs are cut, in training; 0: no limit
    max_target_seq_length: int = 0  # longer targets are cut, in training; 0: no limit
    min_length_bucket: int = 8  # upper bound of the first bucket, in tokens
    length_bucket_step: float = 1.1  # ratio of one bucket's bound to the next
    eval_drop_long_sequences: bool = False  # max_length holds in evaluation too

    # Numbers.
    activation_dtype: str = "float32"  # or bfloat16: products in bfloat16, weights in float32

    # Sampling while decoding; --decode_hparams overrides them.
    sampling_method: str = "argmax"  # or "random"
    sampling_temp: float = 1.0  # logits are divided by it
    sampling_keep_top_k: int = -1  # sample from the k likeliest tokens; -1: from all

    # What plugins add by add_hparam.
    extra: dict[str, Any] = field(default_factory=dict, repr=False)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _FIELD_TYPES:
            object.__setattr__(self, name, _converted(name, value, _FIELD_TYPES[name]))
        elif name in self.extra:
            self.extra[name] = value
        else:
            _assign_foreign(name, value)

    def __getattr__(self, name: str) -> Any:
        # Reached only when there is no such field.
        extra = self.__dict__.get("extra", {})
        if name in extra:
            return extra[name]
        if name in FOREIGN:
            return FOREIGN[name].default
        raise AttributeError(_unknown(name))

    def add_hparam(self, name: str, value: Any) -> None:
        """Adds an hparam of a plugin's own; one that exists already is assigned."""
        if name in _FIELD_TYPES or name in FOREIGN:
            setattr(self, name, value)
        else:
            self.extra[name] = value

    def override(self, assignments: str) -> HParams:
        """Assigns from `"name=value,name=value"`, each value by its field's type; returns self.

        A value may be a list in brackets, `a=[1,2]`, where the hparam is one.

        Raises:
          HParamsError: a name that doesn't exist, or a value that isn't of its type.
        """
        pairs = parse_assignments(assignments)
        for name, text in pairs:
            if name in self.extra:
                self.extra[name] = _parsed_like(name, text, self.extra[name])
            elif name in FOREIGN:
                setattr(self, name, _parsed_like(name, text, FOREIGN[name].default))
            elif name in _FIELD_TYPES and name != "extra":
                setattr(self, name, text)
            else:
                raise HParamsError(_unknown(name, self.extra))
        for name, _ in pairs:
            if told := self.without_effect(name):
                log.warning("%s", told)
        return self

    def assign(self, values: Mapping[str, Any]) -> HParams:
        """Assigns values by name, as a file of hparams has them; returns self.

        Raises:
          HParamsError: a name that doesn't exist, or a value that isn't of its type.
        """
        for name, value in values.items():
            self.existing(name)
            setattr(self, name, value)
        return self

    def assign_json(self, path: str | os.PathLike[str]) -> dict[str, Any]:
        """Assigns from a JSON file of names and values, as best.json of a tuning run.

        Returns:
          What the file holds.

        Raises:
          HParamsError: it can't be read, or holds a name that doesn't exist or a wrong value.
        """
        try:
            values = json.loads(Path(path).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise HParamsError(f"can't read hparams from {path}: {error}") from None
        if not isinstance(values, dict):
            raise HParamsError(f'{path} holds no hparams; expected {{"name": value, ...}}')
        self.assign(values)
        return values

    def existing(self, name: str) -> Any:
        """Returns the value of an hparam.

        Raises:
          HParamsError: there is none of this name; says which are close.
        """
        if name == "extra" or not (name in _FIELD_TYPES or name in self.extra or name in FOREIGN):
            raise HParamsError(_unknown(name, self.extra))
        return getattr(self, name)

    def without_effect(self, name: str) -> str:
        """Says why an assignment to an hparam has no effect; "" where it has one."""
        attention = self.self_attention_type
        if name == "max_relative_position" and attention != "dot_product_relative":
            return f"hparam {name} has no effect: self_attention_type={attention}"
        layers = ("num_hidden_layers", "num_encoder_layers", "num_decoder_layers")
        if name in layers and (kind := self.extra.get("recurrence_type")):
            runs = "act_max_steps" if kind == "act" else "num_rec_steps"
            return f"hparam {name} has no effect: recurrence_type={kind} reads {runs}"
        schedule = self.learning_rate_schedule
        factors = {factor.strip() for factor in schedule.split("*")}
        reads = {
            "learning_rate": {"legacy"},
            "learning_rate_constant": {"constant"},
            "learning_rate_decay_scheme": {"legacy"},
            "learning_rate_decay_rate": {"legacy", "exp_decay"},
            "learning_rate_decay_steps": {"legacy", "exp_decay", "linear_decay"},
        }.get(name)
        if not reads or reads & factors:
            return ""
        instead = "; set learning_rate_constant instead" if name == "learning_rate" else ""
        return (
            f"hparam {name} has no effect: learning_rate_schedule={schedule} doesn't read it"
            f"{instead}"
        )

    def check_attention(self) -> None:
        """Makes sure that the widths fit a model of attention layers.

        Raises:
          HParamsError: the first that doesn't, with the nearest that would.
        """
        for name, width in [
            ("attention_key_channels", self.attention_key_channels or self.hidden_size),
            ("attention_value_channels", self.attention_value_channels or self.hidden_size),
        ]:
            if width % self.num_heads:
                low = width // self.num_heads * self.num_heads
                shown = name if getattr(self, name) else "hidden_size"
                raise HParamsError(
                    f"{shown}={width} is not a multiple of num_heads={self.num_heads}; choose "
                    f"{f'{low} or ' if low else ''}{low + self.num_heads}"
                )
        if self.pos == "timing" and self.hidden_size % 2:
            raise HParamsError(f"hidden_size={self.hidden_size} is odd; positions need it even")

    def check(self) -> HParams:
        """Returns self if the values are such as any model can have.

        Raises:
          HParamsError: the first that isn't, with the nearest that would be.
        """
        if self.self_attention_type == "dot_product_relative" and self.max_relative_position < 1:
            raise HParamsError(
                f"max_relative_position={self.max_relative_position} leaves "
                f"self_attention_type=dot_product_relative no positions; choose 1 or more (T2T: 20)"
            )
        for name in _FIELD_TYPES:
            low, high = _RANGES.get(name, (None, None))
            value = getattr(self, name)
            if low is not None and not low <= value <= high:
                raise HParamsError(f"{name}={value} is outside {low} to {high}")
            allowed = _CHOICES.get(name)
            if allowed and value not in allowed:
                close = difflib.get_close_matches(str(value), [str(one) for one in allowed], n=1)
                hint = f"; did you mean {close[0]}?" if close else ""
                choices = ", ".join(map(str, allowed))
                raise HParamsError(f"{name}={value} is not one of: {choices}{hint}")
        return self

    def values(self) -> dict[str, Any]:
        """Returns all fields and added hparams in one flat dict, as T2T's `values()`."""
        flat = {one.name: getattr(self, one.name) for one in fields(self) if one.name != "extra"}
        return {**flat, **self.extra}

    def to_json(self) -> str:
        """Returns `values()` as JSON, one field a line."""
        return json.dumps(self.values(), indent=1, sort_keys=True)

    @classmethod
    def from_values(cls, values: dict[str, Any]) -> HParams:
        """Makes an HParams from what `values()` gave.

        Unknown names become added hparams: a plugin may have added them.
        """
        made = cls()
        for name, value in values.items():
            if name in _FIELD_TYPES:
                setattr(made, name, value)
            else:
                made.extra[name] = value
        return made

    def copy(self) -> HParams:
        """Returns an independent copy."""
        return dataclasses.replace(self, extra=dict(self.extra))


_FIELD_TYPES: dict[str, Any] = typing.get_type_hints(HParams)

_SHARE = (0.0, 0.99999)
_POSITIVE = (1, 2**31)
_RANGES: dict[str, tuple[Any, Any]] = {
    **dict.fromkeys(["layer_prepostprocess_dropout", "attention_dropout"], _SHARE),
    **dict.fromkeys(["dropout", "relu_dropout", "symbol_dropout", "label_smoothing"], _SHARE),
    **dict.fromkeys(["ema_decay", "optimizer_adafactor_beta1"], _SHARE),
    **dict.fromkeys(["hidden_size", "num_hidden_layers", "num_heads", "filter_size"], _POSITIVE),
    **dict.fromkeys(["batch_size", "vocab_divisor", "min_length_bucket"], _POSITIVE),
    "max_length": (0, 2**31),
    "length_bucket_step": (1.0001, 1000.0),
    "learning_rate_warmup_steps": (0, 2**31),
    "optimizer_multistep_accumulate_steps": (0, 2**31),
}
_CHOICES: dict[str, list[Any]] = {
    "activation_dtype": ["float32", "bfloat16"],
    "batching": ["auto", "bucket", "pack", "pad"],
    "pos": ["timing", "none"],
    "self_attention_type": ["dot_product", "dot_product_relative"],
    "initializer": [
        "uniform_unit_scaling",
        "normal_unit_scaling",
        "orthogonal",
        "uniform",
        "normal",
    ],
    "sampling_method": ["argmax", "random"],
    "optimizer_adafactor_decay_type": ["pow", "adam"],
    "grad_noise_scale": [0.0],
    "weight_noise": [0.0],
}


def parse_assignments(assignments: str) -> list[tuple[str, str]]:
    """Splits `"a=1, b=x,c=[1,2]"` into pairs of names and texts.

    Raises:
      HParamsError: a part that isn't `name=value`.
    """
    pairs = []
    for part in re.findall(r"(?:\[[^\]]*\]|[^,\[])+", assignments):
        if not part.strip():
            continue
        name, equals, value = part.partition("=")
        if not equals or not name.strip():
            raise HParamsError(f"{part.strip()!r} is not name=value; write --hparams='a=1,b=2'")
        pairs.append((name.strip(), value.strip()))
    return pairs


def _unknown(name: str, added: Iterable[str] = ()) -> str:
    close = difflib.get_close_matches(name, [*_FIELD_TYPES, *FOREIGN, *added], n=3, cutoff=0.6)
    hint = f"did you mean {' or '.join(close)}?" if close else "none is close"
    return f"no hparam is named {name}: {hint}"


def _assign_foreign(name: str, value: Any) -> None:
    """Takes an assignment to a T2T hparam without a field: tells, or raises if it matters."""
    if name not in FOREIGN:
        raise HParamsError(_unknown(name))
    foreign = FOREIGN[name]
    if value == foreign.default:
        return
    if not foreign.harmless:
        raise HParamsError(f"{name}={value} can't be had: it {foreign.reason}")
    log.warning("hparam %s=%s is ignored: it %s", name, value, foreign.reason)


def _converted(name: str, value: Any, wanted: Any) -> Any:
    """Returns `value` as the field's type: texts are parsed, ints become floats."""
    if isinstance(wanted, types.UnionType):
        if value is None or value in ("None", "none", ""):
            return None
        wanted = typing.get_args(wanted)[0]
    wanted = typing.get_origin(wanted) or wanted
    try:
        if wanted is bool:
            return _bool(value)
        if wanted is int:
            number = float(value)
            if number != int(number) or isinstance(value, bool):
                raise ValueError
            return int(value) if not isinstance(value, str) else int(number)
        if wanted is float:
            if isinstance(value, bool):
                raise ValueError
            return float(value)
        if wanted is str and value is None:
            return "none"
    except (TypeError, ValueError, OverflowError):
        raise HParamsError(f"{name}={value!r} is not {_ARTICLES[wanted]}") from None
    if not isinstance(value, wanted):
        raise HParamsError(f"{name}={value!r} is not {_ARTICLES.get(wanted, wanted.__name__)}")
    return value


_ARTICLES = {bool: "true or false", int: "an integer", float: "a number", str: "a text"}


def _bool(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    known = {"true": True, "1": True, "false": False, "0": False}
    text = str(value).lower()
    if text not in known:
        raise ValueError
    return known[text]


def _parsed_like(name: str, text: str, example: Any) -> Any:
    """Parses `text` as the type of `example`, for hparams that have no typed field."""
    if isinstance(example, (list, tuple)):
        items = [item.strip() for item in text.strip("[]").split(",") if item.strip()]
        kind = type(example[0]) if example else str
        return [_converted(name, item, kind) for item in items]
    if example is None:
        return text
    return _converted(name, text, type(example))


@dataclass
class ProblemHParams:
    """What a model has to know of a problem; `Problem.hparams` fills it, with T2T's names.

    Attributes:
      vocab_size: tokens by feature name, "inputs" and "targets"; a problem without inputs has no
        "inputs".
      modality: by feature name: "symbol" (a sequence of tokens) or "class_label" (one label).
      input_space_id: T2T's number of the input language.
      target_space_id: T2T's number of the target language; a row of the encoder's learned table.
      loss_multiplier: the loss is multiplied by it.
      stop_at_eos: decoding stops at EOS.
      vocabulary: encoders by feature name.
    """

    vocab_size: dict[str, int] = field(default_factory=dict)
    modality: dict[str, str] = field(default_factory=dict)
    input_space_id: int = 0
    target_space_id: int = 0
    loss_multiplier: float = 1.0
    stop_at_eos: bool = True
    vocabulary: dict[str, Any] = field(default_factory=dict, repr=False)
