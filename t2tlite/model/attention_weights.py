"""Records the attention weights of one pass of a network.

While `recording` is open, each attention layer that runs, or is traced, adds its weights to the
record. Outside of it `record` is a no-op at trace time and adds no operations to the program.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

from keras import ops

Tensor = Any

# Where the layers of each kind are: a network's stack, and the part of the stack's blocks.
KINDS = {
    "encoder": ("encoder", "self_attention"),
    "decoder": ("decoder", "self_attention"),
    "cross": ("decoder", "cross_attention"),
}

_open: ContextVar[dict[Any, list[Tensor]] | None] = ContextVar("recording", default=None)


@contextlib.contextmanager
def recording() -> Iterator[dict[Any, list[Tensor]]]:
    """Yields a dict from attention layer to the weights of each of its runs, [B, H, Q, K]."""
    weights: dict[Any, list[Tensor]] = {}
    token = _open.set(weights)
    try:
        yield weights
    finally:
        _open.reset(token)


def is_recording() -> bool:
    """Whether the weights of layers that run now are recorded."""
    return _open.get() is not None


def record(layer: Any, weights_BHQK: Tensor) -> None:
    """Adds a layer's weights to the open record, if there is one."""
    weights = _open.get()
    if weights is not None:
        weights.setdefault(layer, []).append(weights_BHQK)


def by_kind(network: Any, features: dict[str, Tensor]) -> dict[str, Tensor]:
    """Returns what each position attends to, from one pass over whole texts without dropout.

    Args:
      network: has one or both of the stacks "encoder" and "decoder".
      features: as the network's `call` takes them.

    Returns:
      float32 [B, layers, H, Q, K] by kind, for each kind that the network has: "encoder", where
      inputs attend to inputs; "decoder", where key 0 is the zero vector that the decoder starts
      with and key t the target before position t; "cross", where targets attend to inputs. The
      weights of a query sum to 1.
    """
    with recording() as weights:
        network(features, training=False)
    kinds = {}
    for kind, (stack, part) in KINDS.items():
        blocks = getattr(getattr(network, stack, None), "blocks", [])
        layers = [getattr(block, part) for block in blocks]
        if layers and all(layer in weights for layer in layers):
            # A universal Transformer runs its layers several times.
            runs = zip(*(weights[layer] for layer in layers), strict=True)
            kinds[kind] = ops.stack([layer_BHQK for run in runs for layer_BHQK in run], axis=1)
    return kinds
