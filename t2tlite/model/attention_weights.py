"""The attention weights of one pass of a network, for who asks for them.

While `recorded` is open, each attention layer that runs, or is traced, leaves its weights there. At
all other times a layer asks in vain while it is traced, and a compiled program knows nothing of it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

from keras import ops

Tensor = Any

# Where to find the layers of each kind: which stack of a network, and which part of its blocks.
KINDS = {
    "encoder": ("encoder", "self_attention"),
    "decoder": ("decoder", "self_attention"),
    "cross": ("decoder", "cross_attention"),
}

_open: ContextVar[dict[Any, list[Tensor]] | None] = ContextVar("recorded", default=None)


@contextlib.contextmanager
def recorded() -> Iterator[dict[Any, list[Tensor]]]:
    """Yields a dict that gets the weights of each run of each attention layer, [B, H, Q, K]."""
    weights: dict[Any, list[Tensor]] = {}
    before = _open.set(weights)
    try:
        yield weights
    finally:
        _open.reset(before)


def record(layer: Any, weights_BHQK: Tensor) -> None:
    """Hands a layer's weights to who records, if anybody does."""
    weights = _open.get()
    if weights is not None:
        weights.setdefault(layer, []).append(weights_BHQK)


def of_network(network: Any, features: dict[str, Tensor]) -> dict[str, Tensor]:
    """Returns what each position of whole texts attends to, in one pass without dropout.

    Args:
      network: has one or both of the stacks "encoder" and "decoder".
      features: as the network's `call` takes them.

    Returns:
      float32 [B, layers, H, Q, K] by kind, as far as the network has it: "encoder", where inputs
      attend to inputs; "decoder", where key 0 is the zero vector that the decoder starts with and
      key t the target before position t; "cross", where targets attend to inputs. The weights of a
      query sum to 1.
    """
    with recorded() as weights:
        network(features, training=False)
    found = {}
    for kind, (stack, part) in KINDS.items():
        blocks = getattr(getattr(network, stack, None), "blocks", [])
        layers = [getattr(block, part) for block in blocks]
        if layers and all(layer in weights for layer in layers):
            # A universal Transformer runs its layers several times.
            runs = zip(*(weights[layer] for layer in layers), strict=True)
            found[kind] = ops.stack([one for run in runs for one in run], axis=1)
    return found
