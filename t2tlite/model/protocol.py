"""The methods of a model, also of a plugin's, and which of them may stand for its `call`.

- `Model(hparams, problem_hparams)` creates it;
- `call(features, training)` returns float32 logits [B, T, V]; features are int32 "inputs" [B, L]
  (unless the problem has none) and "targets" [B, T], 0 for padding, and for packed batches also
  their "_segmentation" (1, 2, ... within a row, 0 for padding) and "_position" (from 0 in each
  segment);
- optional: `start(features, max_steps)` and `step(ids_N, position, memory, cache)`, for decoding
  with a cache; without them decoding runs `call` on the whole prefix at each step;
- optional: `hidden(features, training)` and `softmax`, an `Embedding` whose `logits` of the hidden
  states are those of `call`; with them training never holds all logits of a batch;
- optional: `attention_weights(features)`, see `t2tlite.model.attention_weights.by_kind`;
- optional: `packs = True`, if it masks the other examples of a packed row;
- optional: `prepends`, whether it reads the hparam prepend_mode, see `t2tlite.model.prepend`: then
  the targets of training are joined sequences, and there are no inputs beside them;
- losses from `add_loss` in training are added to the loss.

The optional methods compute the same as `call`. Training may use `hidden` and `softmax`, decoding
`start` and `step`. A subclass that overrides `call` alone inherits them from a model that computes
something else. Then `call` is used instead, and what can't be decided by the class is checked by
numbers: where methods of a plugin's model disagree, building it is an error.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import numpy as np
from keras import ops
from keras.layers import Layer

from t2tlite.config import ProblemHParams
from t2tlite.errors import PluginError
from t2tlite.model.layers import Embedding
from t2tlite.model.transformer import StackModel

log = logging.getLogger(__name__)

# Methods of a T2TModel or a keras.Model that nothing calls here.
_NEVER_CALLED = {
    *("body", "bottom", "top", "loss", "infer", "decode", "sample", "model_fn", "model_fn_body"),
    *("compute_loss", "train_step", "test_step", "predict_step", "eval_autoregressive"),
}
# The largest difference of log-probabilities that is rounding: with float32, and with bfloat16.
_ROUNDING, _ROUNDING_BFLOAT16 = 0.1, 0.5
# Log-probabilities below it count as equal.
_LOWEST = -20.0


def projects(network: Any) -> bool:
    """Whether `hidden` and `softmax` give the logits of `call`, so that training may use them."""
    softmax = getattr(network, "softmax", None)
    # A subclass of Embedding may give other logits than those of its weights.
    is_plain = isinstance(softmax, Embedding) and type(softmax).logits is Embedding.logits
    return is_plain and _are_current(network, ["hidden"], ["call"])


def has_cache(network: Any) -> bool:
    """Whether `start` and `step` give the logits of `call`, so that decoding may use them."""
    return _are_current(network, ["start", "step"], ["call", "hidden"])


def _are_current(network: Any, names: list[str], sources: list[str]) -> bool:
    """Whether a network has the methods `names`, and no class below theirs overrides `sources`."""
    if any(getattr(network, name, None) is None for name in names):
        return False
    classes = type(network).__mro__

    def depth(name: str) -> int:
        depths = [i for i, each in enumerate(classes) if name in vars(each)]
        return depths[0] if depths else len(classes)

    return max(map(depth, names)) <= min(map(depth, sources))


def shares_memory(network: Any) -> bool:
    """Whether the memory of `start` may have one row for all beams of a line."""
    shares = getattr(network, "shares_memory", False)
    return bool(shares) and _are_current(network, ["shares_memory"], ["start", "step"])


def has_attention(network: Any) -> bool:
    """Whether `attention_weights` shows the attention of `call`."""
    method = getattr(type(network), "attention_weights", None)
    # This one records what `call` does.
    if method is StackModel.attention_weights:
        return True
    return _are_current(network, ["attention_weights"], ["call", "hidden"])


def build(network: Any, problem_hparams: ProblemHParams) -> None:
    """Creates the weights of a model by running it on a batch of two rows, and checks it.

    Raises:
      PluginError: as `check`.
    """
    features = {}
    for name, modality in problem_hparams.modality.items():
        lengths = {"class_label": 1, "real_l2": problem_hparams.vocab_size.get(name, 1)}
        dtype = np.float32 if modality == "real_l2" else np.int32
        features[name] = np.ones((2, lengths.get(modality, 3)), dtype)
    network(features)
    check(network, problem_hparams.vocab_size)


def check(network: Any, vocab_size: dict[str, int]) -> None:
    """Checks that the methods of a built plugin's model fit together.

    Args:
      network: the model; built-in ones aren't checked.
      vocab_size: by feature.

    Raises:
      PluginError: it overrides what nothing calls, or its methods give other logits than `call`.
    """
    if not (own := _own_classes(network)):
        return
    _check_overrides(network, own)
    zeros = [weight for weight in network.trainable_weights if _is_zero(weight)]
    # A new weight that is 0, such as a bias, would hide a difference.
    random = np.random.default_rng(0)
    for weight in zeros:
        weight.assign(random.uniform(0.5, 1.5, weight.shape) * random.choice([-1, 1], weight.shape))
    features = _make_rows(vocab_size)
    try:
        expected = network(features)
        if projects(network):
            logits = _run(network, "hidden", _project, network, features)
            _compare(network, "hidden", logits, expected, vocab_size["targets"])
        if has_cache(network) and not getattr(network, "classifies", False):
            logits = _run(network, "step", _decode, network, features)
            _compare(network, "step", logits, expected, vocab_size["targets"])
        _warn_if_not_causal(network, features, expected)
    finally:
        for weight in zeros:
            weight.assign(np.zeros(weight.shape))


def check_packing(network: Any, vocab_size: dict[str, int]) -> None:
    """Checks that a plugin's model masks the other examples of a packed row.

    Raises:
      PluginError: it doesn't, although its attribute `packs` says so.
    """
    if not _own_classes(network):
        return
    rows, packed = _make_rows(vocab_size), {}
    if getattr(network, "joins", False):
        # What training packs are the targets, into which the inputs are joined.
        del rows["inputs"]
    for name, values in rows.items():
        packed[name] = values.reshape(1, 6)
        packed[f"{name}_segmentation"] = np.array([[1, 1, 1, 2, 2, 2]], np.int32)
        packed[f"{name}_position"] = np.array([[0, 1, 2, 0, 1, 2]], np.int32)
    expected = network(rows)
    logits = ops.reshape(_run(network, "packs", network, packed), expected.shape)
    _compare(network, "packs", logits, expected, vocab_size["targets"])


def _own_classes(network: Any) -> list[type]:
    """Returns the classes of a plugin among those of a network."""
    libraries = ("t2tlite", "keras", "tensorflow", "jax", "builtins")
    return [
        each for each in type(network).__mro__ if each.__module__.split(".")[0] not in libraries
    ]


def _make_rows(vocab_size: dict[str, int]) -> dict[str, Any]:
    """Returns int32 features [2, 3] of different ids, without padding."""
    ids = np.arange(6, dtype=np.int32).reshape(2, 3) * 5 + 1
    return {name: ids % max(size - 1, 1) + 1 for name, size in vocab_size.items()}


def _check_overrides(network: Any, own: list[type]) -> None:
    """Raises PluginError for methods that nothing calls."""
    methods = {name for each in own for name, value in vars(each).items() if callable(value)}
    # A layer that the constructor assigned hides a method.
    layers = {name for name, value in vars(network).items() if isinstance(value, Layer)}
    hidden = sorted(methods & layers)
    ignored = sorted(methods & _NEVER_CALLED)
    if hidden or (ignored and not methods & {"call", "hidden"}):
        raise PluginError(
            f"{_name(network)} overrides {' and '.join(hidden or ignored)}, which nothing calls: "
            f"override call, hidden, encode or make_layers instead, or rename it"
        )


def _run(network: Any, name: str, function: Callable[..., Any], *arguments: Any) -> Any:
    """Calls a function that uses the method `name`; PluginError if that raises."""
    try:
        return function(*arguments)
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise PluginError(
            f"{_name(network)} can't use {name} ({reason}); mend it, or set {name} = None in its "
            f"class to do without"
        ) from error


def _project(network: Any, features: dict[str, Any]) -> Any:
    """Returns the logits [B, T, V] that training uses."""
    table_VD = ops.convert_to_tensor(network.softmax.weight_VD)[: network.softmax.vocab_size]
    hidden_BTD = ops.cast(network.hidden(features), "float32")
    return ops.matmul(hidden_BTD, ops.transpose(table_VD))


def _decode(network: Any, features: dict[str, Any]) -> Any:
    """Returns the logits [B, T, V] of decoding with the targets as answers."""
    targets_BT = features["targets"]
    length = targets_BT.shape[1]
    previous_BT = np.pad(targets_BT, [(0, 0), (1, 0)])[:, :-1]
    feature = "inputs" if "inputs" in features else "targets"
    memory, cache = network.start({feature: features[feature]}, length)
    steps = []
    for position in range(length):
        ids_N = ops.convert_to_tensor(previous_BT[:, position])
        logits_NV, cache = network.step(
            ids_N, ops.convert_to_tensor(position, "int32"), memory, cache
        )
        steps.append(logits_NV)
    return ops.stack(steps, axis=1)


def _warn_if_not_causal(network: Any, features: dict[str, Any], expected: Any) -> None:
    """Warns if logits depend on the target that they predict, which decoding doesn't have."""
    targets_BT = features["targets"].copy()
    targets_BT[:, -1] = targets_BT[::-1, -1]
    difference = ops.max(ops.abs(network({**features, "targets": targets_BT}) - expected))
    if not getattr(network, "classifies", False) and float(difference) > _ROUNDING:
        log.warning(
            "%s sees the target that it predicts, so its loss means nothing and it can't decode: "
            "position t must depend on the targets before t alone",
            _name(network),
        )


def _compare(network: Any, name: str, logits: Any, expected: Any, vocab_size: int) -> None:
    """Raises PluginError if these are the logits [B, T, V] of other probabilities."""
    scores, expected_scores = (
        ops.maximum(ops.log_softmax(ops.cast(each[..., :vocab_size], "float32")), _LOWEST)
        for each in (logits, expected)
    )
    difference = float(ops.max(ops.abs(scores - expected_scores)))
    hparams = getattr(network, "hparams", None)
    bfloat16 = getattr(hparams, "activation_dtype", "") == "bfloat16"
    if difference > (_ROUNDING_BFLOAT16 if bfloat16 else _ROUNDING):
        raise PluginError(
            f"{_name(network)} gives other probabilities by {name} than by call, by "
            f"{difference:.2g} in log-probability; make them agree, or set {name} = None in its "
            f"class to do without"
        )


def _is_zero(weight: Any) -> bool:
    return "float" in str(weight.dtype) and not float(ops.max(ops.abs(weight)))


def _name(network: Any) -> str:
    return f"the model {type(network).__module__}.{type(network).__qualname__}"
