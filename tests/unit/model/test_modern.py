"""The modern block against plain NumPy; test_transformer.py tests it as any other stack."""

import keras
import numpy as np
import pytest
from keras import ops

from t2tlite import registry
from t2tlite.config import HParams, ProblemHParams
from t2tlite.decode.decode_hparams import DecodeHParams
from t2tlite.decode.keras_search import make_search
from t2tlite.errors import HParamsError
from t2tlite.model import modern
from t2tlite.model.fused_attention import dot_product_attention
from t2tlite.model.layers import causal_bias
from t2tlite.model.transformer import Transformer, TransformerEncoder

V, D, HEADS = 11, 16, 4
EXTRA = registry.hparams("transformer_modern_tiny").extra
TINY = {"hidden_size": D, "num_heads": HEADS, "filter_size": 24, "num_hidden_layers": 2}
SET = {**TINY, "pos": "none", "use_target_space_embedding": False}
PROBLEM = ProblemHParams({"inputs": V, "targets": V}, modality={"targets": "symbol"})
CLOSE = {"rtol": 1e-4, "atol": 2e-5}
QUIET = dict.fromkeys(["layer_prepostprocess_dropout", "attention_dropout", "relu_dropout"], 0.0)
PARTS = {
    "base": {},
    "with": {"ffn_activation": "gelu", "post_norm": True, "num_kv_heads": 2},
    "without": {"residual_factors": False},
}


def make(model=Transformer, problem=PROBLEM, values=None, **extra):
    """A model with random vectors and scalars: their first values would hide what is missing."""
    keras.utils.set_random_seed(3)
    made = model(HParams(**{**SET, **(values or {})}, extra={**EXTRA, **extra}), problem)
    made.build()
    draw = np.random.default_rng(0)
    for weight in made.weights:
        if len(weight.shape) < 2 and "seed" not in weight.path:
            weight.assign(weight.numpy() + draw.normal(0, 0.3, weight.shape))
    return made


def ids(seed, *shape):
    return np.random.default_rng(seed).integers(2, V, shape).astype(np.int32)


class Plain:
    """The model in NumPy: row by row, head by head, position by position."""

    def __init__(self, network, **extra):
        self.weights = {
            one.path.removeprefix("transformer/"): np.asarray(one) for one in network.weights
        }
        self.options = {**EXTRA, **extra}

    def norm(self, x, path):
        scale = self.weights.get(f"{path}/gamma")
        if scale is None:
            return x
        return x / np.sqrt(np.mean(x**2, axis=-1, keepdims=True) + 1e-6) * scale

    def turned(self, x, position):
        """The pairs of a head as complex numbers, turned."""
        half = len(x) // 2
        angles = position * 10000.0 ** (-np.arange(half) / half)
        pairs = (x[:half] + 1j * x[half:]) * np.exp(1j * angles)
        return np.concatenate([pairs.real, pairs.imag])

    def attention(self, x, memory, path, sees, rotates):
        def project(values, name):
            product = values @ self.weights[f"{path}/{name}/kernel"]
            return product.reshape(len(values), -1, D // HEADS)

        queries, keys = project(x, "query"), project(memory, "key")
        values = project(memory, "value")
        shared = HEADS // keys.shape[1]
        outputs = np.zeros((len(x), HEADS, D // HEADS))
        for head in range(HEADS):
            for i in range(len(x)):
                query = queries[i, head]
                logits = np.full(len(memory), -np.inf)
                for j in range(len(memory)):
                    key = keys[j, head // shared]
                    if sees(i, j):
                        pair = self.turned(query, i), self.turned(key, j)
                        logits[j] = np.dot(*pair) if rotates else query @ key
                shares = np.exp((logits - logits.max()) / np.sqrt(D // HEADS))
                outputs[i, head] = shares / shares.sum() @ values[:, head // shared]
        return outputs.reshape(len(x), D) @ self.weights[f"{path}/output/kernel"]

    def feed_forward(self, x, path):
        gate = x @ self.weights[f"{path}/gate/kernel"]
        cubic = gate + 0.044715 * gate**3
        activated = {
            "swish": gate / (1 + np.exp(-gate)),
            "gelu": gate / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * cubic)),
        }[self.options["ffn_activation"]]
        return (
            activated
            * (x @ self.weights[f"{path}/inner/kernel"])
            @ self.weights[f"{path}/outer/kernel"]
        )

    def stack(self, x, name, sees, memory=None):
        for layer in range(2):
            path = f"{name}/layer_{layer}"

            def add(x, kind, sublayer, path=path):
                y = sublayer(self.norm(x, f"{path}/{kind}_preprocess"), f"{path}/{kind}")
                after = f"{path}/{kind}_postprocess"
                y = self.norm(y, f"{after}/norm") * self.weights.get(f"{after}/added", 1)
                return x * self.weights.get(f"{after}/kept", 1) + y

            x = add(x, "self_attention", lambda y, at: self.attention(y, y, at, sees, True))
            if memory is not None:
                x = add(
                    x, "cross_attention",
                    lambda y, at: self.attention(y, memory, at, lambda i, j: True, False),
                )  # fmt: skip
            x = add(x, "feed_forward", self.feed_forward)
        return self.norm(x, f"{name}/finish")

    def logits(self, inputs, targets):
        table = self.weights["target_embedding/embedding"]
        encoded = self.stack(table[inputs] * D**0.5, "encoder", lambda i, j: True)
        start = self.weights.get("decoder/start", np.zeros(D))[None]
        x = np.concatenate([start, table[targets[:-1]]]) * D**0.5
        return self.stack(x, "decoder", lambda i, j: j <= i, encoded) @ table.T


@pytest.mark.parametrize("parts", PARTS)
def test_is_what_numpy_computes(parts):
    network = make(**PARTS[parts])
    plain = Plain(network, **PARTS[parts])
    inputs, targets = ids(1, 2, 5), ids(2, 2, 6)
    found = np.asarray(network({"inputs": inputs, "targets": targets}))
    for row in range(2):
        expected = plain.logits(inputs[row], targets[row])
        np.testing.assert_allclose(found[row], expected, **CLOSE)
        assert np.ptp(expected) > 1


def test_factors_of_sums_are_weights_only_where_the_set_has_them():
    def names(extra):
        network = Transformer(HParams(**SET, extra=extra), PROBLEM)
        network.build()
        return {one.path.split("/", 2)[-1] for one in network.weights}

    factors = {
        f"{sublayer}_postprocess/{factor}"
        for sublayer in ("self_attention", "cross_attention", "feed_forward")
        for factor in ("kept", "added")
    }
    without = {key: value for key, value in EXTRA.items() if key != "residual_factors"}
    with_them = names({**without, "residual_factors": True})
    assert {one.split("/", 1)[1] for one in with_them - names(without)} == factors
    assert names(without) == names({**without, "residual_factors": False})


def test_distances_alone_matter():
    turn = modern.rotation(np.arange(3, 9), 8, "float32")
    later = modern.rotation(np.arange(3, 9) + 40, 8, "float32")
    x = ops.convert_to_tensor(np.random.default_rng(0).normal(size=(1, 2, 6, 8)), "float32")

    def products(turn):
        y = modern.rotate(x, turn)
        return np.asarray(ops.matmul(y, ops.transpose(y, (0, 1, 3, 2))))

    np.testing.assert_allclose(products(turn), products(later), rtol=1e-3, atol=1e-4)


def test_shared_keys_make_the_cache_smaller():
    network = make(num_kv_heads=1)
    _, cache = network.start({"inputs": ids(1, 2, 5)}, 7)
    shapes = {(*one.shape[:2], one.shape[3]) for one in cache.values()}
    assert shapes == {(2, 1, D // HEADS)}
    # The encoder has all heads.
    assert network.encoder.blocks[0].self_attention.key_heads == HEADS
    assert network.decoder.blocks[0].cross_attention.key_heads == 1


def test_keras_attention_gives_the_same():
    """What `fused_attention` calls where there is a kernel, here with Keras's plain products."""
    layer = make(num_kv_heads=2).decoder.blocks[0].self_attention
    draw = np.random.default_rng(0)
    queries, keys, values = (
        ops.convert_to_tensor(draw.normal(size=(2, heads, 6, 4)), "float32") for heads in (4, 2, 2)
    )
    bias = causal_bias(6)
    expected = dot_product_attention(queries, keys, values, bias, flash_attention=False)
    np.testing.assert_allclose(layer.mix(queries, keys, values, bias, False), expected, **CLOSE)


def test_a_language_model_can_learn_its_first_token():
    network = make(problem=ProblemHParams({"targets": V}, {"targets": "symbol"}))
    logits = np.asarray(network({"targets": ids(1, 1, 4)}))
    assert np.ptp(logits[0, 0]) > 0.1


def test_prepended_inputs_decode_as_a_whole():
    values = {"prepend_mode": "prepend_inputs_masked_attention"}
    network = make(values=values)
    inputs, targets = ids(1, 2, 4), ids(2, 2, 3)
    inputs[1, 2:] = 0
    whole = np.asarray(network({"inputs": inputs, "targets": targets}))
    memory, cache = network.start({"inputs": inputs}, 3)
    last = np.zeros(2, np.int32)
    for t in range(3):
        position = ops.convert_to_tensor(t, "int32")
        logits, cache = network.step(ops.convert_to_tensor(last), position, memory, cache)
        np.testing.assert_allclose(logits, whole[:, t], **CLOSE)
        last = targets[:, t]


def test_a_decoder_of_one_layer_answers_one_line():
    """One row with static shapes: TensorFlow fused its product and mask to nothing."""
    network = make(values={"num_decoder_layers": 1})
    how = DecodeHParams(beam_size=1, extra_length=2)
    search = make_search(network, PROBLEM, network.hparams, how)
    features = {"ids": ids(1, 1, 8), "lengths": np.array([8], np.int32)}
    found = search.predict_on_batch(features)
    expected = search(features)
    np.testing.assert_array_equal(found["ids"], expected["ids"])
    np.testing.assert_allclose(found["scores"], expected["scores"], **CLOSE)


def test_classifies():
    problem = ProblemHParams({"inputs": V, "targets": 3}, modality={"targets": "class_label"})
    network = make(TransformerEncoder, problem)
    inputs = ids(1, 2, 5)
    expected = np.asarray(network({"inputs": inputs}))
    assert expected.shape == (2, 1, 3)
    padded = np.pad(inputs, [[0, 0], [0, 3]])
    np.testing.assert_allclose(network({"inputs": padded}), expected, **CLOSE)
    # The order of the tokens matters.
    assert np.abs(np.asarray(network({"inputs": inputs[:, ::-1]})) - expected).max() > 1e-3


def test_attention_maps():
    network = make(num_kv_heads=2)
    maps = network.attention_weights({"inputs": ids(1, 1, 5), "targets": ids(2, 1, 6)})
    shapes = {kind: tuple(weights.shape) for kind, weights in maps.items()}
    assert shapes == {
        "encoder": (1, 2, HEADS, 5, 5),
        "decoder": (1, 2, HEADS, 6, 6),
        "cross": (1, 2, HEADS, 6, 5),
    }
    for weights in maps.values():
        np.testing.assert_allclose(np.asarray(weights).sum(-1), 1.0, atol=1e-5)


@pytest.mark.parametrize("name", [*QUIET, "symbol_dropout"])
def test_each_dropout_is_used(name):
    network = make(values={**QUIET, name: 0.5})
    features = {"inputs": ids(1, 2, 5), "targets": ids(2, 2, 6)}
    first, second = (np.asarray(network(features, training=True)) for _ in range(2))
    assert np.abs(first - second).max() > 1e-3


def test_learns_to_reverse():
    inputs = np.random.default_rng(0).integers(2, 8, (512, 4)).astype(np.int32)
    features = {"inputs": inputs, "targets": inputs[:, ::-1].copy()}
    keras.utils.set_random_seed(1)
    values = {**SET, **QUIET, "num_hidden_layers": 1, "hidden_size": 32, "filter_size": 64}
    network = Transformer(HParams(**values, extra=dict(EXTRA)), PROBLEM)
    rate = keras.optimizers.schedules.CosineDecay(0.01, 320)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    network.compile(keras.optimizers.Adam(rate), loss)
    network.fit(features, features["targets"], batch_size=32, epochs=20, verbose=0)
    found = np.argmax(np.asarray(network(features)), axis=-1)
    assert (found == features["targets"]).mean() > 0.98


@pytest.mark.parametrize(
    ("values", "extra", "message"),
    [
        ({"pos": "timing"}, {}, "pos=timing isn't possible .*; set pos=none"),
        ({"layer_preprocess_sequence": "none"}, {}, "set layer_preprocess_sequence=n"),
        ({"attention_key_channels": 8}, {}, "attention_key_channels=8 isn't possible"),
        ({"num_heads": 16}, {}, "hidden_size=16 / num_heads=16 is odd"),
        ({}, {"num_kv_heads": 3}, "num_kv_heads=3 doesn't divide num_heads=4; choose 1, 2, 4"),
        ({}, {"ffn_activation": "tanh"}, "ffn_activation"),
        ({}, {"transformer_block": "t2t"}, "transformer_block"),
    ],
)  # fmt: skip
def test_what_does_not_fit(values, extra, message):
    with pytest.raises(HParamsError, match=message):
        Transformer(HParams(**{**SET, **values}, extra={**EXTRA, **extra}), PROBLEM)


@pytest.mark.parametrize("model", ["lstm_seq2seq", "universal_transformer"])
def test_other_models_have_no_such_block(model):
    with pytest.raises(HParamsError, match=f"{model} has no transformer_block"):
        registry.model(model)(registry.hparams("transformer_modern_tiny"), PROBLEM)


@pytest.mark.parametrize("size", ["base", "big"])
def test_as_large_as_t2ts(size):
    """The weights of a layer of encoder and decoder are as many as those of T2T's set, +- 1 %."""

    def count(name):
        hparams = registry.hparams(name)
        hparams.num_hidden_layers = 1
        network = Transformer(hparams, PROBLEM)
        network.build()
        return sum(
            int(np.prod(weight.shape)) for weight in network.weights if "layer_0" in weight.path
        )

    ours, theirs = count(f"transformer_modern_{size}"), count(f"transformer_{size}")
    assert ours == pytest.approx(theirs, rel=0.01)
