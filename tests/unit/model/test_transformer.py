"""The Transformer: which inputs its logits depend on."""

import keras
import numpy as np
import pytest

from t2tlite import registry
from t2tlite.config import HParams, ProblemHParams
from t2tlite.errors import HParamsError
from t2tlite.model import protocol
from t2tlite.model.transformer import Transformer, TransformerEncoder
from t2tlite.model.universal_transformer import UniversalTransformer

V = 13
# Bound of float32's noise; the masked weights are exactly 0.
CLOSE = {"rtol": 1e-4, "atol": 2e-5}


def make(model=Transformer, has_inputs=True, sizes=None, **values):
    tiny = {"hidden_size": 16, "num_heads": 4, "filter_size": 32, "num_hidden_layers": 2}
    names = ["inputs", "targets"] if has_inputs else ["targets"]
    kind = "class_label" if model is TransformerEncoder else "symbol"
    problem = ProblemHParams(
        vocab_size=sizes or dict.fromkeys(names, V), modality={"targets": kind}
    )
    keras.utils.set_random_seed(1)
    made = model(HParams(**tiny, **values), problem)
    made({name: np.ones((2, 3), np.int32) for name in names})
    # Norms and biases start as 1 and 0, which would hide that one is missing.
    rng = np.random.default_rng(0)
    for weight in made.weights:
        if len(weight.shape) < 2:
            weight.assign(weight.numpy() + rng.normal(0, 0.3, weight.shape))
    return made


def ids(seed, *shape):
    return np.random.default_rng(seed).integers(2, V, shape).astype(np.int32)


def run(model, training=False, **features):
    features = {name: np.asarray(value, np.int32) for name, value in features.items()}
    return np.array(model(features, training=training))


MODERN = {
    "extra": registry.hparams("transformer_modern_tiny").extra,
    "pos": "none",
    "use_target_space_embedding": False,
}
ALL_PARTS = {
    "ffn_activation": "gelu",
    "post_norm": True,
    "num_kv_heads": 2,
}
RECURRENT = registry.hparams("universal_transformer_tiny").extra
VARIANTS = {
    "base": {},
    "post_norm": {"layer_preprocess_sequence": "none", "layer_postprocess_sequence": "dan"},
    "key_channels": {"attention_key_channels": 8, "attention_value_channels": 32},
    "untied": {"shared_embedding_and_softmax_weights": False},
    "no_space": {"use_target_space_embedding": False, "pos": "none"},
    "depths": {"num_encoder_layers": 1, "num_decoder_layers": 3},
    # Distances up to 5 are clipped.
    "relative": {
        "self_attention_type": "dot_product_relative",
        "max_relative_position": 2,
        "pos": "none",
    },
    "modern": MODERN,
    "modern_parts": {**MODERN, "extra": {**MODERN["extra"], **ALL_PARTS}},
    "universal": {
        "model": UniversalTransformer,
        "extra": {**RECURRENT, "num_rec_steps": 3, "num_inrecurrence_layers": 2},
    },
    "adaptive": {
        "model": UniversalTransformer,
        "extra": {
            **RECURRENT,
            "recurrence_type": "act",
            "step_timing_signal_type": "sinusoid",
            "act_halting_bias_init": -0.5,
        },
    },
}


@pytest.fixture(scope="module")
def models():
    made = {}

    def model(variant="base", has_inputs=True):
        key = variant, has_inputs
        if key not in made:
            made[key] = make(has_inputs=has_inputs, **VARIANTS[variant])
        return made[key]

    return model


def features_of(has_inputs, rows=2):
    features = {"targets": ids(1, rows, 6)}
    return {"inputs": ids(2, rows, 5), **features} if has_inputs else features


@pytest.mark.parametrize(
    ("variant", "has_inputs"),
    [(variant, True) for variant in VARIANTS]
    + [(variant, False) for variant in ("base", "post_norm", "modern")],
)
class TestEachVariant:
    """Every shape of the model."""

    def test_causal(self, models, variant, has_inputs):
        model, features = models(variant, has_inputs), features_of(has_inputs)
        before = run(model, **features)
        assert before.shape == (2, 6, V)
        assert before.dtype == np.float32
        for t in (0, 3, 5):
            changed = features["targets"].copy()
            changed[:, t] = (changed[:, t] - 1) % (V - 2) + 2
            after = run(model, **{**features, "targets": changed})
            # Position t predicts target t, so it doesn't see it.
            np.testing.assert_allclose(after[:, : t + 1], before[:, : t + 1], **CLOSE)
            if t < 5:
                assert np.abs(after[:, t + 1] - before[:, t + 1]).max() > 1e-3

    def test_cached_steps_are_the_whole_call(self, models, variant, has_inputs):
        model, features = models(variant, has_inputs), features_of(has_inputs)
        if has_inputs:
            features["inputs"][0, 3:] = 0
        whole = run(model, **features)
        memory, cache = model.start(
            {k: v for k, v in features.items() if k == "inputs"} or features, 8
        )
        last = np.zeros(2, np.int32)
        for t in range(6):
            position = keras.ops.convert_to_tensor(t, "int32")
            logits, cache = model.step(keras.ops.convert_to_tensor(last), position, memory, cache)
            np.testing.assert_allclose(logits, whole[:, t], **CLOSE)
            last = features["targets"][:, t]

    def test_beams_share_what_they_read_of_the_encoder(self, models, variant, has_inputs):
        model, features = models(variant, has_inputs), features_of(has_inputs)
        if not protocol.shares_memory(model):
            assert not has_inputs or variant.startswith("modern")
            return
        memory, _ = model.start({"inputs": features["inputs"]}, 1)
        six = {"inputs": np.repeat(features["inputs"], 3, axis=0)}
        expected_memory, cache = model.start(six, 2)
        for t, tokens in enumerate([np.zeros(6, np.int32), ids(4, 6)]):
            step = keras.ops.convert_to_tensor(tokens), keras.ops.convert_to_tensor(t, "int32")
            logits, _ = model.step(*step, memory, cache)
            expected, cache = model.step(*step, expected_memory, cache)
            np.testing.assert_allclose(logits, expected, **CLOSE)

    def test_packed_rows_are_the_examples_alone(self, models, variant, has_inputs):
        model = models(variant, has_inputs)
        lengths = [(3, 2), (2, 4), (4, 3)]  # of inputs and targets
        names = ["inputs", "targets"] if has_inputs else ["targets"]
        packed = {}
        for side, name in [(0, "inputs"), (1, "targets")]:
            if name not in names:
                continue
            row = {key: np.zeros((1, 10), np.int32) for key in ("", "_segmentation", "_position")}
            begin = 0
            for segment, pair in enumerate(lengths, 1):
                place = slice(begin, begin + pair[side])
                row[""][0, place] = ids(10 * side + segment, pair[side])
                row["_segmentation"][0, place] = segment
                row["_position"][0, place] = range(pair[side])
                begin += pair[side]
            packed |= {name + key: value for key, value in row.items()}
        together = run(model, **packed)
        for segment in (1, 2, 3):
            parts = {
                name: packed[name][packed[f"{name}_segmentation"] == segment] for name in names
            }
            alone = run(model, **{name: part[None] for name, part in parts.items()})
            here = packed["targets_segmentation"][0] == segment
            np.testing.assert_allclose(together[0, here], alone[0], **CLOSE)


def test_padding_of_inputs_changes_nothing(models):
    features = features_of(True)
    padded = np.pad(features["inputs"], [[0, 0], [0, 4]])
    expected = run(models(), **features)
    np.testing.assert_allclose(run(models(), **{**features, "inputs": padded}), expected, **CLOSE)
    # And what is no padding does.
    longer = np.pad(features["inputs"], [[0, 0], [0, 4]], constant_values=3)
    assert np.abs(run(models(), **{**features, "inputs": longer}) - expected).max() > 1e-3


def test_unidirectional_encoder(models):
    model = make(unidirectional_encoder=True)

    def encoded(inputs):
        return np.array(model.encode({"inputs": inputs})[0])

    inputs = ids(2, 2, 5)
    changed = inputs.copy()
    changed[:, 3] = (changed[:, 3] - 1) % (V - 2) + 2
    np.testing.assert_allclose(encoded(changed)[:, :3], encoded(inputs)[:, :3], **CLOSE)
    assert np.abs(encoded(changed)[:, 3:] - encoded(inputs)[:, 3:]).max() > 1e-3
    model = models()
    assert np.abs(encoded(changed)[:, :3] - encoded(inputs)[:, :3]).max() > 1e-3


def test_target_space_and_positions_matter(models):
    features = features_of(True)
    expected = run(models(), **features)
    other = make()
    other.target_space = 5
    assert np.abs(run(other, **features) - expected).max() > 1e-3
    reversed_inputs = {**features, "inputs": features["inputs"][:, ::-1]}
    assert np.abs(run(models(), **reversed_inputs) - expected).max() > 1e-3
    # Without positions the encoder sees a bag of tokens.
    bag = models("no_space")
    np.testing.assert_allclose(run(bag, **reversed_inputs), run(bag, **features), **CLOSE)


@pytest.mark.parametrize(
    ("sizes", "tied", "tables"),
    [({"inputs": V, "targets": V}, True, 1), ({"inputs": V, "targets": 9}, True, 2),
     ({"inputs": V, "targets": V}, False, 3)],
)  # fmt: skip
def test_shared_embeddings(sizes, tied, tables):
    model = make(sizes=sizes, shared_embedding_and_softmax_weights=tied)
    assert sum(one.name == "embedding" for one in model.weights) == tables
    assert run(model, inputs=ids(1, 1, 3), targets=ids(2, 1, 3) % 9).shape == (
        1,
        3,
        sizes["targets"],
    )


def test_weights_have_paths_of_their_own(models):
    paths = [weight.path for weight in models().weights]
    assert len(set(paths)) == len(paths)
    assert all(path.startswith("transformer/") for path in paths)
    # 2 + 2 layers: attention 4, feed-forward 4, norms 2 each; one table, one of spaces, two norms.
    assert len(paths) == 2 * (4 + 4 + 4) + 2 * (8 + 4 + 6) + 1 + 1 + 4


def test_vocab_divisor_changes_no_logit(models):
    features, padded = features_of(True), make(vocab_divisor=8)
    for weight, other in zip(padded.weights, models().weights, strict=True):
        value = weight.numpy().copy()
        value[: other.shape[0]] = other.numpy()
        weight.assign(value)
    logits = run(padded, **features)
    assert logits.shape[-1] == 16
    np.testing.assert_allclose(logits[..., :V], run(models(), **features), **CLOSE)
    assert (logits[..., V:] < -1e8).all()
    assert padded.softmax.vocab_size == V


def test_hidden_and_softmax_give_the_logits(models):
    features = features_of(True)
    hidden = models().hidden(features)
    np.testing.assert_allclose(models().softmax.logits(hidden), run(models(), **features), **CLOSE)


def test_bfloat16_stays_close(models):
    features, half = features_of(True), make(activation_dtype="bfloat16")
    for weight, other in zip(half.weights, models().weights, strict=True):
        assert weight.dtype == "float32"
        weight.assign(other)
    assert keras.backend.standardize_dtype(half.hidden(features).dtype) == "bfloat16"
    found, expected = run(half, **features), run(models(), **features)
    assert found.dtype == np.float32
    assert 0 < np.abs(found - expected).max() < 0.1
    assert keras.config.dtype_policy().name == "float32"
    memory, cache = half.start({"inputs": features["inputs"]}, 4)
    logits, _ = half.step(np.zeros(2, np.int32), keras.ops.convert_to_tensor(0), memory, cache)
    np.testing.assert_allclose(logits, expected[:, 0], atol=0.1)


def test_heads_that_dont_divide_the_width():
    with pytest.raises(HParamsError, match="hidden_size=16 is not a multiple of num_heads=3; "
                       "choose 15 or 18"):  # fmt: skip
        Transformer(HParams(hidden_size=16, num_heads=3), ProblemHParams({"targets": V}))
    assert keras.config.dtype_policy().name == "float32"


@pytest.mark.parametrize(
    ("model", "kind", "other"),
    [
        (Transformer, "class_label", "transformer_encoder"),
        (TransformerEncoder, "symbol", "transformer"),
    ],
)
def test_a_problem_of_the_other_kind(model, kind, other):
    problem = ProblemHParams({"inputs": V, "targets": V}, modality={"targets": kind})
    with pytest.raises(HParamsError, match=f"use --model={other}$"):
        model(HParams(), problem)


class TestDropping:
    """Dropout and other changes in training."""

    quiet = dict.fromkeys(
        ["layer_prepostprocess_dropout", "attention_dropout", "relu_dropout"], 0.0
    )

    def test_nothing_without_rates(self):
        model, features = make(**self.quiet), features_of(True)
        np.testing.assert_array_equal(run(model, True, **features), run(model, **features))

    @pytest.mark.parametrize("name", [*quiet, "symbol_dropout"])
    def test_each_rate_is_used(self, name):
        model, features = make(**{**self.quiet, name: 0.5}), features_of(True)
        first, second = (run(model, True, **features) for _ in range(2))
        expected = run(model, **features)
        assert np.abs(first - expected).max() > 1e-3
        assert np.abs(first - second).max() > 1e-3
        np.testing.assert_array_equal(run(model, **features), expected)

    def test_symbols_become_padding(self):
        model = make(**self.quiet, symbol_dropout=0.3)
        tokens = keras.ops.convert_to_tensor(ids(0, 50, 40))
        dropped = np.array(model.drop_symbols(tokens, True))
        assert (dropped == 0).mean() == pytest.approx(0.3, abs=0.05)
        assert ((dropped == 0) | (dropped == np.array(tokens))).all()
        assert (np.array(model.drop_symbols(tokens, False)) == np.array(tokens)).all()

    def test_broadcast_dims(self):
        model = make(
            layer_prepostprocess_dropout_broadcast_dims="1",
            attention_dropout_broadcast_dims="0,1",
            relu_dropout_broadcast_dims="1",
        )
        block = model.decoder.blocks[0]
        assert block.self_after.dropout.axes == [1]
        assert model.embed_dropout.axes == [1]
        assert block.cross_attention.dropout.axes == [0, 1]
        assert block.feed_forward.dropout.axes == [1]
        features = features_of(True)
        assert np.isfinite(run(model, True, **features)).all()


class TestEncoder:
    """The classifier."""

    @pytest.fixture
    def model(self):
        return make(TransformerEncoder, sizes={"inputs": V, "targets": 3})

    def test_ignores_padding(self, model):
        inputs = ids(0, 2, 5)
        expected = run(model, inputs=inputs)
        assert expected.shape == (2, 1, 3)
        padded = np.pad(inputs, [[0, 0], [0, 3]])
        np.testing.assert_allclose(run(model, inputs=padded), expected, **CLOSE)
        assert np.abs(run(model, inputs=ids(1, 2, 5)) - expected).max() > 1e-3

    def test_a_row_of_padding_is_finite(self, model):
        assert np.isfinite(run(model, inputs=np.zeros((1, 4)))).all()

    def test_packs_nothing(self, model):
        assert not model.packs
        assert Transformer.packs


def test_models_are_registered():
    assert registry.model("transformer") is Transformer
    assert registry.model("transformer_encoder") is TransformerEncoder
