"""Attention that knows how far apart two positions are (Shaw et al. 2018, arXiv 1803.02155).

The hparam self_attention_type=dot_product_relative. As in T2T, each layer has two tables, of which
all heads read the same rows: one is added to the keys, the other to the values. Row m + d belongs
to a key d places after the query; beyond m = max_relative_position places all are alike.

Shape letters as in `t2tlite.model.layers`; R = 2 m + 1 rows.
"""

from keras import ops

from t2tlite.model.layers import Attention, initializer


class RelativeAttention(Attention):
    """Self-attention with relative positions.

    The positions of a packed row are its own, not the examples': their differences within an
    example are the same.

    Args:
      hparams: of the model.
      seed_generator: of the model's dropout.
    """

    def __init__(self, hparams, seed_generator, **kwargs):
        super().__init__(hparams, seed_generator, **kwargs)
        self.reach = hparams.max_relative_position
        self.table_initializer = initializer(hparams)

    def build(self, input_shape):
        super().build(input_shape)
        for name, layer in [("relative_keys", self.key), ("relative_values", self.value)]:
            table_RD = self.add_weight(
                shape=(2 * self.reach + 1, layer.units // self.heads),
                initializer=self.table_initializer,
                name=name,
            )
            setattr(self, name, table_RD)

    def logits(self, queries_BHQD, keys_BHKD, first):
        added_QKD = self._rows(self.relative_keys, queries_BHQD, keys_BHKD, first)
        logits_BHQK = super().logits(queries_BHQD, keys_BHKD, first)
        return logits_BHQK + ops.einsum("bhqd,qkd->bhqk", queries_BHQD, added_QKD)

    def mixed(self, weights_BHQK, values_BHKD, first):
        added_QKD = self._rows(self.relative_values, weights_BHQK, values_BHKD, first)
        mixed_BHQD = super().mixed(weights_BHQK, values_BHKD, first)
        return mixed_BHQD + ops.einsum("bhqk,qkd->bhqd", weights_BHQK, added_QKD)

    def _rows(self, table_RD, queries_BHQ_, keys_BHK_, first):
        """Returns the row of a table for each pair of a query and a key, [Q, K, D/H]."""
        places_Q = first + ops.arange(ops.shape(queries_BHQ_)[2])
        places_K = ops.arange(ops.shape(keys_BHK_)[2])
        distances_QK = ops.clip(places_K[None] - places_Q[:, None], -self.reach, self.reach)
        # A product, not a look-up: the gradient of that would add Q x K rows one by one.
        chosen_QKR = ops.one_hot(
            distances_QK + self.reach, 2 * self.reach + 1, dtype=self.compute_dtype
        )
        return ops.matmul(chosen_QKR, ops.cast(table_RD, self.compute_dtype))
