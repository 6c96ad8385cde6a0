"""Interactive decoding, with a small model that has learned to reverse digits."""

import io
import json
import math
import signal
import threading
import types
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from t2tlite.decode.decode_hparams import DecodeHParams, Hypothesis
from t2tlite.decode.decoder import Decoder
from t2tlite.decode.engine import Answer
from t2tlite.decode.keras_search import Search
from t2tlite.errors import CheckpointError, DataError
from t2tlite.interactive import memory, session
from t2tlite.interactive.screen import Screen

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


def test_a_byte_order_mark_is_not_text(decoder, pipe):
    assert pipe("\ufeff3 1 4\n".encode()).out == f"{decoder.decode(['3 1 4'])[0]}\n"


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
    started = session.Session(language_model, Screen(is_terminal=False))
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

    def n_best(lines, decode_hparams, first):
        asked.extend(lines)
        return [[Hypothesis("5", 0.0, [7])] for _ in lines]

    monkeypatch.setattr(decoder, "n_best", n_best)
    shown = pipe(b" q\n :next\n ns=3\n q and a\nquiet\n:)\nns\n it\nq\n")
    assert asked == ["q", ":next", "ns=3", " q and a", "quiet", ":)", "ns", " it"]
    assert shown.out == "5\n" * 8


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("ns=0", "ns takes a whole number from 1 to 100, not '0'"),
        ("ns=101", "from 1 to 100"),
        ("dl=-1", "dl takes a whole number from 0 to 100000, not '-1'"),
        ("it=image", "it=image isn't supported; the input is text"),
        (":next", "there is no answer yet"),
        (":attention", "there is no answer yet"),
        (":nxt", "there is no command :nxt; :help lists them"),
        (":set beams=3", "no decode hparam is named beams"),
        (":set beam_size=0", "beam_size=0"),
        ("3\n:next 2", ":next takes a whole number from 1 to 1, not '2'"),
        ("3\n:attention 0 9", "there is no head 9; choose one of 0 to 3"),
        ("3\n:attention 0 1 2", "expected a layer and a head"),
    ],
)
def test_a_wrong_command_is_one_line_and_changes_nothing(decoder, pipe, line, message):
    shown = pipe(f"{line}\n9\n".encode())
    assert message in shown.err
    assert len(shown.err.splitlines()) == 1
    asked = [one for one in [*line.split("\n"), "9"] if one.isdecimal()]
    assert shown.out.splitlines() == decoder.decode(asked)


def test_a_line_that_cannot_be_answered_keeps_its_place(decoder, monkeypatch, pipe):
    def n_best(lines, decode_hparams, first):
        if lines == ["bad"]:
            raise DataError("not this line")
        return [[Hypothesis("5", 0.0, [7])] for _ in lines]

    monkeypatch.setattr(decoder, "n_best", n_best)
    shown = pipe(b"1\nbad\n2\n")
    assert shown.out == "5\n\n5\n"
    assert shown.err == "not this line\n"


def test_a_line_that_is_too_long_fails_by_its_number_and_the_session_continues(
    decoder, monkeypatch, pipe
):
    monkeypatch.setattr(type(decoder.engine), "max_tokens", lambda *_: 50)
    best = decoder.decode(["1 2", "3"])
    shown = pipe(b"1 2\n" + b"7 " * 60_000 + b"\n3\n")
    assert shown.out == f"{best[0]}\n\n{best[1]}\n"
    assert shown.err.startswith("line 2 has 60,001 tokens, and at most 50 fit; split it, or cut")


def test_damaged_weights_end_the_session(decoder, monkeypatch, pipe):
    monkeypatch.setattr(decoder.engine, "search", lambda *_: [[Answer([5], math.nan)]])
    with pytest.raises(CheckpointError, match="gives scores that are not finite"):
        pipe(b"1\n2\n")


def test_help_shows_all_commands_and_settings(pipe):
    shown = pipe(b"ns=3\n:help\n").out
    assert "(now 3)" in shown
    for command in session.COMMANDS:
        assert command.partition("=")[0] in shown


def test_broken_utf8_is_named_by_its_line(pipe):
    with pytest.raises(DataError, match="standard input, line 2: byte 0xff is not UTF-8"):
        pipe(b"1 2\n3 \xff\n")


# ---- a terminal


@pytest.fixture
def terminal(decoder, monkeypatch, capsys):
    """A function that types lines on a terminal; returns what it shows."""

    def terminal(*lines):
        monkeypatch.setattr(session, "_on_terminal", lambda: True)
        monkeypatch.setattr(session, "make_session", lambda *arguments: None)
        monkeypatch.setattr(session, "typed_lines", lambda prompt: iter(lines))
        session.interactive(decoder)
        first, _, rest = capsys.readouterr().out.partition("\n")
        assert first.startswith("Type a line; :help")
        return rest

    return terminal


def test_an_answer_grows_token_by_token(decoder, monkeypatch, terminal):
    written = []
    stream = Screen.stream

    def recording(self, answers):
        return stream(self, (written.append(answer.text) or answer for answer in answers))

    monkeypatch.setattr(Screen, "stream", recording)
    shown = terminal(":set beam_size=1", "3 1 4", ":next")
    first = greedy(decoder, "3 1 4").text
    assert shown == f"{first}\n{greedy(decoder, first).text}\n"
    assert written[:3] == [first[:1], first[:3], first[:5]]


def test_the_next_session_begins_with_the_settings(decoder, terminal, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr(session, "interactive", partial(session.interactive, remembers=True))
    sampling = ":set sampling_method=random,sampling_temp=0.9"
    assert terminal("ns=3", sampling, "dl=7", ":set beam_size=4,sampling_method=random") == ""
    kept = tmp_path / "t2tlite" / "settings.json"
    told = "beam_size=4, extra_length=7, sampling_method=random, sampling_temp=0.9, ns=3"
    line = f"As in your last session: {told}. :reset forgets it ({kept}).\n"
    assert terminal() == line
    shown = terminal(":help").removeprefix(line)
    assert "(now 3)" in shown and "(now 7)" in shown
    assert terminal(":reset", ":help").count("(now 1)") == 1
    assert json.loads(kept.read_text()) == {}
    assert terminal() == ""


@pytest.mark.parametrize(
    "found", ["{", "[]", "1", '{"MODEL": 1}', '{"MODEL": {"ns": "x"}}', '{"MODEL": {"beam": 2}}']
)
def test_damaged_settings_are_left_out(found, decoder, terminal, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr(session, "interactive", partial(session.interactive, remembers=True))
    kept = tmp_path / "t2tlite" / "settings.json"
    kept.parent.mkdir()
    kept.write_text(found.replace("MODEL", str(MODEL.resolve())))
    assert terminal("ns=2") == ""
    assert json.loads(kept.read_text())[str(MODEL.resolve())] == {"ns": 2}


def test_settings_of_a_hundred_models_are_kept(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    for number in range(103):
        memory.Memory(tmp_path / str(number)).write({"ns": number + 2})
    assert memory.Memory(tmp_path / "2").read() == {}
    assert memory.Memory(tmp_path / "3").read() == {"ns": 5}
    # Nowhere to write.
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    memory.Memory(tmp_path).write({"ns": 2})
    assert memory.Memory(tmp_path).read() == {}


def test_several_answers_are_a_table(decoder, terminal):
    shown = terminal("ns=2", "3 1 4").splitlines()
    assert "score" in shown[0]
    best = decoder.n_best(["3 1 4"])[0]
    for number, (line, one) in enumerate(zip(shown[1:], best, strict=True), start=1):
        assert line.split() == [str(number), f"{one.score:.3f}", *one.text.split()]


def test_ctrl_c_stops_the_answer_and_not_the_program(decoder, monkeypatch, terminal):
    n_best, stopped = decoder.n_best, threading.Event()

    def slow(lines, decode_hparams, first):
        if lines == ["8 8"]:
            # Computes until Ctrl-C has been handled.
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
            assert stopped.wait(60)
        return n_best(lines, decode_hparams, first=first)

    def printing(text, **options):
        print(text, **options)
        stopped.set() if text == "(stopped)" else None

    monkeypatch.setattr(decoder, "n_best", slow)
    monkeypatch.setattr(session, "print", printing, raising=False)
    assert terminal("8 8", "9") == f"(stopped)\n{n_best(['9'])[0][0].text}\n"


def test_a_line_before_the_search_is_compiled_says_so(decoder, monkeypatch, terminal):
    busy, typed, warm_up = Screen.busy, threading.Event(), decoder.warm_up

    def slow(*arguments):
        assert typed.wait(60)
        warm_up(*arguments)

    def showing(self, what):
        print(f"[{what}]")
        typed.set()
        return busy(self, what)

    monkeypatch.setattr(decoder, "warm_up", slow)
    monkeypatch.setattr(Screen, "busy", showing)
    answer = decoder.n_best(["9"])[0][0].text
    assert terminal("9") == f"[compiling, once for these settings]\n{answer}\n"


def test_lines_of_any_usual_length_share_what_was_traced(monkeypatch, capsys):
    traced = []
    call = Search.call

    def counting(self, features):
        traced.append(tuple(features["ids"].shape))
        return call(self, features)

    monkeypatch.setattr(Search, "call", counting)
    new_session = session.Session(Decoder(MODEL), Screen(is_terminal=True))
    new_session.run(["1", "2 3", "4 5 6 7 8 9 1 2 3 4 5", "1 2 3 4 5 6 7 8 9 " * 5])
    assert len(capsys.readouterr().out.splitlines()) == 4
    assert set(traced) == {(1, session.MIN_WIDTH)}
    # Keras may call a model once to build it, and once to trace it.
    assert len(traced) <= 2
