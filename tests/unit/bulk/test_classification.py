"""Reports on a classifier's answers."""

import pytest

from t2tlite.bulk import classification
from t2tlite.decode.decode_hparams import DecodeHParams
from t2tlite.errors import DataError

LABELS = ["spam", "ham", "odd", "never"]
PAIRS = [("spam", "spam")] * 6 + [("spam", "ham")] * 2 + [("ham", "ham")] * 3 + [("ham", "odd")]


def test_report():
    # Precision 6/6, 3/5, 0/1; recall 6/8, 3/4, nothing of 0; F1 2 * hits / (given + right).
    assert classification.report(PAIRS, LABELS).splitlines() == [
        "accuracy = 75.00 % of 12 lines",
        "right \\ answer  spam  ham  odd",
        "spam               6    2    0",
        "ham                0    3    1",
        "odd                0    0    0",
        "label  precision  recall     F1  lines",
        "spam      100.00   75.00  85.71      8",
        "ham        60.00   75.00  66.67      4",
        "odd         0.00       -   0.00      0",
        "mean       53.33   50.00  50.79     12",
    ]


def test_many_labels_have_their_commonest_confusions(monkeypatch):
    monkeypatch.setattr(classification, "MATRIX_LABELS", 2)
    assert classification.report(PAIRS, LABELS).splitlines()[1:5] == [
        "right  answer  lines",
        "spam   ham         2",
        "ham    odd         1",
        "label  precision  recall     F1  lines",
    ]


@pytest.fixture
def compare(tmp_path):
    def compare(answers, *references, how=""):
        (tmp_path / "answers").write_text(answers)
        paths = [tmp_path / f"right{i}" for i in range(len(references))]
        for path, text in zip(paths, references, strict=True):
            path.write_text(text)
        how = DecodeHParams().override(how)
        names = ",".join(map(str, paths))
        return classification.answers_report(tmp_path / "answers", names, how, LABELS)

    return compare


def test_files(compare):
    found = compare("spam\n\nham\n", "spam\n\nspam\nham\n")
    assert found.startswith("accuracy = 50.00 % of 2 lines\n")
    fields = "return_beams=true,write_beam_scores=true"
    assert compare("spam\t0.9\tham\t0.1\n", "spam\n", how=fields).startswith("accuracy = 100.00 %")
    # Any of several is right.
    assert compare("spam\nham\n", "spam\nspam\n", "spam\nham\n").startswith("accuracy = 100.00 %")


@pytest.mark.parametrize(
    ("answers", "right", "message"),
    [
        (
            "spam\nham\n",
            "spam\nHam\n",
            "right0, line 2: 'Ham' isn't a class label; expected one of ",
        ),
        ("spam\nham\n", "spam\n", "right0, line 2: '' isn't a class label; expected one of 'spam'"),
        ("\n", "spam\n", "has no answers to compare; decode lines that aren't blank"),
    ],
)
def test_files_that_do_not_fit(compare, answers, right, message):
    with pytest.raises(DataError, match=message):
        compare(answers, right)


def test_numbers(tmp_path):
    def compare(answers, right, how=""):
        (tmp_path / "answers").write_text(answers)
        (tmp_path / "right").write_text(right)
        how = DecodeHParams().override(how)
        return classification.numbers_report(tmp_path / "answers", [tmp_path / "right"], how)

    report = compare("1\n\n2\n3\n", "2\n7\n4\n5\n")
    assert report == "rmse = 1.7321, pearson = 0.9820 of 3 lines"
    # Several numbers of a line.
    assert compare("1 2\n", "1 4\n") == "rmse = 1.4142, pearson = 1.0000 of 1 lines"
    for right in ("1 2\n", "one\n", ""):
        with pytest.raises(DataError, match="right, line 1: found .*; expected 1 numbers"):
            compare("1\n", right)
    with pytest.raises(DataError, match="found 2 references; give one"):
        classification.numbers_report(tmp_path / "answers", "a,b", DecodeHParams())
