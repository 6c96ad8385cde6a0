"""Which optional methods of a model may stand for its `call`; see `t2tlite.model.transformer`.

Training may use `hidden` and `softmax`, decoding `start` and `step`. A subclass that overrides
`call` alone inherits them from a model that computes something else. Then `call` is used instead,
and what can't be decided by the class is checked by numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from keras import ops
from keras.layers import Layer

from t2tlite.errors import PluginError
from t2tlite.model.layers import Embedding

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


def check(network: Any, vocab_size: dict[str, int]) -> None:
    """Checks that the methods of a built plugin's model fit together.

    Args:
      network: the model; built-in ones aren't checked.
      vocab_size: by feature.

    Raises:
      PluginError: it overrides what nothing calls, or its methods give other logits than `call`.
    """
    own = [each for each in type(network).__mro__ if not _is_ours(each)]
    if not own:
        return
    _check_overrides(network, own)
    features = {
        name: (np.arange(6, dtype=np.int32).reshape(2, 3) * 5 + 1) % max(size - 1, 1) + 1
        for name, size in vocab_size.items()
    }
    zeros = [weight for weight in network.trainable_weights if _is_zero(weight)]
    # A new weight that is 0, such as a bias, would hide a difference.
    random = np.random.default_rng(0)
    for weight in zeros:
        weight.assign(random.uniform(0.5, 1.5, weight.shape) * random.choice([-1, 1], weight.shape))
    try:
        expected = network(features)
        for name, logits in _other_logits(network, features):
            _compare(network, name, logits, expected, vocab_size["targets"])
    finally:
        for weight in zeros:
            weight.assign(np.zeros(weight.shape))


def check_packing(network: Any, vocab_size: dict[str, int]) -> None:
    """Checks that a plugin's model masks the other examples of a packed row.

    Raises:
      PluginError: it doesn't, although its attribute `packs` says so.
    """
    if all(map(_is_ours, type(network).__mro__)):
        return
    ids = np.arange(1, 7, dtype=np.int32).reshape(2, 3)
    rows = {name: ids % max(size - 1, 1) + 1 for name, size in vocab_size.items()}
    packed = {}
    for name, values in rows.items():
        packed[name] = values.reshape(1, 6)
        packed[f"{name}_segmentation"] = np.array([[1, 1, 1, 2, 2, 2]], np.int32)
        packed[f"{name}_position"] = np.array([[0, 1, 2, 0, 1, 2]], np.int32)
    expected = network(rows)
    logits = ops.reshape(network(packed), expected.shape)
    _compare(network, "packs", logits, expected, vocab_size["targets"])


def _is_ours(kind: type) -> bool:
    return kind.__module__.split(".")[0] in ("t2tlite", "keras", "builtins")


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


def _other_logits(network: Any, features: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yields the names of the methods in use, and the logits [B, T, V] that they give."""
    if projects(network):
        table_VD = ops.convert_to_tensor(network.softmax.weight_VD)[: network.softmax.vocab_size]
        hidden_BTD = ops.cast(network.hidden(features), "float32")
        yield "hidden", ops.matmul(hidden_BTD, ops.transpose(table_VD))
    targets_BT = features["targets"]
    if has_cache(network) and not getattr(network, "classifies", False):
        feature = "inputs" if "inputs" in features else "targets"
        memory, cache = network.start({feature: features[feature]}, targets_BT.shape[1])
        steps = []
        for position in range(targets_BT.shape[1]):
            ids_N = targets_BT[:, position - 1] if position else np.zeros_like(targets_BT[:, 0])
            position_ids = ops.convert_to_tensor(ids_N), ops.convert_to_tensor(position, "int32")
            logits, cache = network.step(*position_ids, memory, cache)
            steps.append(logits)
        yield "step", ops.stack(steps, axis=1)


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
