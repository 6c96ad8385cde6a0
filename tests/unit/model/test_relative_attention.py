"""Relative attention against the sums of the paper."""

import keras
import numpy as np
import pytest

from t2tlite.config import HParams
from t2tlite.errors import HParamsError
from t2tlite.model.relative_attention import RelativeAttention

D, H, L, REACH = 6, 2, 5, 2


@pytest.fixture(scope="module")
def layer():
    hparams = HParams(
        hidden_size=D,
        num_heads=H,
        attention_value_channels=8,
        self_attention_type="dot_product_relative",
        max_relative_position=REACH,
    )
    made = RelativeAttention(hparams.check(), keras.random.SeedGenerator(1))
    made.build((None, None, D))
    rng = np.random.default_rng(0)
    for table in (made.relative_keys, made.relative_values):
        table.assign(rng.normal(size=table.shape))
    return made


def test_output_is_the_sum_over_keys_and_distances(layer):
    x = np.random.default_rng(1).normal(size=(2, L, D)).astype("float32")
    bias = np.where(np.arange(L) == 3, -1e9, 0).astype("float32").reshape(1, 1, 1, L)
    found = layer(x, layer.keys_values(x), bias)

    query, key, value, output = (
        one.kernel.numpy() for one in (layer.query, layer.key, layer.value, layer.output_transform)
    )
    to_keys, to_values = layer.relative_keys.numpy(), layer.relative_values.numpy()
    assert (to_keys.shape, to_values.shape) == ((5, 3), (5, 4))
    expected = np.zeros((2, L, D))
    for row in range(2):
        for i in range(L):
            heads = []
            for head in range(H):
                q = (x[row, i] @ query).reshape(H, 3)[head] * 3**-0.5
                apart = [min(max(j - i, -REACH), REACH) + REACH for j in range(L)]
                k = (x[row] @ key).reshape(L, H, 3)[:, head] + to_keys[apart]
                v = (x[row] @ value).reshape(L, H, 4)[:, head] + to_values[apart]
                share = np.exp(k @ q) * (np.arange(L) != 3)
                heads.append(share / share.sum() @ v)
            expected[row, i] = np.concatenate(heads) @ output
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_a_single_query_has_the_position_first(layer):
    x = np.random.default_rng(2).normal(size=(1, L, D)).astype("float32")
    none = np.zeros((1, 1, 1, L), "float32")
    pair = layer.keys_values(x)
    whole = np.array(layer(x, pair, none))
    alone = np.array(layer(x[:, 3:4], pair, none, first=keras.ops.convert_to_tensor(3)))
    np.testing.assert_allclose(alone, whole[:, 3:4], rtol=1e-4, atol=1e-5)
    assert np.abs(np.array(layer(x[:, 3:4], pair, none)) - alone).max() > 1e-2


def test_every_row_of_the_tables_has_a_gradient(layer, gradients):
    x = np.random.default_rng(3).normal(size=(1, L, D)).astype("float32")
    names = ["relative_keys", "relative_values"]
    tables = [getattr(layer, name) for name in names]

    def total(keys, values):
        layer.relative_keys, layer.relative_values = keys, values
        return keras.ops.sum(layer(x, layer.keys_values(x), np.zeros((1, 1, 1, L), "float32")) ** 2)

    layer._tracker.unlock()
    try:
        _, found = gradients(total, *(table.numpy() for table in tables))
    finally:
        for name, table in zip(names, tables, strict=True):
            setattr(layer, name, table)
    for one in found:
        assert (np.abs(one).max(axis=1) > 1e-4).all()


def test_max_distance_0():
    hparams = HParams(self_attention_type="dot_product_relative")
    with pytest.raises(HParamsError, match="^max_relative_position=0 leaves"):
        hparams.check()
