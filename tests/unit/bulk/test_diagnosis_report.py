"""The text of t2t-inspect --answers."""

import pytest

from t2tlite.bulk.answers import read_answers
from t2tlite.bulk.diagnosis import diagnose
from t2tlite.bulk.diagnosis_report import inspect_answers, report
from t2tlite.errors import OutputError


@pytest.fixture
def write(tmp_path):
    def write(**files):
        for name, lines in files.items():
            name = "ours" if name == "answers" else f"ours.{name}"
            (tmp_path / name).write_text("".join(f"{line}\n" for line in lines))
        return tmp_path / "ours"

    return write


def report_on(path, shown=5):
    return report(diagnose(read_answers(path)), shown)


def test_a_report(write, capsys):
    path = write(
        answers=["K AE T\t-0.100000\tK AH T\t-2.000000", "D AO G\t-0.200000\tD AA G\t-0.300000"],
        targets=["K AE T", "D AA G"],
        inputs=["c a t", "d o g"],
    )
    assert inspect_answers(path) == path.with_name("ours.png")
    assert capsys.readouterr().out == (
        f"""{path}: 2 answers, compared with ours.targets
exact match       50.00 %  1 of 2
token error rate  16.67 %  of 6 tokens 1 substituted, 0 missing, 0 added
tokens are separated by white space

wrong answers             1
by 1 token                1  100.00 %
by 2 tokens               0    0.00 %
by 3 tokens or more       0    0.00 %
too short                 0    0.00 %
as long as the reference  1  100.00 %
too long                  0    0.00 %

length of the input, in tokens:
   lines    wrong  token error rate
3      2  50.00 %           16.67 %

occurrences of the rarest 3 tokens in a row of the input in ours.inputs:
        lines    wrong  token error rate
1 to 9      2  50.00 %           16.67 %

score of the answer:
                  lines     wrong  token error rate
-0.200 to -0.200      1  100.00 %           33.33 %
-0.100 to -0.100      1    0.00 %            0.00 %

best of the first n answers:
   lines    wrong  token error rate
1      2  50.00 %           16.67 %
2      2   0.00 %            0.00 %

commonest tokens that are substituted:
right  answered  times  of  example
AA     AO            1   1  line 2: D AO G  for  D AA G

wrong answers with the highest scores; check whether the references are right:
 score  line  input  answered  right
-0.200     2  d o g  D AO G    D AA G

picture: {path}.png
"""
    )


def test_free_text(write):
    path = write(
        answers=["the same", "the same", "the same", "", "a $x$  b", "über"],
        targets=["one thing", "or another", "none", "is right", "a $x$ b", "a b"],
    )
    out = report_on(path, shown=1)
    assert "chrF " in out
    assert "hardly any answer equals its reference: compare models by chrF and BLEU" in out
    assert "blank                     1  16.67 %" in out
    assert "by white space alone      1  16.67 %" in out
    assert "3 lines have the same answer: the same" in out
    assert "length of the reference, in tokens:" in out
    assert "rarest" not in out
    assert "commonest tokens that are added:" in out
    assert "line 4: (blank)  for  is right" in out


def test_very_long_answers(write):
    # Only the first 2,000 symbols are aligned.
    out = report_on(write(answers=["a " * 2500, "b c"], targets=["b " * 3000, "b d"]))
    assert "too short                 1  50.00 %" in out
    assert "as long as the reference  1  50.00 %" in out


def test_nothing_is_wrong(write):
    path = write(answers=["a b", "b a"], targets=["a b", "b a"], inputs=["b a", "a b"])
    out = report_on(path)
    assert "exact match       100.00 %  2 of 2" in out
    assert "wrong answers" not in out
    assert "commonest" not in out


def test_labels(write):
    path = write(answers=["good"] * 40, targets=["good"] * 30 + ["bad"] * 10, inputs=["a b c"] * 40)
    out = report_on(path)
    assert "error rate" not in out
    assert "bad    good         10  10  line 31: a b c" in out


def test_a_picture_that_cannot_be_written(write, capsys):
    path = write(answers=["a b"], targets=["a c"])
    path.with_name("ours.png").mkdir()
    with pytest.raises(OutputError, match=r"ours\.png"):
        inspect_answers(path)
    assert "exact match" in capsys.readouterr().out
