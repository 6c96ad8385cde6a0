"""What is drawn for a trial."""

import logging

import optuna
import pytest

from t2tlite.config import HParams
from t2tlite.errors import HParamsError
from t2tlite.ranged_hparams import RangedHParams
from t2tlite.tune import space


@pytest.fixture
def study():
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=5))


def drawn(study, ranged, hparams, count=200):
    searched = space.dimensions(ranged, hparams)
    trials = [study.ask() for _ in range(count)]
    return [{dimension.name: dimension.draw(trial) for dimension in searched} for trial in trials]


def test_values_are_of_their_ranges_and_cover_them(study):
    hparams = HParams()
    hparams.add_hparam("sizes", [1, 2])
    ranged = RangedHParams()
    ranged.set_float("attention_dropout", 0.1, 0.7)
    ranged.set_int("num_heads", 2, 8)
    ranged.set_discrete("hidden_size", [512, 128, 256])
    ranged.set_categorical("optimizer", ["adam", "adafactor"])
    ranged.set_categorical("pack_dataset", [True, False])
    ranged.set_int("sizes", 1, 3, length=2)
    values = drawn(study, ranged, hparams)
    dropouts = [each["attention_dropout"] for each in values]
    assert 0.1 <= min(dropouts) < 0.15 and 0.65 < max(dropouts) <= 0.7
    assert {each["num_heads"] for each in values} == set(range(2, 9))
    assert {each["hidden_size"] for each in values} == {128, 256, 512}
    assert {each["optimizer"] for each in values} == {"adam", "adafactor"}
    assert {each["pack_dataset"] for each in values} == {True, False}
    assert {(each["sizes[0]"], each["sizes[1]"]) for each in values} == {
        (i, j) for i in (1, 2, 3) for j in (1, 2, 3)
    }


@pytest.mark.parametrize(
    ("scale", "share"),
    # How many of the values from 1 to 100 are below 10, and below 91: of logarithms half.
    [("linear", (0.09, 0.91)), ("log", (0.5, 0.98)), ("reverse_log", (0.02, 0.5))],
)
def test_scales(study, scale, share):
    ranged = RangedHParams()
    ranged.set_float("learning_rate_constant", 1.0, 100.0, scale=scale)
    values = [each["learning_rate_constant"] for each in drawn(study, ranged, HParams(), 1000)]
    assert min(values) >= 1.0
    assert max(values) <= 100.0
    for bound, expected in zip((10, 91), share, strict=True):
        assert sum(value < bound for value in values) / 1000 == pytest.approx(expected, abs=0.06)


def test_what_is_given_or_has_no_effect_keeps_its_value(caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("t2tlite"), "propagate", True)
    ranged = RangedHParams()
    ranged.set_int("num_heads", 2, 8)
    ranged.set_float("learning_rate", 0.05, 0.25)
    ranged.set_int("batch_shuffle_size", 256, 1024)
    ranged.set_float("relu_dropout", 0.1, 0.3)
    with caplog.at_level(logging.INFO, "t2tlite"):
        searched = space.dimensions(ranged, HParams(), given=["num_heads"])
    assert [dimension.name for dimension in searched] == ["relu_dropout"]
    messages = "\n".join(caplog.messages)
    assert "num_heads=8 is given, so it isn't searched" in messages
    assert "learning_rate isn't searched: hparam learning_rate has no effect" in messages
    assert "hparam batch_shuffle_size=256 is ignored: it shuffles batches" in messages
    legacy = HParams(learning_rate_schedule="legacy")
    assert "learning_rate" in [dimension.name for dimension in space.dimensions(ranged, legacy)]
    with pytest.raises(HParamsError, match="nothing is left to search"):
        space.dimensions(ranged, HParams(), given=["num_heads", "relu_dropout"])


def test_a_float_range_of_integers_can_be_plotted(study):
    ranged = RangedHParams()
    ranged.set_float("learning_rate_constant", 1, 4)
    [dimension] = space.dimensions(ranged, HParams())
    values = {dimension.name: dimension.draw(study.ask())}
    distributions = {dimension.name: dimension.value_distribution}
    # Raises if the value is outside of the distribution.
    optuna.trial.create_trial(value=1.0, params=values, distributions=distributions)
