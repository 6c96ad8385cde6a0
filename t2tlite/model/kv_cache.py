"""The keys and values that a stack of layers keeps while it decodes.

Shapes: as in `t2tlite.model.layers`.
"""

import keras
from keras import ops

from t2tlite.model.layers import mask_bias


def room(max_steps, ids_NL):
    """Returns how many positions an empty cache has space for.

    On TensorFlow none: there a cache grows, so that a step copies and reads only the positions that
    are decoded. JAX needs static shapes.

    Args:
      max_steps: the most positions that will be decoded.
      ids_NL: any token ids of the batch.
    """
    if not _grows():
        return max_steps
    # Depends on an input of the graph, since a loop can't change the size of a static axis.
    return ops.sum(ops.cast(ids_NL < 0, "int32"))


def _grows():
    return keras.backend.backend() == "tensorflow"


def part_names(layer):
    """Returns the names of a layer's keys and values in a cache."""
    return f"{layer}_keys", f"{layer}_values"


class KVCache:
    """The keys and values of all positions that are decoded so far.

    Args:
      cache: tensors [N, H, T, D/H] by name, from `Stack.empty_cache` with `room` for T positions,
        or from the last step.
      position: scalar int32, the position to decode.

    Attributes:
      cache: the tensors with those of this position.
      columns: number of positions in them, those without keys and values yet included.
    """

    def __init__(self, cache, position):
        self.cache = dict(cache)
        self.position = position

        # After `update`.
        self.columns = position + 1 if _grows() else ops.shape(next(iter(cache.values())))[2]

    def future_bias(self):
        """Returns the bias [1, 1, 1, columns] that masks the positions after this one."""
        return mask_bias(ops.arange(self.columns) > self.position)[None, None, None]

    def update(self, name, keys_values):
        """Writes a layer's keys and values of this position; returns those of all columns."""
        for part, new in zip(part_names(name), keys_values, strict=True):
            if _grows():
                self.cache[part] = ops.concatenate([self.cache[part], new], axis=2)
            else:
                start = (0, 0, self.position, 0)
                self.cache[part] = ops.slice_update(self.cache[part], start, new)
        return [self.cache[part] for part in part_names(name)]


class PrefixCache:
    """Collects the keys and values of the first positions, which a stack runs together.

    Args:
      space: number of further positions, from `room`.

    Attributes:
      cache: tensors as those of `KVCache`, by name.
      position: of the first key.
    """

    position = 0

    def __init__(self, space):
        self.cache = {}
        self.space = space

    def update(self, name, keys_values):
        """Stores a layer's keys and values; returns them."""
        for part, new in zip(part_names(name), keys_values, strict=True):
            rows, heads, _, width = ops.shape(new)
            space = ops.zeros((rows, heads, self.space, width), new.dtype)
            self.cache[part] = ops.concatenate([new, space], axis=2)
        return keys_values
