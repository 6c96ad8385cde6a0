"""The prompt: lines, history and completion."""

import os
import sys
import termios

import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from t2tlite.interactive import prompt, session


@pytest.fixture
def press(monkeypatch, tmp_path):
    """A function that presses keys at a prompt; returns the lines that it yields."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))

    def press(keys):
        with create_pipe_input() as source, create_app_session(source, DummyOutput()):
            source.send_text(keys)
            return list(prompt.typed_lines(prompt.make_session([], [], lambda: "")))

    return press


def test_lines_until_ctrl_d_and_history_across_processes(press):
    assert press("one\rtwx\x7fo\r\x04") == ["one", "two"]
    # Two steps up.
    assert press("\x1b[A\x1b[A\r\x04") == ["one"]


def test_ctrl_c_discards_the_line(press):
    assert press("wrong\x03right\r\x04") == ["right"]


def test_a_home_that_cannot_be_written_to_costs_the_history_alone(press, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    assert press("one\rtwo\r\x04") == ["one", "two"]
    assert press("\x1b[A\r\x04") == [""]


def test_keys_pressed_during_an_answer_are_not_shown(monkeypatch):
    master, slave = os.openpty()
    with open(slave) as terminal:
        monkeypatch.setattr(sys, "stdin", terminal)
        before = termios.tcgetattr(terminal)
        with prompt.hidden_keys():
            assert not termios.tcgetattr(terminal)[3] & termios.ECHO
            os.write(master, b"ab\n")
        assert termios.tcgetattr(terminal) == before
        assert terminal.readline() == "ab\n"
    os.close(master)


@pytest.mark.parametrize(
    ("typed", "offered_while_typing", "completions"),
    [
        (":", True, [":attention", ":help", ":next", ":reset", ":set "]),
        (":n", True, [":next"]),
        ("n", False, ["ns="]),
        ("now", False, []),
        (":set alpha=1,beam", True, ["beam_size="]),
        (":set sampling_k", True, ["sampling_keep_top_k="]),
    ],
)
def test_commands_are_completed(typed, offered_while_typing, completions):
    assignments = ["alpha=", "beam_size=", "sampling_keep_top_k="]
    with create_pipe_input() as source, create_app_session(source, DummyOutput()):
        opened = prompt.make_session(session.COMMANDS, assignments, lambda: "")
    opened.default_buffer.reset(Document(typed))
    assert opened.default_buffer.complete_while_typing() == offered_while_typing
    offered = list(
        opened.completer.get_completions(opened.default_buffer.document, CompleteEvent())
    )
    assert [completion.text for completion in offered] == completions
    for completion in offered:
        assert typed.endswith(completion.text[: -completion.start_position])
