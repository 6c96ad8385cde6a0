"""The range of every HParams field, and that any assignment is valid or one line of error."""

import json
import typing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from t2tlite import registry
from t2tlite.assignments import field_hints
from t2tlite.compat.t2t_hparams import with_t2t_methods
from t2tlite.config import _TYPES, HParams
from t2tlite.errors import HParamsError
from t2tlite.t2t_names.hparams import T2T_ONLY

HINTS = field_hints(HParams)


@pytest.mark.parametrize(
    ("assignments", "message"),
    [
        (
            "hidden_size=100,num_heads=8",
            "hidden_size=100 is not a multiple of num_heads=8; choose 96 or 104",
        ),
        ("hidden_size=4,num_heads=8", "hidden_size=4 is not a multiple of num_heads=8; choose 8"),
        ("attention_key_channels=9", "attention_key_channels=9 is not a multiple of num_heads=8"),
        ("hidden_size=9,num_heads=1", "hidden_size=9 is odd"),
        ("relu_dropout=1", "relu_dropout=1.0 is outside 0.0 to 0.9999"),
        ("label_smoothing=-0.1", "label_smoothing=-0.1 is outside"),
        ("batch_size=0", "batch_size=0 is outside"),
        ("length_bucket_step=1", "length_bucket_step=1.0 is outside"),
        ("batching=packed", "batching=packed is not one of: auto, bucket, pack, pad; did you mea"),
        ("activation_dtype=float16", "activation_dtype=float16 is not one of: auto, float32"),
        ("weight_noise=0.1", "weight_noise=0.1 is not supported; leave it at 0.0"),
        ("learning_rate_constant=-2", "learning_rate_constant=-2.0 is outside 0.0 to"),
        ("clip_grad_norm=-1", "clip_grad_norm=-1.0 is outside 0.0 to"),
        ("norm_epsilon=-1", "norm_epsilon=-1.0 is outside"),
        ("norm_epsilon=0", "norm_epsilon=0.0 is outside"),
        ("initializer_gain=0", "initializer_gain=0.0 is outside"),
        ("weight_decay=-1", "weight_decay=-1.0 is outside"),
        ("optimizer_adam_beta1=1.5", "optimizer_adam_beta1=1.5 is outside 0.0 to 0.9999999"),
        ("optimizer_adam_beta2=1", "optimizer_adam_beta2=1.0 is outside 0.0 to 0.9999999"),
        ("num_encoder_layers=-1", "num_encoder_layers=-1 is outside 0 to 1000"),
        ("num_hidden_layers=1e9", "num_hidden_layers=1000000000 is outside 1 to 1000"),
        ("batch_size=99999999999999999999", "batch_size=99999999999999999999 is outside 1 to"),
        ("learning_rate_decay_steps=0", "learning_rate_decay_steps=0 is outside 1 to"),
        ("learning_rate_cosine_cycle_steps=0", "learning_rate_cosine_cycle_steps=0 is outside"),
        ("learning_rate_minimum=-1", "learning_rate_minimum=-1.0 is outside"),
        ("learning_rate_schedule=", "learning_rate_schedule= is not names joined by *"),
        ("min_length=-1", "min_length=-1 is outside 0 to"),
        ("sampling_temp=0", "sampling_temp=0.0 is outside"),
        ("multiply_embedding_mode=sqrt", "multiply_embedding_mode=sqrt is not one of: sqrt_depth"),
        ("layer_preprocess_sequence=dropout", "layer_preprocess_sequence=dropout is not n, d, nd,"),
        ("layer_preprocess_sequence=na", "layer_preprocess_sequence=na is not n, d, nd, dn or"),
        ("layer_postprocess_sequence=dad", "layer_postprocess_sequence=dad is not letters of n"),
        ("layer_postprocess_sequence=dx", "layer_postprocess_sequence=dx is not letters of n"),
        ("attention_dropout_broadcast_dims=4", "attention_dropout_broadcast_dims=4 is not axes of"),
        ("relu_dropout_broadcast_dims=[3,1]", "relu_dropout_broadcast_dims=3,1 is not axes of [0"),
        ("optimizer=a\nb", "optimizer='a\\nb' is not a name"),
    ],
)  # fmt: skip
def test_values_out_of_bounds(assignments, message):
    with pytest.raises(HParamsError) as caught:
        HParams().override(assignments).check().check_attention()
    assert str(caught.value).startswith(message)


def test_every_field_has_a_range():
    free = {
        name
        for name, hint in HINTS.items()
        if not hasattr(hint, "__metadata__") and typing.get_origin(hint) is not typing.Literal
    }
    assert {_TYPES[name] for name in free - {"extra"}} == {bool}


@pytest.mark.parametrize("name", registry.list_hparams())
def test_every_set_passes_its_own_check(name):
    registry.hparams(name).check()


@pytest.mark.parametrize(
    "sequences",
    [("n", "da"), ("none", "dan"), ("", ""), ("d", "none"), ("nd", "nda"), ("dn", "a")],
)
def test_sequences(sequences):
    before, after = sequences
    HParams(layer_preprocess_sequence=before, layer_postprocess_sequence=after).check()


def test_brackets_keep_a_comma():
    hparams = HParams().override("attention_dropout_broadcast_dims=[0,1],batch_size=8").check()
    assert (hparams.attention_dropout_broadcast_dims, hparams.batch_size) == ("0,1", 8)
    with pytest.raises(HParamsError, match="pos=tim.ing is not one of"):
        HParams().override("pos=tim[ing").check()


@pytest.mark.parametrize("value", [4, 4.0, "4", "4.0", " 4 "])
def test_whole_numbers_in_any_spelling(tmp_path, value):
    """--hparams, JSON, Python, a range and T2T's parse give the same, for fields and others."""
    path = tmp_path / "hparams.json"
    path.write_text(json.dumps({"num_heads": value, "num_rec_steps": value}))
    for hparams in (HParams(), with_t2t_methods(HParams())):
        hparams.add_hparam("num_rec_steps", 1)
        hparams.assign_json(path)
        ours = hparams.copy().override(f"num_heads={value},num_rec_steps={value}")
        for parsed in (hparams, ours):
            numbers = parsed.num_heads, parsed.num_rec_steps
            assert (numbers, {*map(type, numbers)}) == ((4, 4), {int})
    parsed = with_t2t_methods(HParams()).parse(f"num_heads={value}")
    assert (parsed.num_heads, type(parsed.num_heads)) == (4, int)


def test_large_integers_are_exact():
    assert HParams().override(f"batch_size={2**60 + 1}").batch_size == 2**60 + 1


@given(
    st.sampled_from([*_TYPES, *T2T_ONLY, "added", "listed"]) | st.text(max_size=8),
    st.text(max_size=12) | st.floats().map(repr) | st.integers().map(str) | st.none().map(str),
)
def test_any_assignment(name, value):
    """It is an error of one line, or hparams that read back the same."""
    hparams = HParams()
    hparams.add_hparam("added", 0.5)
    hparams.add_hparam("listed", [1])
    try:
        hparams.override(f"{name}={value}").check()
    except HParamsError as error:
        assert len(str(error).splitlines()) == 1
    else:
        assert HParams.from_values(json.loads(hparams.to_json())).check() == hparams
