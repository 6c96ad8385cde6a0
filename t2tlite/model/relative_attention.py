"""Self-attention with relative positions (Shaw et al. 2018, arXiv 1803.02155).

The hparam self_attention_type=dot_product_relative selects it. As in T2T, each layer has two tables
that its heads share: one is added to the keys, the other to the values. Row m + d belongs to keys d
positions after the query; distances are clipped to m = max_relative_position.

Shapes: as in `t2tlite.model.layers`; R = 2 m + 1 rows.
"""

from keras import ops

from t2tlite.model.layers import Attention, initializer


class RelativeAttention(Attention):
    """Self-attention with relative positions; arguments as `Attention`.

    Positions count from the start of a row, also of a packed one: within an example only their
    differences matter.
    """

    fuses = False

    def __init__(self, hparams, seed_generator, **kwargs):
        super().__init__(hparams, seed_generator, **kwargs)
        self.max_distance = hparams.max_relative_position
        self.table_initializer = initializer(hparams)

    def build(self, input_shape):
        super().build(input_shape)
        for name, layer in [("relative_keys", self.key), ("relative_values", self.value)]:
            table_RD = self.add_weight(
                shape=(2 * self.max_distance + 1, layer.units // self.heads),
                initializer=self.table_initializer,
                name=name,
            )
            setattr(self, name, table_RD)

    def logits(self, queries_BHQD, keys_BHKD, first):
        added_QKD = self._table_rows(self.relative_keys, queries_BHQD, keys_BHKD, first)
        logits_BHQK = super().logits(queries_BHQD, keys_BHKD, first)
        return logits_BHQK + ops.einsum("bhqd,qkd->bhqk", queries_BHQD, added_QKD)

    def mix(self, weights_BHQK, values_BHKD, first):
        added_QKD = self._table_rows(self.relative_values, weights_BHQK, values_BHKD, first)
        mixed_BHQD = super().mix(weights_BHQK, values_BHKD, first)
        return mixed_BHQD + ops.einsum("bhqk,qkd->bhqd", weights_BHQK, added_QKD)

    def _table_rows(self, table_RD, queries_BHQ_, keys_BHK_, first):
        """Returns a table's row for each pair of query and key, [Q, K, D/H]."""
        positions_Q = first + ops.arange(ops.shape(queries_BHQ_)[2])
        positions_K = ops.arange(ops.shape(keys_BHK_)[2])
        limit = self.max_distance
        distances_QK = ops.clip(positions_K[None] - positions_Q[:, None], -limit, limit)
        # A matrix product: the gradient of a look-up would scatter Q x K rows one by one.
        one_hot_QKR = ops.one_hot(distances_QK + limit, 2 * limit + 1, dtype=self.compute_dtype)
        return ops.matmul(one_hot_QKR, ops.cast(table_RD, self.compute_dtype))
