"""What fit keeps in the data folder: the pairs, their split, and whether they are the same."""

import json

import pytest

from t2tlite.api import pairs
from t2tlite.api.pairs import LabelledProblem, PairsProblem, TextsProblem
from t2tlite.errors import DataError

NONE = (None, None, None)
ROWS = [(f"in {n}", f"out {n}") for n in range(400)]


def store(rows, folder, share=0.1, **options):
    values = {"vocab_size": 0, "columns": NONE, "eval_share": share, **options}
    return pairs.store(rows, str(folder), "mine", values.pop("vocab_size"), **values)


def samples(problem, folder, split):
    return list(problem.generate_samples("", str(folder), split))


def test_pairs_are_split_by_their_input(tmp_path):
    twice = [(text, f"{target} {n}") for text, target in ROWS for n in range(2)]
    problem = store(twice, tmp_path)
    assert isinstance(problem, PairsProblem)
    assert problem.name == "mine"
    train, held_out = (samples(problem, tmp_path, split) for split in ("train", "eval"))
    assert [s["inputs"] for s in train] == [i for i, _ in twice if {"inputs": i} and any(
        i == one["inputs"] for one in train)]  # fmt: skip
    assert not {s["inputs"] for s in train} & {s["inputs"] for s in held_out}
    assert len(train) + len(held_out) == len(twice)
    assert 0.05 < len(held_out) / len(twice) < 0.15
    # The split of an input depends on nothing else.
    other = store(ROWS[:200], tmp_path / "other")
    first = {i for i, _ in ROWS[:200]}
    chosen = {s["inputs"] for s in held_out} & first
    assert {s["inputs"] for s in samples(other, tmp_path / "other", "eval")} == chosen


def test_few_pairs_have_one_to_evaluate(tmp_path):
    problem = store(ROWS[:3], tmp_path, share=0.001)
    assert [len(samples(problem, tmp_path, split)) for split in ("train", "eval")] == [2, 1]


def test_given_pairs_to_evaluate_on(tmp_path):
    problem = store(ROWS[:9], tmp_path, eval_pairs=iter(ROWS[9:11]))
    assert len(samples(problem, tmp_path, "train")) == 9
    assert [s["inputs"] for s in samples(problem, tmp_path, "eval")] == ["in 9", "in 10"]


def test_pairs_to_evaluate_on_may_have_another_form(tmp_path):
    rows = [{"inputs": "in 9", "targets": "out 9"}]
    problem = store(ROWS[:9], tmp_path, eval_pairs=rows)
    assert samples(problem, tmp_path, "eval") == rows


def test_pairs_from_which_nothing_was_made_are_replaced(tmp_path):
    store(ROWS, tmp_path)
    problem = store(ROWS[1:], tmp_path, vocab_size=300)
    inputs = {s["inputs"] for split in ("train", "eval") for s in samples(problem, tmp_path, split)}
    assert inputs == {text for text, _ in ROWS[1:]}
    # A run that was killed between two files.
    (tmp_path / "pairs.json").unlink()
    problem = store(ROWS[2:], tmp_path)
    assert sum(len(samples(problem, tmp_path, split)) for split in ("train", "eval")) == 398


def test_texts_alone_and_labels(tmp_path):
    texts = store([text for text, _ in ROWS], tmp_path / "a")
    assert isinstance(texts, TextsProblem) and not texts.has_inputs
    assert set(samples(texts, tmp_path / "a", "eval")[0]) == {"targets"}
    labelled = store([(text, n % 11) for n, (text, _) in enumerate(ROWS)], tmp_path / "b")
    assert isinstance(labelled, LabelledProblem)
    assert labelled.class_labels("") == [str(n) for n in range(11)]
    assert labelled.num_classes == 11
    sample = samples(labelled, tmp_path / "b", "train")[0]
    assert sample["label"] == int(sample["inputs"].split()[1]) % 11


def test_the_same_pairs_again_change_nothing(tmp_path):
    store(ROWS, tmp_path)
    before = {path.name: path.stat() for path in tmp_path.glob("*.jsonl")}
    store(iter(ROWS), tmp_path)
    assert {path.name: path.stat() for path in tmp_path.glob("*.jsonl")} == before
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        (ROWS[1:], {}, r"other pairs: changed since: counts \(\{.*400|counts"),
        ([*ROWS[1:], ROWS[0]], {}, "changed since: texts, or their order; give the same pairs"),
        (ROWS, {"vocab_size": 500}, r"vocab_size \(0 then, 500 now\)"),
        (ROWS, {"share": 0.2}, r"eval_share \(0.1 then, 0.2 now\)"),
        (ROWS, {"eval_pairs": ROWS[:2]}, "eval_share"),
        ([text for text, _ in ROWS], {}, r"kind \(inputs and targets then, targets now\)"),
    ],
)
def test_other_pairs_are_an_error(tmp_path, rows, options, message):
    store(ROWS, tmp_path)
    (tmp_path / "mine.manifest.json").touch()
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(DataError, match=message):
        store(rows, tmp_path, **options)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        ([], {}, "there are no pairs at all"),
        (ROWS, {"eval_pairs": []}, "there are no eval_pairs at all"),
        (ROWS, {"share": 0}, "eval_share=0; expected a share"),
        (ROWS, {"share": 1.0}, "eval_share=1.0"),
        ([("a", "b"), ("a", "c")], {}, "no pairs are left to train on: .* give more different inp"),
        ([*ROWS, ("a", None)], {}, "targets of row 401 is None"),
        (ROWS, {"eval_pairs": [*ROWS, ("a", None)]}, "targets of row 401 of eval_pairs is None"),
        (ROWS, {"eval_pairs": ["a"]}, "the eval_pairs have targets; expected inputs and targets"),
    ],
)
def test_pairs_that_cannot_be_used_leave_nothing(tmp_path, rows, options, message):
    with pytest.raises(DataError, match=message):
        store(rows, tmp_path, **options)
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_description(tmp_path):
    store(ROWS, tmp_path)
    (tmp_path / "pairs.json").write_text("{")
    with pytest.raises(DataError, match="pairs.json is damaged"):
        store(ROWS, tmp_path)
    (tmp_path / "pairs.json").write_text(json.dumps({"problem": 5}))
    with pytest.raises(DataError, match="pairs.json is damaged"):
        store(ROWS, tmp_path)
