"""TrainingSetup: batches and evaluation of a real problem."""

import json

import pytest

from t2tlite.checkpoint.run_record import RunRecord
from t2tlite.errors import DeviceError, HParamsError


@pytest.mark.parametrize(
    ("problem", "model"), [("echo", "transformer"), ("lengths", "transformer_encoder")]
)
def test_the_batch_of_a_step_is_written_with_texts(make_setup, tmp_path, problem, model):
    setup = make_setup(problem, model)
    setup.write_batch(tmp_path / "batch.jsonl", step=3)
    rows = [json.loads(line) for line in (tmp_path / "batch.jsonl").read_text().splitlines()]
    batches = list(setup.training_batches(start=0).take(3).as_numpy_iterator())
    assert len(rows) == len(batches[2]["targets"])
    for row, ids in zip(rows, batches[2]["inputs"].tolist(), strict=True):
        assert row["inputs_ids"] == [token_id for token_id in ids if token_id]
        if problem == "echo":
            assert row["targets"] == row["inputs"]
            assert row["targets_ids"] == row["inputs_ids"]
        else:
            # The id of the first label is 0, as that of padding.
            label = int(len(row["inputs_ids"]) > len("word") + 1)
            assert (row["targets"], row["targets_ids"]) == (["short", "long"][label], [label])


def test_weights_that_dont_fit_the_memory_are_an_error(make_setup, monkeypatch):
    def no_memory(*_):
        raise MemoryError

    monkeypatch.setattr(RunRecord, "make_model", no_memory)
    with pytest.raises(DeviceError, match="out of memory: the model's weights don't fit; lower"):
        make_setup()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("train_steps", 0), ("train_steps", 10**20), ("eval_frequency", 0), ("eval_steps", -1)),
        *(("steps_per_call", 10**9), ("seed", -1), ("seed", 2**32), ("stop_delta", -0.1)),
        *(("save_seconds", -1), ("keep_checkpoints", -1), ("stop_after_steps", -1)),
    ],
)
def test_train_args_out_of_bounds(make_setup, name, value):
    with pytest.raises(HParamsError, match=f"^{name}={value} is outside"):
        make_setup(**{name: value})


def test_eval_steps_bound_the_batches_of_an_evaluation(make_setup, monkeypatch):
    from t2tlite.training import evaluation

    counts = []
    evaluate = evaluation.evaluate

    def counting(scorer, batches, *rest):
        batches = list(batches)
        counts.append(len(batches))
        return evaluate(scorer, batches, *rest)

    monkeypatch.setattr(evaluation, "evaluate", counting)
    assert make_setup(eval_steps=2).evaluate()["loss"] > 0
    assert make_setup(eval_steps=0).evaluate()["loss"] > 0
    assert counts[0] == 2 < counts[1]
