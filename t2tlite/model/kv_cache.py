"""The keys and values that a stack of layers keeps while it decodes.

Shapes: as in `t2tlite.model.layers`.
"""

from keras import ops

from t2tlite.model.layers import mask_bias


def part_names(layer):
    """Returns the names of a layer's keys and values in a cache."""
    return f"{layer}_keys", f"{layer}_values"


class KVCache:
    """The keys and values of all positions that are decoded so far.

    Args:
      cache: tensors [N, H, max_steps, D/H] by name, from `Stack.empty_cache` or the last step.
      position: scalar int32, the position to decode.

    Attributes:
      cache: the tensors with those of this position.
    """

    def __init__(self, cache, position):
        self.cache = dict(cache)
        self.position = position

    @property
    def max_steps(self):
        """Number of positions that there is space for."""
        return ops.shape(next(iter(self.cache.values())))[2]

    def future_bias(self):
        """Returns the bias [1, 1, 1, max_steps] that masks the positions after this one."""
        return mask_bias(ops.arange(self.max_steps) > self.position)[None, None, None]

    def update(self, name, keys_values):
        """Writes a layer's keys and values of this position; returns those of all positions."""
        is_position = ops.reshape(ops.arange(self.max_steps) == self.position, (1, 1, -1, 1))
        for part, new in zip(part_names(name), keys_values, strict=True):
            self.cache[part] = ops.where(is_position, new, self.cache[part])
        return [self.cache[part] for part in part_names(name)]


class PrefixCache:
    """Collects the keys and values of the first positions, which a stack runs together.

    Args:
      max_steps: number of further positions that the cache has space for.

    Attributes:
      cache: tensors as those of `KVCache`, by name.
      position: of the first key.
    """

    position = 0

    def __init__(self, max_steps):
        self.cache = {}
        self.max_steps = max_steps

    def update(self, name, keys_values):
        """Stores a layer's keys and values; returns them."""
        for part, new in zip(part_names(name), keys_values, strict=True):
            rows, heads, _, width = ops.shape(new)
            space = ops.zeros((rows, heads, self.max_steps, width), new.dtype)
            self.cache[part] = ops.concatenate([new, space], axis=2)
        return keys_values
