"""Models of plugins: what training, evaluation and decoding compute is what `call` computes."""

import keras
import numpy as np
import pytest
from keras import ops

from t2tlite.config import HParams, ProblemHParams
from t2tlite.errors import PluginError
from t2tlite.model import protocol
from t2tlite.model.layers import Embedding, causal_bias
from t2tlite.model.lstm import LSTMSeq2seq, LSTMSeq2seqAttention
from t2tlite.model.transformer import Transformer, TransformerEncoder

SIZES = {"inputs": 11, "targets": 11}
TINY = {"hidden_size": 8, "num_heads": 2, "filter_size": 16, "num_hidden_layers": 1}


def build(kind, sizes=SIZES, modality="symbol", **values):
    keras.utils.set_random_seed(3)
    problem_hparams = ProblemHParams(sizes, modality={"targets": modality})
    network = kind(HParams(**{**TINY, **values}), problem_hparams)
    network({name: np.ones((2, 3), np.int32) for name in sizes})
    return network


def check(kind, sizes=SIZES, **values):
    network = build(kind, sizes, **values)
    before = [np.array(weight) for weight in network.weights]
    protocol.check(network, sizes)
    for weight, value in zip(network.weights, before, strict=True):
        np.testing.assert_array_equal(weight, value)
    return network


class CallAlone(Transformer):
    def call(self, features, training=False):
        return super().call(features, training)[..., ::-1]


class HiddenAlone(Transformer):
    def hidden(self, features, training=False):
        return -super().hidden(features, training)


class EncodeAlone(Transformer):
    def encode(self, features, training=False):
        encoded, bias = super().encode(features, training)
        return encoded * 2, bias


class LSTMCallAlone(LSTMSeq2seq):
    def call(self, features, training=False):
        return super().call(features, training)[..., ::-1]


class CallOfAMixin:
    def call(self, features, training=False):
        return -super().call(features, training)


class Mixed(CallOfAMixin, Transformer):
    pass


@pytest.mark.parametrize(
    ("kind", "projects", "has_cache"),
    [
        (Transformer, True, True),
        (LSTMSeq2seq, True, True),
        (CallAlone, False, False),
        (LSTMCallAlone, False, False),
        (Mixed, False, False),
        (HiddenAlone, True, False),
        (EncodeAlone, True, True),
    ],
)
def test_which_methods_are_used(kind, projects, has_cache):
    network = check(kind)
    assert (protocol.projects(network), protocol.has_cache(network)) == (projects, has_cache)


@pytest.mark.parametrize("kind", [Transformer, LSTMSeq2seq, EncodeAlone, HiddenAlone])
@pytest.mark.parametrize(
    "values",
    [
        {"vocab_divisor": 8},
        {"shared_embedding_and_softmax_weights": False},
        {"activation_dtype": "bfloat16", "num_hidden_layers": 3, "hidden_size": 32},
    ],
)
@pytest.mark.parametrize("sizes", [SIZES, {"targets": 3}])
def test_models_that_agree_pass(kind, values, sizes):
    if kind is EncodeAlone and len(sizes) == 1:
        return
    # A subclass, as built-in models aren't checked.
    check(type("Own", (kind,), {"__module__": "own"}), sizes, **values)


def test_a_model_with_its_own_cache():
    class Own(CallAlone):
        start = Transformer.start

        def step(self, ids_N, position, memory, cache):
            logits, cache = super().step(ids_N, position, memory, cache)
            return logits[..., ::-1], cache

    assert protocol.has_cache(check(Own))


class OtherStep(Transformer):
    def step(self, ids_N, position, memory, cache):
        logits, cache = super().step(ids_N, position, memory, cache)
        return logits * 2, cache


class OtherStack(Transformer):
    """Its decoder computes something else with a cache."""

    def make_layers(self, hparams, problem_hparams):
        super().make_layers(hparams, problem_hparams)
        decoder, plain = self.decoder, type(self.decoder)

        class Stack(plain):
            def call(self, x, *args, kv_cache=None, **kwargs):
                scale = 1.0 if kv_cache is None else -1.0
                return scale * super().call(x, *args, kv_cache=kv_cache, **kwargs)

        decoder.__class__ = Stack


@pytest.mark.parametrize("kind", [OtherStep, OtherStack])
def test_another_function_in_decoding(kind):
    with pytest.raises(PluginError, match=r"gives other probabilities by step than by call, by "):
        check(kind)
    network = check(type("Without", (kind,), {"step": None, "__module__": "own"}))
    assert not protocol.has_cache(network)


class BiasedEmbedding(Embedding):
    """Its bias is 0 in a new model."""

    def build(self, shape):
        super().build(shape)
        self.bias = self.add_weight(shape=(self.rows,), initializer="zeros", name="bias")

    def logits(self, hidden):
        return super().logits(hidden) + self.bias


def test_an_embedding_with_logits_of_its_own():
    class Biased(Transformer):
        def make_layers(self, hparams, problem_hparams):
            super().make_layers(hparams, problem_hparams)
            self.softmax = BiasedEmbedding(11, hparams, name="softmax")

    network = check(Biased)
    assert (protocol.projects(network), protocol.has_cache(network)) == (False, True)


def test_a_zero_weight_that_only_call_reads():
    class Tail(Transformer):
        def make_layers(self, hparams, problem_hparams):
            super().make_layers(hparams, problem_hparams)
            self.bias = BiasedEmbedding(11, hparams, name="tail")

        def call(self, features, training=False):
            return super().call(features, training) + self.bias.bias

        hidden, start, step = Transformer.hidden, Transformer.start, Transformer.step

    with pytest.raises(PluginError, match="by hidden than by call"):
        check(Tail)


@pytest.mark.parametrize("name", ["body", "decode", "top", "loss", "compute_loss", "train_step"])
def test_methods_that_nothing_calls(name):
    kind = type("Own", (Transformer,), {name: lambda self: 1 / 0, "__module__": "own"})
    with pytest.raises(PluginError, match=f"overrides {name}, which nothing calls: override call"):
        check(kind)
    # Its own call may use them.
    call = {"call": lambda self, features, training=False: Transformer.call(self, features)}
    check(type("Own", (kind,), {**call, "__module__": "own"}))


@pytest.mark.parametrize("name", ["softmax", "encoder", "decoder"])
def test_methods_that_a_layer_hides(name):
    kind = type("Own", (Transformer,), {name: lambda self, x: 1 / 0, "__module__": "own"})
    with pytest.raises(PluginError, match=f"overrides {name}, which nothing calls"):
        check(kind)


def test_a_classifier_and_a_model_from_scratch():
    class Classes(TransformerEncoder):
        def call(self, features, training=False):
            return super().call(features, training) * 2

    sizes = {"inputs": 11, "targets": 3}
    protocol.check(build(Classes, sizes, "class_label"), sizes)

    class Scratch(keras.Model):
        def __init__(self, hparams, problem_hparams):
            super().__init__()
            self.table = keras.layers.Embedding(11, 11)

        def call(self, features, training=False):
            return ops.cast(
                self.table(ops.pad(features["targets"], [[0, 0], [1, 0]])[:, :-1]), "float32"
            )

    network = check(Scratch)
    assert (protocol.projects(network), protocol.has_cache(network)) == (False, False)


def test_built_in_models_are_not_checked(monkeypatch):
    monkeypatch.setattr(protocol, "_compare", lambda *arguments: 1 / 0)
    for kind in (Transformer, LSTMSeq2seq):
        check(kind)
    with pytest.raises(ZeroDivisionError):
        check(EncodeAlone)


def test_a_method_that_fails():
    class Reads(Transformer):
        def encode(self, features, training=False):
            assert features["targets"] is not None
            return super().encode(features, training)

    with pytest.raises(PluginError, match=r"can't use step \(KeyError: 'targets'\); mend it, or"):
        check(Reads)


@pytest.mark.parametrize(
    ("kind", "shown"),
    [(LSTMSeq2seqAttention, True), (LSTMSeq2seq, False), (Transformer, True), (CallAlone, True)],
)
def test_attention_of_another_function_is_not_shown(kind, shown):
    hparams = {"attention_mechanism": "luong", "attention_layer_size": 8, "output_attention": True}
    network = build(kind, extra=hparams)
    assert protocol.has_attention(network) is shown
    if kind is LSTMSeq2seqAttention:
        own = {"call": lambda self, features, training=False: 0, "__module__": "own"}
        network.__class__ = type("Own", (kind,), own)
        assert not protocol.has_attention(network)


def test_a_model_that_sees_what_it_predicts(warned):
    class Sees(Transformer):
        def call(self, features, training=False):
            targets = ops.one_hot(features["targets"], 11)
            return super().call(features, training) + ops.cast(targets, "float32")

    check(CallAlone)
    assert not warned
    check(Sees)
    assert "Sees sees the target that it predicts, so its loss means nothing" in warned[0]


def test_packed_rows_must_not_see_each_other():
    class Ignores(Transformer):
        def hidden(self, features, training=False):
            targets = features["targets"]
            x = ops.pad(self.target_embedding(targets), [[0, 0], [1, 0], [0, 0]])[:, :-1]
            length = ops.shape(targets)[1]
            return self.decoder(x, causal_bias(length), ops.arange(length), training=training)

    sizes = {"targets": 11}
    network = check(Ignores, sizes)
    with pytest.raises(PluginError, match="other probabilities by packs than by call"):
        protocol.check_packing(network, sizes)
    protocol.check_packing(build(EncodeAlone), SIZES)
    protocol.check_packing(build(CallAlone), SIZES)
    protocol.check_packing(build(Transformer), SIZES)
