"""TrainingSetup: batches and evaluation of a real problem."""

import json

import pytest


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
