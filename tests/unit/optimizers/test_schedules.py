"""Learning rates against T2T's numbers, and the factors that no shipped set has."""

import json
import math

import pytest

from t2tlite.config import HParams
from t2tlite.errors import HParamsError
from t2tlite.optimizers.schedules import LearningRate

T2T_SETS = [
    "transformer_base",
    "transformer_base_v1",
    "transformer_base_v2",
    "transformer_tiny",
    "transformer_big",
    "transformer_base_single_gpu",
    "transformer_tpu",
    "lstm_attention",
    "universal_transformer_base",
]


@pytest.fixture(scope="module")
def fixtures(shared):
    folder = shared / "fixtures/t2t"
    return [
        json.loads((folder / f"{name}.json").read_text()) for name in ("hparams", "learning_rate")
    ]


@pytest.mark.parametrize("name", T2T_SETS)
def test_rates_that_t2t_gives(fixtures, name):
    sets, rates = fixtures
    values = {**sets["transformer_base"], **sets[name].get("_differs", {})}
    ours = HParams().values()
    hparams = HParams.from_values({key: values[key] for key in ours if key in values})
    rate = LearningRate(hparams, train_steps=250_000)
    steps = rates[name]["at_step"]
    assert len(steps) > 10
    for step, expected in steps.items():
        assert float(rate(int(step))) == pytest.approx(expected, rel=1e-6, abs=1e-30), step


def test_every_set_of_the_fixture_is_tested(fixtures):
    assert set(fixtures[1]) == set(T2T_SETS)


def rate(step, train_steps=1000, **values):
    shared = {"learning_rate_warmup_steps": 100, "learning_rate_decay_steps": 200}
    return float(LearningRate(HParams(**shared, **values), train_steps)(step))


@pytest.mark.parametrize(
    ("schedule", "step", "expected"),
    [
        ("constant", 7, 2.0),
        ("linear_warmup", 25, 0.25),
        ("linear_warmup", 300, 1.0),
        ("linear_decay", 500, 1.0),
        ("linear_decay", 900, 0.5),
        ("linear_decay", 1001, 0.0),
        ("linear_decay_to_zero", 50, 1.0),
        ("linear_decay_to_zero", 100, 1.0),
        ("linear_decay_to_zero", 550, 0.5),
        ("linear_decay_to_zero", 1000, 0.0),
        ("linear_decay_to_zero", 1500, 0.0),
        ("linear_cooldown", 749, 1.0),
        ("linear_cooldown", 900, 0.4),
        ("linear_cooldown", 1000, 0.0),
        ("constant*linear_warmup*linear_cooldown", 50, 1.0),
        ("rsqrt_decay", 25, 0.1),
        ("rsqrt_decay", 400, 0.05),
        ("rsqrt_normalized_decay", 400, 0.5),
        ("rsqrt_hidden_size", 1, 512**-0.5),
        ("exp_decay", 50, 1.0),
        ("exp_decay", 300, 0.5),
        ("exp_decay", 200, 0.5**0.5),
        ("cosdecay", 100, 1.0),
        ("cosdecay", 101, 0.5 + 0.5 * math.cos(math.pi * 101 / 200)),
        ("cosdecay", 200, 0.0),
        ("single_cycle_cos_decay", 100, 1.0),
        ("single_cycle_cos_decay", 550, 0.5),
        ("single_cycle_cos_decay", 1000, 0.0),
        ("multi_cycle_cos_decay", 300, 0.5),
        ("multi_cycle_cos_decay", 500, 1.0),
        ("constant * linear_warmup", 50, 1.0),
    ],
)
def test_factors(schedule, step, expected):
    value = rate(
        step,
        learning_rate_schedule=schedule,
        learning_rate_decay_rate=0.5,
        learning_rate_cosine_cycle_steps=400,
        learning_rate_cooldown_share=0.25,
    )
    assert value == pytest.approx(expected, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize(
    ("share", "accumulated", "expected"),
    # At step 50 of 1,000, after 50 or 25 updates of 1,000 or 500; the warm-up has 100 or fewer.
    [
        (0.0, 1, 0.5),
        (0.5, 1, 0.5),
        (0.05, 1, 1.0),
        (0.0625, 1, 50 / 62),
        (0.1, 2, 0.5),
        (0.2, 2, 0.25),
    ],
)
def test_the_longest_warmup(share, accumulated, expected):
    value = rate(
        50,
        learning_rate_schedule="linear_warmup*linear_decay_to_zero",
        learning_rate_warmup_share=share,
        optimizer_multistep_accumulate_steps=accumulated,
    )
    assert value == pytest.approx(expected, rel=1e-5)


def test_the_longest_warmup_of_a_short_training():
    hparams = HParams(learning_rate_warmup_steps=100, learning_rate_warmup_share=0.1)
    assert [
        LearningRate(hparams, steps).hparams.learning_rate_warmup_steps for steps in (3, 300, 3000)
    ] == [1, 30, 100]
    assert hparams.learning_rate_warmup_steps == 100


@pytest.mark.parametrize(
    ("scheme", "step", "expected"),
    [
        ("none", 500, 1.0),
        ("none", 50, 0.1),  # halfway from 1 % to 100 %, geometrically
        ("exp", 300, 0.5),
        ("cosine", 400, 0.5),
        ("cosine", 800, 0.0),
        ("cosine", 1600, 1.0),
        ("sqrt", 500, 25.0),
        ("cyclelinear10x", 100, 3.3),
        ("cyclelinear10x", 200, 0.3),
    ],
)
def test_legacy_schemes(scheme, step, expected):
    value = rate(
        step,
        learning_rate_schedule="legacy",
        learning_rate_decay_scheme=scheme,
        learning_rate_decay_rate=0.5,
        learning_rate_cosine_cycle_steps=800,
        learning_rate=1.0,
        optimizer="momentum",
    )
    assert value == pytest.approx(expected, rel=1e-5, abs=1e-6)


def test_legacy_with_adam_is_500_times_less():
    shared = {"learning_rate_schedule": "legacy", "learning_rate_decay_scheme": "none"}
    adam, momentum = (rate(500, optimizer=name, **shared) for name in ("adam", "momentum"))
    assert adam == pytest.approx(0.002 * momentum)


def test_legacy_with_muon_is_that_with_adam():
    shared = {"learning_rate_schedule": "legacy", "learning_rate_decay_scheme": "none"}
    assert rate(500, optimizer="muon", **shared) == rate(500, optimizer="adam", **shared)


def test_staircase():
    shared = {"learning_rate_schedule": "exp_decay", "learning_rate_decay_rate": 0.5}
    assert rate(499, learning_rate_decay_staircase=True, **shared) == pytest.approx(0.5)
    assert rate(500, learning_rate_decay_staircase=True, **shared) == pytest.approx(0.25)


def test_minimum():
    assert rate(10**6, learning_rate_minimum=0.3, learning_rate_schedule="rsqrt_decay") == (
        pytest.approx(0.3)
    )


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"learning_rate_schedule": "constant*warm"}, "'warm' is not one of: constant, linear_w"),
        (
            {"learning_rate_schedule": "legacy", "learning_rate_decay_scheme": "steps"},
            "learning_rate_decay_scheme=steps is not one of: noam, none, exp",
        ),
    ],
)
def test_unknown_names(values, message):
    with pytest.raises(HParamsError, match=message):
        LearningRate(HParams(**values), 10)


@pytest.mark.parametrize(
    "schedule",
    ["linear_warmup", "single_cycle_cos_decay", "linear_decay", "linear_cooldown"],
)
def test_the_steps_of_a_schedule_are_updates(schedule):
    for batches, step in ((4, 0), (4, 203), (4, 399), (4, 3600), (8, 7000)):
        values = {"learning_rate_schedule": schedule}
        expected = rate(step // batches, 1000, **values)
        values["optimizer_multistep_accumulate_steps"] = batches
        assert rate(step, 1000 * batches, **values) == expected
