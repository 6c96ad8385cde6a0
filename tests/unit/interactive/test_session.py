"""Interactive decoding, with a small model that has learned to reverse digits."""

import io
import signal
import threading
import types
from pathlib import Path

import numpy as np
import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from t2tlite.decode.decode_hparams import DecodeHParams, Hypothesis
from t2tlite.decode.decoder import Decoder
from t2tlite.errors import DataError
from t2tlite.interactive import prompt, session
from t2tlite.interactive.screens import Pipe, Terminal

MODEL = Path(__file__).parents[2] / "golden" / "model"


@pytest.fixture(scope="module")
def loaded():
    return Decoder(MODEL, decode_hparams="beam_size=2,extra_length=3")


@pytest.fixture
def decoder(loaded, monkeypatch):
    monkeypatch.setattr(loaded.engine, "min_width", 1)
    return loaded


@pytest.fixture
def pipe(decoder, monkeypatch, capsys):
    """A function that decodes bytes of standard input; returns standard output and error."""

    def pipe(text):
        source = types.SimpleNamespace(buffer=io.BytesIO(text), isatty=lambda: False)
        monkeypatch.setattr("sys.stdin", source)
        session.interactive(decoder)
        return capsys.readouterr()

    return pipe


def greedy(decoder, line, how=""):
    text = f"beam_size=1,extra_length=3{how}"
    return decoder.n_best([line], DecodeHParams().override(text))[0][0]


# ---- a pipe


def test_line_n_gets_answer_n_and_nothing_else(decoder, pipe):
    shown = pipe(b"3 1 4\n\n2 7\r\n9")
    assert shown.out.split("\n") == [*decoder.decode(["3 1 4", "", "2 7", "9"]), ""]
    assert shown.err == ""


def test_commands_as_in_t2t(decoder, pipe):
    shown = pipe(b"ns=2\n3 1 4\nns=1\ndl=0\nit=text\n3 1 4\nq\n9\n")
    best = decoder.n_best(["3 1 4"])[0]
    short = DecodeHParams().override("beam_size=2,extra_length=0")
    assert shown.out.splitlines() == [
        *(f"{one.score:8.3f}  {one.text}" for one in best),
        decoder.n_best(["3 1 4"], short)[0][0].text,
    ]


def test_more_answers_take_more_beams_and_fewer_take_them_back(decoder, pipe):
    shown = pipe(b"ns=4\n3 1 4\nns=1\n3 1 4\n").out.splitlines()
    assert len({line[10:] for line in shown[:4]}) == 4
    assert shown[4] == decoder.decode(["3 1 4"])[0]


def test_samples_are_shown_best_first(pipe):
    shown = pipe(b":set sampling_method=random,sampling_temp=3\nns=5\n3 1 4\n").out.splitlines()
    scores = [float(line[:8]) for line in shown]
    assert len(scores) == 5
    assert scores == sorted(scores, reverse=True)
    assert len(set(scores)) > 1


def test_next_answers_the_answer(decoder, pipe):
    shown = pipe(b"3 1 4\n:next\nns=2\n:next\n:next 2\n").out.splitlines()
    first = decoder.decode(["3 1 4"])[0]
    second = decoder.decode([first])[0]
    third = decoder.n_best([second])[0]
    fourth = decoder.n_best([third[1].text])[0]
    assert shown[:2] == [first, second]
    assert [line[10:] for line in shown[2:]] == [one.text for one in [*third, *fourth]]


def test_attention_is_drawn_for_the_last_answer(decoder, pipe):
    shown = pipe(b"3 1 4\n:attention\n:attention 0 2\n").out
    found = decoder.attention("3 1 4")
    mean, one = found.map(), found.map(layer=0, head=2)
    assert shown == "\n".join(
        [decoder.decode(["3 1 4"])[0], mean.terminal(999).plain, one.terminal(999).plain, ""]
    )


def test_a_language_model_writes_from_nothing(language_model, monkeypatch, capsys):
    assert language_model.decode([""]) == [""]
    started = session.Session(language_model, Pipe())
    for line in ("", "ab", ":attention"):
        started.take(line)
    nothing, beginning = (language_model.n_best([one])[0][0] for one in ("", "ab"))
    assert len(nothing.ids) == 9
    assert beginning.text.startswith("ab")
    streamed = list(language_model.stream(""))
    assert len(streamed) > 1
    assert streamed[-1] == nothing
    logits = language_model.network({"targets": np.array([nothing.ids])})
    assert np.argmax(logits, -1)[0].tolist() == nothing.ids
    started.take("")
    started.take(":attention")
    shown = capsys.readouterr().out
    assert shown.startswith(f"{nothing.text}\n{beginning.text}\n")
    assert shown.endswith(language_model.attention("", nothing).map().terminal(999).plain + "\n")


def test_a_space_makes_text_of_a_command(decoder, monkeypatch, pipe):
    asked = []

    def n_best(lines, how):
        asked.extend(lines)
        return [[Hypothesis("5", 0.0, [7])] for _ in lines]

    monkeypatch.setattr(decoder, "n_best", n_best)
    shown = pipe(b" q\n :next\n ns=3\n q and a\nquiet\n:)\nns\n it\nq\n")
    assert asked == ["q", ":next", "ns=3", " q and a", "quiet", ":)", "ns", " it"]
    assert shown.out == "5\n" * 8


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("ns=0", "ns takes a whole number from 1 to 100, and found '0'"),
        ("ns=101", "from 1 to 100"),
        ("dl=-1", "dl takes a whole number from 0 on, and found '-1'"),
        ("it=image", "it=image: the input is always text here"),
        (":next", "nothing was answered yet"),
        (":attention", "nothing was answered yet"),
        (":nxt", "no command is named :nxt; :help tells all"),
        (":set beams=3", "no decode hparam is named beams"),
        (":set beam_size=0", "beam_size=0 is less than 1"),
        (":set alpha=-1", "alpha=-1.0 is negative; 0 is no length penalty"),
        (":set sampling_temp=-1", "sampling_temp=-1.0 is negative; for 0 use greedy"),
        ("3\n:next 2", ":next takes a whole number from 1 to 1, and found '2'"),
        ("3\n:attention 0 9", "there is no head 9; choose one of 0 to 3"),
        ("3\n:attention 0 1 2", "expected a layer and a head"),
    ],
)
def test_a_wrong_command_is_told_and_costs_nothing(decoder, pipe, line, message):
    shown = pipe(f"{line}\n9\n".encode())
    assert message in shown.err
    assert len(shown.err.splitlines()) == 1
    asked = [one for one in [*line.split("\n"), "9"] if one.isdecimal()]
    assert shown.out.splitlines() == decoder.decode(asked)


def test_a_line_that_cannot_be_answered_keeps_its_place(decoder, monkeypatch, pipe):
    def n_best(lines, how):
        if lines == ["bad"]:
            raise DataError("this one not")
        return [[Hypothesis("5", 0.0, [7])] for _ in lines]

    monkeypatch.setattr(decoder, "n_best", n_best)
    shown = pipe(b"1\nbad\n2\n")
    assert shown.out == "5\n\n5\n"
    assert shown.err == "this one not\n"


def test_help_tells_how_things_are(pipe):
    shown = pipe(b"ns=3\n:help\n").out
    assert "(now 3)" in shown
    for word in session.COMMANDS.words:
        assert word.strip().partition("=")[0] in shown


def test_broken_utf8_is_named_by_its_line(pipe):
    with pytest.raises(DataError, match="standard input, line 2: byte 0xff is not UTF-8"):
        pipe(b"1 2\n3 \xff\n")


# ---- a terminal


@pytest.fixture
def terminal(decoder, monkeypatch, capsys):
    """A function that types lines on a terminal; returns what it shows."""

    def terminal(*lines):
        monkeypatch.setattr(session, "_on_terminal", lambda: True)
        monkeypatch.setattr(session, "typed_lines", lambda commands, state: iter(lines))
        session.interactive(decoder)
        first, _, rest = capsys.readouterr().out.partition("\n")
        assert first.startswith("Type a line; :help")
        return rest

    return terminal


def test_an_answer_grows_token_by_token(decoder, monkeypatch, terminal):
    written = []
    write = Terminal.write

    def watched(self, answers):
        return write(self, (written.append(one.text) or one for one in answers))

    monkeypatch.setattr(Terminal, "write", watched)
    shown = terminal(":set beam_size=1", "3 1 4", ":next")
    first = greedy(decoder, "3 1 4").text
    assert shown == f"{first}\n{greedy(decoder, first).text}\n"
    assert written[:3] == [first[:1], first[:3], first[:5]]


def test_several_answers_are_a_table(decoder, terminal):
    shown = terminal("ns=2", "3 1 4").splitlines()
    assert "score" in shown[0]
    best = decoder.n_best(["3 1 4"])[0]
    for number, (line, one) in enumerate(zip(shown[1:], best, strict=True), start=1):
        assert line.split() == [str(number), f"{one.score:.3f}", *one.text.split()]


def test_ctrl_c_stops_the_answer_and_not_the_program(decoder, monkeypatch, terminal):
    n_best, stopped = decoder.n_best, threading.Event()

    def slow(lines, how):
        if lines == ["8 8"]:
            # As long as nobody presses Ctrl-C.
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
            assert stopped.wait(60)
        return n_best(lines, how)

    monkeypatch.setattr(decoder, "n_best", slow)
    tell = Terminal.tell

    def told(self, text):
        tell(self, text)
        stopped.set() if text == "(stopped)" else None

    monkeypatch.setattr(Terminal, "tell", told)
    assert terminal("8 8", "9") == f"(stopped)\n{n_best(['9'])[0][0].text}\n"


def test_lines_of_any_usual_length_share_what_was_traced(decoder, monkeypatch, terminal):
    traced = []
    search = decoder.engine._search_model(decoder.decode_hparams)
    call = type(search).call

    def counting(self, features):
        traced.append(features["ids"].shape)
        return call(self, features)

    monkeypatch.setattr(type(search), "call", counting)
    decoder.engine._compiled.clear()
    terminal("1", "2 3", "4 5 6 7 8 9 1 2 3 4 5", "1 2 3 4 5 6 7 8 9 " * 5)
    # Keras runs a model once more than it traces it.
    assert set(map(tuple, traced)) == {(1, session.LEAST_WIDTH)}
    before = len(traced)
    terminal("3", "2 3 4 5 6 7 8 9 1")
    assert len(traced) == before


def test_what_is_written_can_change(capsys):
    texts = ["a", "ab\ufffd", "abé", "abé c", "xé c"]
    last = Terminal().write(Hypothesis(one, 0.0, []) for one in texts)
    assert last.text == "xé c"
    assert capsys.readouterr().out == "abé c\nxé c\n"


def test_classes_have_probabilities(capsys):
    answers = [Hypothesis("yes", -0.25, [1]), Hypothesis("[b]no", -1.5, [0])]
    Terminal().show(answers, several=True, probabilities=True)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines] == [
        ["probability"],
        ["1", "77.9%", "yes"],
        ["2", "22.3%", "[b]no"],
    ]
    Pipe().show(answers, several=True, probabilities=True)
    assert capsys.readouterr().out == "   0.779  yes\n   0.223  [b]no\n"


# ---- the prompt


@pytest.fixture
def keys(monkeypatch, tmp_path):
    """A function that presses keys at a prompt; returns the lines that it yields."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))

    def keys(pressed):
        with create_pipe_input() as source, create_app_session(source, DummyOutput()):
            source.send_text(pressed)
            return list(prompt.typed_lines(session.COMMANDS, lambda: ""))

    return keys


def test_lines_until_ctrl_d_and_history_across_runs(keys):
    assert keys("one\rtwx\x7fo\r\x04") == ["one", "two"]
    # Two steps up.
    assert keys("\x1b[A\x1b[A\r\x04") == ["one"]


def test_ctrl_c_empties_the_line(keys):
    assert keys("wrong\x03right\r\x04") == ["right"]


def test_a_home_that_cannot_be_written_to_costs_the_history_alone(keys, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    assert keys("one\rtwo\r\x04") == ["one", "two"]
    assert keys("\x1b[A\r\x04") == [""]


@pytest.mark.parametrize(
    ("typed", "tab", "offered"),
    [
        (":", False, [":attention", ":help", ":next", ":set "]),
        (":n", False, [":next"]),
        (":next", False, []),
        ("n", False, []),
        ("n", True, ["ns="]),
        ("now", True, []),
        (":set alpha=1,beam", False, ["beam_size="]),
        (":set sampling_k", True, ["sampling_keep_top_k="]),
    ],
)
def test_commands_are_completed(typed, tab, offered):
    event = CompleteEvent(text_inserted=not tab, completion_requested=tab)
    found = list(session.COMMANDS.get_completions(Document(typed), event))
    assert [one.text for one in found] == offered
    for one in found:
        assert typed.endswith(one.text[: -one.start_position])
