"""The precision of a model's matrix products: float32, or bfloat16 while it trains.

Weights, optimizer, layer norms' statistics, softmax and loss are float32 in both.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

import keras


@contextlib.contextmanager
def products_in_float32(network: Any) -> Iterator[None]:
    """Makes all layers of a model compute in float32 while the context lasts.

    Functions that are traced in it keep that. A model that trains in bfloat16 is evaluated so: an
    evaluation is the same whichever precision trained the weights and whichever machine reads them.
    """
    layers = network._flatten_layers() if isinstance(network, keras.layers.Layer) else []
    layers = [layer for layer in layers if layer.compute_dtype == "bfloat16"]
    before = [layer.dtype_policy for layer in layers]
    try:
        for layer in layers:
            layer.dtype_policy = keras.DTypePolicy("float32")
        yield
    finally:
        for layer, policy in zip(layers, before, strict=True):
            layer.dtype_policy = policy
