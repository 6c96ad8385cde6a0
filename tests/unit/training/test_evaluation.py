"""Which metrics are computed, and of what."""

from types import SimpleNamespace

import pytest

from t2tlite.errors import DataError
from t2tlite.t2t_names.metrics import NOT_COMPUTED
from t2tlite.training.evaluation import evaluate


# The second is only of numbers.
@pytest.mark.parametrize("other", [next(iter(NOT_COMPUTED.values())), "rmse", "word_error_rate"])
def test_metrics_of_t2t_that_arent_computed_are_named(make_setup, monkeypatch, warned, other):
    setup = make_setup()
    monkeypatch.setattr(setup.problem, "eval_metrics", lambda: ["accuracy", other])
    assert set(setup.evaluate()) == {"loss", "accuracy"}
    assert [line for line in warned if other in line] == warned != []
    assert ("--eval_decode=N" in warned[0]) == (other == "word_error_rate")


def test_an_unknown_metric(make_setup, monkeypatch):
    setup = make_setup()
    monkeypatch.setattr(setup.problem, "eval_metrics", lambda: ["acuracy"])
    with pytest.raises(DataError, match="names 'acuracy', which is not one of accuracy, "):
        setup.evaluate()


def test_no_example():
    scorer = SimpleNamespace(modality="symbol")
    with pytest.raises(DataError, match="the evaluation data is empty"):
        evaluate(scorer, [], [], lambda batch: batch, None)
