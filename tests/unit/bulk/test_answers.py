"""Files of t2t-decoder, read back."""

import pytest

from t2tlite.bulk.answers import read_answers
from t2tlite.errors import DataError


@pytest.fixture
def write(tmp_path):
    def write(answers, targets=None, **others):
        for name, lines in {"": answers, ".targets": targets, **others}.items():
            if lines is not None:
                text = "".join(f"{line}\n" for line in lines)
                (tmp_path / f"ours{name}").write_text(text)
        return tmp_path / "ours"

    return write


def test_answers_inputs_and_all_references(write):
    path = write(["b a", "d c"], ["b a", "c d"], **{".targets1": ["b b", "c d"], ".inputs": "xy"})
    file = read_answers(path)
    assert [one.name for one in file.references] == ["ours.targets", "ours.targets1"]
    assert file.source.name == "ours.inputs"
    first, second = file.lines
    assert (first.number, first.source, first.answers) == (1, "x", ["b a"])
    assert first.references == ["b a", "b b"]
    # A reference that is repeated for lack of others is one.
    assert second.references == ["c d"]


@pytest.mark.parametrize(
    ("line", "answers", "scores"),
    [
        ("one\t-0.500000\ttwo\t-1.250000", ["one", "two"], [-0.5, -1.25]),
        ("one\ttwo\tthree", ["one", "two", "three"], []),
        ("one", ["one"], []),
        ("\t-0.500000", [""], [-0.5]),
        ("one\t-inf", ["one"], [-float("inf")]),
        ("3\t1.5", ["3", "1.5"], []),
    ],
)
def test_what_a_line_holds_is_seen(write, line, answers, scores):
    # A blank line of the input has neither answers nor scores.
    file = read_answers(write([line, ""], ["x", ""]))
    assert [one.answers for one in file.lines] == [answers]
    assert file.lines[0].scores == scores


def test_tabs_that_belong_to_the_texts(write):
    file = read_answers(write(["a\tb", "c"], ["a\tb", "c"]))
    assert [one.answers for one in file.lines] == [["a\tb"], ["c"]]


def test_a_part_was_decoded(write):
    file = read_answers(write(["a"], ["a", "b", "c"]))
    assert len(file.lines) == 1
    assert file.left_out == 2
    assert file.source is None


def test_files_that_do_not_belong_together(write, tmp_path):
    for name, what in (("nothing", "doesn't exist"), (".", "is a folder; expected a file")):
        with pytest.raises(DataError, match=what):
            read_answers(tmp_path / name)
    with pytest.raises(DataError, match="has 2 lines and .*ours.targets only 1; give the file"):
        read_answers(write(["a", "b"], ["a"]))
    with pytest.raises(DataError, match="ours.inputs only 1"):
        read_answers(write(["a", "b"], ["a", "b"], **{".inputs": "x"}))
    (tmp_path / "ours.targets").unlink()
    with pytest.raises(DataError, match="has no ours.targets beside it, .* as --reference"):
        read_answers(tmp_path / "ours")
    (tmp_path / "right").write_text("a\nb\n")
    file = read_answers(tmp_path / "ours", f"{tmp_path}/right,{tmp_path}/right", f"{tmp_path}/ours")
    assert [one.source for one in file.lines] == ["a", "b"]
    with pytest.raises(DataError, match="has no answers to compare"):
        read_answers(write(["", ""], ["", " "], **{".inputs": None}), source=f"{tmp_path}/ours")
