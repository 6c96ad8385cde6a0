"""When to stop early, and the warnings about arguments that look wrong."""

import pytest

from t2tlite.config import HParams
from t2tlite.errors import HParamsError
from t2tlite.training.train_args import TrainArgs


def rows(*losses):
    return [{"step": 10 * i, "loss": loss, "accuracy": -loss} for i, loss in enumerate(losses, 1)]


@pytest.mark.parametrize(
    ("losses", "stops"),
    [
        ([], False),
        ([3.0], False),
        ([3.0, 2.0, 1.0], False),
        ([3.0, 3.0], False),  # 10 steps are not yet 20
        ([3.0, 3.0, 3.0], True),
        ([3.0, 2.95, 2.92], True),  # less than the delta
        ([3.0, 2.95, 2.85], False),  # in all more than the delta
        ([3.0, 1.0, 2.0, 2.0], True),
        ([3.0, 1.0, 2.0, 0.5], False),
        ([float("nan")] * 3, True),
    ],
)
def test_early_stop(losses, stops):
    train_args = TrainArgs(stop_after_steps=20, stop_delta=0.1)
    assert bool(train_args.early_stop(rows(*losses))) is stops
    # A metric that should rise, by T2T's name for it.
    train_args.stop_metric, train_args.stop_minimize = "metrics-my_problem/accuracy", False
    assert bool(train_args.early_stop(rows(*losses))) is stops
    train_args.stop_after_steps = 0
    assert train_args.early_stop(rows(*losses)) is None


def test_the_reason():
    reason = TrainArgs(stop_after_steps=20).early_stop(rows(3.0, 1.0, 2.0, 2.0))
    assert reason == "loss hasn't improved by 0.1 for 20 steps (best 1.0000 at step 20)"


def test_evaluations_before_decoding_was_asked_for_do_not_count():
    train_args = TrainArgs(stop_metric="token_error_rate", stop_after_steps=20, eval_decode=1)
    before = rows(3.0, 3.0, 3.0, 3.0)
    assert train_args.early_stop(before) is None
    after = [{"step": 10 * i, "token_error_rate": 5.0} for i in (5, 6, 7)]
    assert train_args.early_stop([*before, *after[:2]]) is None
    assert "20 steps (best 5.0000 at step 50)" in train_args.early_stop([*before, *after])


def test_a_metric_that_isnt_evaluated():
    # It also decides the best checkpoint, so it matters without early stopping.
    train_args = TrainArgs(stop_metric="bleu")
    with pytest.raises(HParamsError, match="metric=bleu is not one of .*: loss, accuracy$"):
        train_args.early_stop(rows(1.0))


@pytest.mark.parametrize(
    ("metric", "minimize", "warning"),
    [
        ("loss", True, ""),
        ("metrics-p/accuracy", False, ""),
        ("metrics-p/accuracy", True, "accuracy is better when higher; leave out --eval_early"),
        ("byte_perplexity", False, "byte_perplexity is better when lower; leave out --noeval_e"),
        ("sequence_error_rate", False, "sequence_error_rate is better when lower; leave out --no"),
        ("a_plugins_own", True, ""),
    ],
)
def test_a_metric_that_is_better_the_other_way_round(warned, metric, minimize, warning):
    TrainArgs(stop_metric=metric, stop_minimize=minimize).check_direction()
    assert len(warned) == bool(warning)
    assert all(line.startswith(warning) for line in warned)


@pytest.mark.parametrize(
    ("metric", "minimizes"),
    [
        ("loss", True),
        ("metrics-p/accuracy", False),
        ("bleu", False),
        ("token_error_rate", True),
        ("member:exact_match", False),
        ("a_plugins_own", True),
    ],
)
def test_a_metric_is_better_as_it_is_meant(warned, metric, minimizes):
    train_args = TrainArgs(stop_metric=metric)
    assert train_args.minimizes is minimizes
    train_args.check_direction()
    assert warned == []
    train_args.stop_minimize = not minimizes
    assert train_args.minimizes is not minimizes


@pytest.mark.parametrize(
    ("steps", "schedule", "share", "warns"),
    [
        (399, "constant*linear_warmup*rsqrt_decay", 0.0, True),
        (399, "legacy", 0.0, True),
        (400, "constant*linear_warmup*rsqrt_decay", 0.0, False),
        (399, "constant", 0.0, False),
        (399, "constant*linear_warmup*rsqrt_decay", 0.1, False),
    ],
)
def test_a_warm_up_longer_than_training(warned, steps, schedule, share, warns):
    hparams = HParams(
        learning_rate_schedule=schedule,
        learning_rate_warmup_steps=400,
        learning_rate_warmup_share=share,
    )
    TrainArgs(steps).check_warmup(hparams)
    # Four times the batches make as many updates.
    hparams.optimizer_multistep_accumulate_steps = 4
    TrainArgs(steps * 4 + 3).check_warmup(hparams)
    assert [line.split("; ")[1] for line in warned] == 2 * warns * [
        "try --hparams=learning_rate_warmup_steps=40"
    ]
