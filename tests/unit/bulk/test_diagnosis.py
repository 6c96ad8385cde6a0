"""Where answers are wrong, on files small enough to count by hand."""

import pytest

from t2tlite.bulk.answers import AnsweredFile, AnsweredLine
from t2tlite.bulk.diagnosis import ANSWER, CHARACTER, TOKEN, diagnose
from t2tlite.bulk.rarity import rarity_of


def file_of(*rows):
    """Rows: input, answers, references, scores."""
    lines = [
        AnsweredLine(i + 1, *row[:2], row[3:] and row[3], row[2]) for i, row in enumerate(rows)
    ]
    return AnsweredFile("ours", ["right"], "inputs", lines, 0)


def test_edits_to_the_closest_reference():
    found = diagnose(
        file_of(
            ("c a t", ["K AE T"], ["K AE T", "K AH T"]),
            ("d o g", ["D AO G Z"], ["D AA", "D AA G"]),
            ("a", ["AH"], ["EY"]),
            ("b", [""], ["B IY"]),
        )
    )
    assert found.unit is TOKEN
    assert [one.best.right for one in found.judged] == [True, False, False, False]
    assert found.judged[1].best.reference == "D AA G"
    assert found.changes == {
        ("AA", "AO"): 1,
        (None, "Z"): 1,
        ("EY", "AH"): 1,
        ("B", None): 1,
        ("IY", None): 1,
    }
    assert found.symbols["AA"] == 1
    assert (found.overall.lines, found.overall.wrong) == (4, 3)
    # 5 edits of 3 + 3 + 1 + 2 symbols.
    assert found.overall.error_rate == pytest.approx(100 * 5 / 9)
    assert found.overall.chrf is None


def test_units():
    labels = file_of(*[(f"text {i}", ["good"], ["bad" if i % 2 else "good"]) for i in range(20)])
    found = diagnose(labels)
    assert found.unit is ANSWER
    assert found.changes == {("bad", "good"): 10}
    dates = file_of(("2 May", ["05-02"], ["05-02"]), ("3 May", ["05-04"], ["05-03"]))
    found = diagnose(dates)
    assert found.unit is CHARACTER
    assert found.changes == {("3", "4"): 1}
    assert found.length_of == "the input, in tokens"


def test_groups_of_equal_size():
    rows = [("x " * length, ["y y"], ["y y" if length < 10 else "z z"]) for length in range(1, 25)]
    found = diagnose(file_of(*rows))
    names = ["1 to 4", "5 to 8", "9 to 12", "13 to 16", "17 to 20", "21 to 24"]
    assert [row.name for row in found.by_length] == names
    assert [row.wrong for row in found.by_length] == [0, 0, 3, 4, 4, 4]
    # Equal lengths stay together, and a small rest joins the last group.
    rows = [("x " * length, ["y y"], ["z"]) for length in [1] * 10 + [2] * 10 + [3]]
    assert [row.lines for row in diagnose(file_of(*rows)).by_length] == [10, 11]


def test_rarity_of_inputs():
    texts = [*["common word"] * 12, *[f"other{i} word" for i in range(400)]]
    inputs = ["common word", "other3 word", "new word"]
    rows = [(text, ["a b"], ["a b"]) for text in inputs]
    found = diagnose(file_of(*rows), rarity_of(texts, "the training data"))
    assert [(row.name, row.lines) for row in found.by_rarity] == [
        ("never", 1),
        ("1 to 9", 1),
        ("10 to 99", 1),
    ]
    assert diagnose(file_of(*rows)).by_rarity == []


def test_what_several_answers_hold():
    found = diagnose(
        file_of(
            ("1", ["a b", "c d", "e f"], ["a b"], [-0.1, -0.2, -0.3]),
            ("2", ["a b", "c d", "e f"], ["c d"], [-0.5, -0.6, -0.7]),
            ("3", ["a b", "c d", "e f"], ["e f"], [-0.9, -1.0, -1.1]),
            ("4", ["a b", "c d", "e f"], ["e g"], [-1.9, -2.0, -2.1]),
        )
    )
    assert [(row.name, row.wrong) for row in found.n_best] == [("1", 3), ("2", 2), ("3", 1)]
    assert [row.error_rate for row in found.n_best] == [75, 50, 12.5]
    scores = [(row.name, row.wrong) for row in found.by_score]
    assert scores[0] == ("-1.900 to -1.900", 1)
    assert scores[-1] == ("-0.100 to -0.100", 0)
    # Scores of a sure model need more decimals.
    sure = [(f"{i}", ["a b"], ["a b"], [-0.00021 * i]) for i in range(1, 4)]
    names = [row.name for row in diagnose(file_of(*sure)).by_score]
    assert names == ["-0.0006 to -0.0006", "-0.0004 to -0.0004", "-0.0002 to -0.0002"]


def test_free_text_is_judged_by_chrf():
    rows = [
        ("1", ["a red dog runs", "a brown cat sits"], ["a brown cat sat"]),
        ("2", ["two men walk", "nothing else"], ["two men are walking"]),
    ]
    found = diagnose(file_of(*rows))
    assert found.is_free
    one, two = found.n_best
    assert one.chrf == pytest.approx(found.overall.chrf)
    assert two.chrf > one.chrf + 10
    assert all(row.chrf is not None for row in found.by_length)
