"""Ranges of hparams: T2T's methods and their errors."""

import pytest

from t2tlite import RangedHParams, registry
from t2tlite.config import HParams
from t2tlite.errors import HParamsError


def test_t2ts_methods():
    ranged = RangedHParams()
    ranged.set_float("learning_rate_constant", 0.5, 4.0, scale=ranged.LOG_SCALE)
    ranged.set_int("num_heads", 2, 8)
    ranged.set_discrete("hidden_size", (256, 128), scale=ranged.REVERSE_LOG_SCALE)
    ranged.set_categorical("optimizer", ["adam", "adafactor"])
    ranged.set_int("added", 1, 5, length=3)
    ranged.set_int("num_hidden_layers", 2.0, 4.0)
    assert ranged.ranges == {
        "num_hidden_layers": ("int", [2, 4], "linear", None),
        "learning_rate_constant": ("float", [0.5, 4.0], "log", None),
        "num_heads": ("int", [2, 8], "linear", None),
        "hidden_size": ("discrete", [128, 256], "reverse_log", None),
        "optimizer": ("categorical", ["adam", "adafactor"], "linear", None),
        "added": ("int", [1, 5], "linear", 3),
    }


@pytest.mark.parametrize(
    ("method", "arguments", "message"),
    [
        ("set_int", ("num_heads", 2, 1), "ends .1. before it starts .2."),
        ("set_float", ("weight_decay", 0.0, 1.0, "log"), "scale log needs positive numbers"),
        ("set_float", ("weight_decay", 0.0, 1.0, "cubic"), "'cubic'; expected linear, log, rev"),
        ("set_int", ("num_heads", 1, 2, None, 0), "length 0; expected 1 or more"),
        ("set_discrete", ("num_heads", []), "num_heads has no value"),
        ("set_discrete", ("num_heads", ["a"]), "'a', which is not a number"),
        ("set_categorical", ("optimizer", [["adam"]]), "expected strings, numbers or booleans"),
        ("set_float", ("learning_rate", 0.1, float("nan")), "nan is not a finite number"),
        ("set_float", ("learning_rate", 0.1, float("inf")), "inf is not a finite number"),
        ("set_int", ("num_heads", 1, 2.5), "num_heads=2.5 is not an integer"),
        ("set_discrete", ("num_heads", [float("nan")]), "nan is not a finite number"),
    ],
)
def test_invalid_ranges(method, arguments, message):
    with pytest.raises(HParamsError, match=message):
        getattr(RangedHParams(), method)(*arguments)


@pytest.mark.parametrize(
    ("method", "arguments", "message"),
    [
        ("set_int", ("num_head", 1, 2), "no hparam is named num_head: did you mean num_heads"),
        ("set_int", ("added", 1, 2), "added is a list, and its range has no length; add length=2"),
        ("set_int", ("num_heads", 1, 2, None, 2), "num_heads is not a list; omit it"),
        ("set_float", ("num_heads", 1.0, 2.0), "num_heads is an integer, and its range is of fl"),
        ("set_float", ("pack_dataset", 0.0, 1.0), "pack_dataset is true or false"),
        ("set_discrete", ("num_heads", [1, 2.5]), "num_heads=2.5 is not an integer"),
        ("set_int", ("num_encoder_layers", -1, 2), "num_encoder_layers=-1 is outside 0 to 1000"),
        ("set_float", ("weight_decay", -1.0, 0.5), "weight_decay=-1.0 is outside"),
        ("set_categorical", ("pos", ["timing", "time"]), "pos=time is not one of: timing, none"),
        ("set_categorical", ("hidden_size", ["wide"]), "hidden_size='wide' is not an integer"),
        ("set_categorical", ("ffn_layer", ["conv_relu_conv"]), "ffn_layer=.* is not supported"),
    ],
)
def test_ranges_that_dont_fit_the_hparams(method, arguments, message):
    hparams = HParams()
    hparams.add_hparam("added", [1, 2])
    ranged = RangedHParams()
    getattr(ranged, method)(*arguments)
    with pytest.raises(HParamsError, match=message):
        ranged.check(hparams)


def test_built_in_ranges_pass_check():
    for name in ("transformer_base_range", "transformer_poetry_range"):
        ranged = RangedHParams()
        registry.ranged_hparams(name)(ranged)
        hparams = registry.hparams(name.removesuffix("_range"))
        ranged.check(hparams)
        for hparam, one in ranged.ranges.items():
            for value in one.values:
                hparams.copy().assign({hparam: value}).check()


def test_transformer_base_range_is_t2ts():
    ranged = RangedHParams()
    registry.ranged_hparams("transformer_base_range")(ranged)
    t2ts = {
        "learning_rate": ("float", [0.3, 3.0], "log", None),
        "learning_rate_warmup_steps": (
            *("discrete", [1000, 2000, 4000, 8000, 16000]),
            *("linear", None),
        ),
        "initializer_gain": ("float", [0.5, 2.0], "linear", None),
        "optimizer_adam_beta1": ("float", [0.85, 0.95], "linear", None),
        "optimizer_adam_beta2": ("float", [0.97, 0.99], "linear", None),
        "weight_decay": ("float", [0.0, 1e-4], "linear", None),
    }
    assert {name: ranged.ranges[name] for name in t2ts} == t2ts
