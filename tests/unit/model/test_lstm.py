"""LSTM models against their formulas, and which inputs their outputs depend on."""

import keras
import numpy as np
import pytest

from t2tlite import registry
from t2tlite.config import HParams, ProblemHParams
from t2tlite.decode.decode_hparams import DecodeHParams
from t2tlite.decode.keras_search import make_search
from t2tlite.errors import HParamsError
from t2tlite.model.lstm_layers import InputAttention, LSTMCell

V, D = 13, 6
CLOSE = {"rtol": 1e-4, "atol": 1e-5}
VARIANTS = {
    "plain": ("lstm_seq2seq", "lstm_seq2seq", ["inputs", "targets"]),
    "language_model": ("lstm_seq2seq", "lstm_seq2seq", ["targets"]),
    "luong": ("lstm_seq2seq_attention", "lstm_luong_attention_multi", ["inputs", "targets"]),
    "bahdanau": (
        "lstm_seq2seq_attention_bidirectional_encoder",
        "lstm_bahdanau_attention",
        ["inputs", "targets"],
    ),
    "both_ways": ("lstm_seq2seq_bidirectional_encoder", "lstm_seq2seq", ["inputs", "targets"]),
}


def make(variant, kind="symbol", **values):
    name, hparams_set, features = VARIANTS[variant]
    hparams = registry.hparams(hparams_set)
    hparams.hidden_size = D if hparams.num_heads == 1 else 8
    if "attention" in hparams_set:
        hparams.attention_layer_size = 4
    for field, value in values.items():
        setattr(hparams, field, value)
    keras.utils.set_random_seed(1)
    problem = ProblemHParams(dict.fromkeys(features, V), modality={"targets": kind})
    made = registry.model(name)(hparams, problem)
    made({feature: np.ones((2, 3), np.int32) for feature in features})
    rng = np.random.default_rng(0)
    for weight in made.weights:
        if weight.dtype == "float32":
            weight.assign(weight.numpy() + rng.normal(0, 0.5, weight.shape))
    return made


def ids(seed, *shape):
    return np.random.default_rng(seed).integers(2, V, shape).astype(np.int32)


@pytest.fixture(scope="module", params=VARIANTS)
def case(request):
    features = {"targets": ids(1, 2, 5)}
    if request.param != "language_model":
        features["inputs"] = ids(2, 2, 4)
        features["inputs"][0, 3:] = 0
    model = make(request.param)
    return model, features, np.array(model(features))


def test_steps_give_the_logits_of_call(case):
    model, features, whole = case
    assert (whole.shape, whole.dtype) == ((2, 5, V), np.float32)
    memory, cache = model.start({"inputs": features.get("inputs", features["targets"])}, 9)
    last = np.zeros(2, np.int32)
    for t in range(5):
        position = keras.ops.convert_to_tensor(t, "int32")
        logits, cache = model.step(keras.ops.convert_to_tensor(last), position, memory, cache)
        np.testing.assert_allclose(logits, whole[:, t], **CLOSE)
        last = features["targets"][:, t]


def test_logits_depend_on_earlier_targets_and_inputs_but_not_on_padding(case):
    model, features, whole = case
    changed = features["targets"].copy()
    changed[:, 2] = (changed[:, 2] - 1) % (V - 2) + 2
    after = np.array(model({**features, "targets": changed}))
    np.testing.assert_allclose(after[:, :3], whole[:, :3], **CLOSE)
    assert (np.abs(after[:, 3:] - whole[:, 3:]).max((0, 2)) > 1e-3).all()
    if "inputs" not in features:
        return
    padded = np.pad(features["inputs"], [[0, 0], [0, 3]])
    np.testing.assert_allclose(np.array(model({**features, "inputs": padded})), whole, **CLOSE)
    for place in range(3):
        changed = features["inputs"].copy()
        changed[:, place] = (changed[:, place] - 1) % (V - 2) + 2
        after = np.array(model({**features, "inputs": changed}))
        assert np.abs(after - whole)[:, 0].max() > 1e-5


def test_hidden_and_softmax_give_the_logits(case):
    model, features, whole = case
    np.testing.assert_allclose(model.softmax.logits(model.hidden(features)), whole, **CLOSE)


def test_weights_have_paths_of_their_own(case):
    paths = [weight.path for weight in case[0].weights]
    assert len(set(paths)) == len(paths)
    assert all(path.startswith("lstm_seq2seq/") for path in paths)


@pytest.mark.parametrize("variant", ["luong", "bahdanau"])
def test_every_weight_has_a_gradient(variant, gradients):
    model = make(variant)
    features = {"inputs": ids(2, 2, 4), "targets": ids(1, 2, 5)}
    fixed = [one.value for one in model.non_trainable_variables]

    def total(*values):
        logits, _ = model.stateless_call(list(values), fixed, features)
        return keras.ops.sum(logits**2)

    _, found = gradients(total, *(one.numpy() for one in model.trainable_variables))
    for weight, gradient in zip(model.trainable_variables, found, strict=True):
        assert np.abs(gradient).max() > 1e-4, weight.path


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def test_a_cell():
    cell = LSTMCell(3, D, HParams())
    cell.build(None)
    rng = np.random.default_rng(0)
    x, output, kept = (rng.normal(size=(2, n)).astype("float32") for n in (3, D, D))
    cell.bias.assign(rng.normal(size=4 * D))
    gates = np.concatenate([x, output], -1) @ cell.kernel.numpy() + cell.bias.numpy()
    i, j, f, o = np.split(gates, 4, -1)
    expected = sigmoid(f + 1) * kept + sigmoid(i) * np.tanh(j)
    joined = np.concatenate([x, output], -1)
    early, late = np.split(cell.kernel.numpy(), [2])
    split = cell.gates(joined[:, :2], early) + cell.gates(joined[:, 2:], late)
    np.testing.assert_allclose(split, cell.gates(joined), **CLOSE)
    found_output, found_cell = cell.step(cell.gates(joined), kept)
    np.testing.assert_allclose(found_cell, expected, **CLOSE)
    np.testing.assert_allclose(found_output, sigmoid(o) * np.tanh(expected), **CLOSE)


@pytest.mark.parametrize("mechanism", ["bahdanau", "luong"])
def test_attention(mechanism):
    hparams = HParams(num_heads=2, hidden_size=D)
    hparams.add_hparam("attention_mechanism", mechanism)
    hparams.add_hparam("attention_layer_size", 3)
    layer = InputAttention(D, hparams)
    layer.build((None, None, D))
    rng = np.random.default_rng(0)
    encoded, query = rng.normal(size=(2, 4, D)), rng.normal(size=(2, D))
    kept = np.array([[1, 1, 1, 0], [1, 1, 1, 1]], bool)
    keys = encoded @ layer.key.kernel.numpy()
    if mechanism == "bahdanau":
        asked = query @ layer.query.kernel.numpy()
        # Each head has scores of its own.
        scores = np.einsum("blu,hu->bhl", np.tanh(keys + asked[:, None]), layer.score_SU.numpy())
    else:
        scores = np.einsum("bld,bd->bl", keys, query)[:, None]
    share = np.exp(scores) * kept[:, None]
    share /= share.sum(-1, keepdims=True)
    seen = np.einsum("bhl,bld->bhd", share, encoded)
    kernels = np.split(layer.mixer.kernel.numpy(), 2, axis=-1)
    expected = np.concatenate(
        [
            np.concatenate([query, seen[:, i % len(share[0])]], -1) @ one
            for i, one in enumerate(kernels)
        ],
        -1,
    )
    encoded, query = (keras.ops.convert_to_tensor(one, "float32") for one in (encoded, query))
    found, weights = layer.attend(query, layer.memory(encoded, keras.ops.convert_to_tensor(kept)))
    np.testing.assert_allclose(weights, share, **CLOSE)
    np.testing.assert_allclose(found, expected, **CLOSE)


def test_attention_weights():
    model = make("bahdanau")
    inputs = ids(2, 2, 4)
    inputs[0, 3:] = 0
    features = {"inputs": inputs, "targets": ids(1, 2, 5)}
    found = np.array(model.attention_weights(features)["cross"])
    assert found.shape == (2, 1, 1, 5, 4)
    np.testing.assert_allclose(found.sum(-1), 1, rtol=1e-5)
    assert (found[0, ..., 3] == 0).all()
    assert found[0, ..., :3].std(-2).max() > 1e-3
    assert not hasattr(make("plain"), "attention_weights")


def test_heads_of_bahdanau_have_their_own_weights():
    model = make("bahdanau", num_heads=2)
    features = {"inputs": ids(2, 2, 4), "targets": ids(1, 2, 5)}
    found = np.array(model.attention_weights(features)["cross"])
    assert found.shape == (2, 1, 2, 5, 4)
    np.testing.assert_allclose(found.sum(-1), 1, rtol=1e-5)
    assert np.abs(found[:, :, 0] - found[:, :, 1]).max() > 1e-3


def test_dropout_and_bfloat16():
    features = {"inputs": ids(2, 2, 4), "targets": ids(1, 2, 5)}
    model = make("luong", dropout=0.5)
    whole = np.array(model(features))
    first, second = (np.array(model(features, training=True)) for _ in range(2))
    assert np.abs(first - whole).max() > 1e-2 and np.abs(first - second).max() > 1e-2
    calm = make("luong", dropout=0.0)
    np.testing.assert_array_equal(np.array(calm(features, training=True)), np.array(calm(features)))
    half = np.array(make("luong", activation_dtype="bfloat16")(features))
    assert half.dtype == np.float32
    assert 0 < np.abs(half - whole).max() < 0.5


@pytest.mark.parametrize("beams", [1, 2])
def test_searches(beams):
    model = make("luong")
    how = DecodeHParams(beam_size=beams, extra_length=2)
    sizes = dict.fromkeys(["inputs", "targets"], V)
    problem = ProblemHParams(sizes, modality={"targets": "symbol"})
    search = make_search(model, problem, model.hparams, how)
    inputs = ids(2, 3, 4)
    found = search.predict_on_batch({"ids": inputs, "lengths": np.array([4, 2, 0], np.int32)})
    assert (found["ids"][2] == 0).all()
    answers = np.array(found["ids"][:2, 0])
    if beams == 1:
        greedy = np.array(model({"inputs": inputs[:2], "targets": answers})).argmax(-1)
        np.testing.assert_array_equal(np.where(answers > 0, greedy, 0), answers)


@pytest.mark.parametrize(
    ("variant", "values", "message"),
    [
        ("plain", {"kind": "class_label"}, "use --model=transformer_encoder$"),
        ("both_ways", {"shared_embedding_and_softmax_weights": True}, "is 16 wide, .*size=8; set"),
        ("luong", {"attention_layer_size": 0}, "^attention_layer_size=0 is outside 1 to "),
        ("luong", {"attention_mechanism": "none"}, "=none is not one of: bahdanau, luong$"),
    ],
)
def test_wrong_hparams(variant, values, message):
    with pytest.raises(HParamsError, match=message):
        make(variant, **values)


def test_any_width():
    model = make("plain", hidden_size=7, num_heads=2)
    assert model.hidden({"inputs": ids(1, 2, 3), "targets": ids(2, 2, 3)}).shape == (2, 3, 7)


def test_problems_that_the_models_cannot_learn():
    model = registry.model("lstm_seq2seq_attention")
    with pytest.raises(
        HParamsError, match="needs the hparam attention_mechanism, which is missing"
    ):
        model(HParams(), ProblemHParams({"inputs": V, "targets": V}))
    with pytest.raises(HParamsError, match="the problem has none; use --model=lstm_seq2seq$"):
        model(HParams(), ProblemHParams({"targets": V}))


def test_area_attention_is_refused():
    hparams = registry.hparams("lstm_luong_attention").override("max_area_width=2")
    problem = ProblemHParams({"inputs": 9, "targets": 9}, {"targets": "symbol"})
    with pytest.raises(HParamsError, match="^max_area_width=2 is not supported: T2T's LSTM models"):
        registry.model("lstm_seq2seq_attention")(hparams, problem)


def test_a_warning_for_hparams_that_lstm_models_ignore(warned):
    make("plain", relu_dropout=0.3)
    assert warned == ["hparam relu_dropout=0.3 has no effect: this model doesn't read it"]
