"""How answers are shown."""

from t2tlite.decode.decode_hparams import Hypothesis
from t2tlite.interactive.screen import Screen


def test_a_growing_answer_may_change_its_beginning(capsys):
    texts = ["a", "ab\ufffd", "ab\u00e9", "ab\u00e9 c", "x\u00e9 c"]
    last = Screen(is_terminal=True).stream(Hypothesis(text, 0.0, []) for text in texts)
    assert last.text == "x\u00e9 c"
    assert capsys.readouterr().out == "ab\u00e9 c\nx\u00e9 c\n"


def test_classes_have_probabilities(capsys):
    answers = [Hypothesis("yes", -0.25, [1]), Hypothesis("[b]no", -1.5, [0])]
    Screen(is_terminal=True).show(answers, scores=True, probabilities=True)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines] == [
        ["probability"],
        ["1", "77.9%", "yes"],
        ["2", "22.3%", "[b]no"],
    ]
    Screen(is_terminal=False).show(answers, scores=True, probabilities=True)
    assert capsys.readouterr().out == "   0.779  yes\n   0.223  [b]no\n"


def test_no_answer_is_a_blank_line_in_a_pipe_alone(capsys):
    Screen(is_terminal=True).show([])
    assert capsys.readouterr().out == ""
    Screen(is_terminal=False).show([])
    assert capsys.readouterr().out == "\n"
