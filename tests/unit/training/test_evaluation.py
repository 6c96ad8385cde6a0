"""Which metrics are computed, and of what."""

from types import SimpleNamespace

import pytest

from t2tlite.errors import DataError
from t2tlite.problem import Problem
from t2tlite.t2t_names.metrics import NOT_COMPUTED
from t2tlite.training.evaluation import computed_metrics, evaluate


# The second is only of numbers.
@pytest.mark.parametrize("other", [next(iter(NOT_COMPUTED.values())), "rmse", "word_error_rate"])
def test_metrics_of_t2t_that_arent_computed_are_named(warned, other):
    assert computed_metrics(["accuracy", other], "symbol") == ["accuracy"]
    assert [line for line in warned if other in line] == warned != []
    assert ("--eval_decode=N" in warned[0]) == (other == "word_error_rate")


def test_an_unknown_metric_is_an_error_before_training(make_setup, monkeypatch):
    monkeypatch.setattr(Problem, "eval_metrics", lambda self: ["acuracy"])
    with pytest.raises(DataError, match="names 'acuracy', which is not one of accuracy, "):
        make_setup()
    make_setup(evaluate=False)


def test_no_example():
    scorer = SimpleNamespace(modality="symbol")
    with pytest.raises(DataError, match="the evaluation data is empty"):
        evaluate(scorer, [], [], lambda batch: batch, None)
