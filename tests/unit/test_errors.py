"""Messages are one line, whatever they quote."""

import pickle

import pytest

from t2tlite.data.samples import checked
from t2tlite.errors import (
    DataError,
    DuplicateNameError,
    HParamsError,
    PluginError,
    SampleError,
    UnknownNameError,
)


@pytest.mark.parametrize("kind", [DataError, DuplicateNameError, HParamsError, UnknownNameError])
def test_a_message_is_one_line(kind):
    message = "a\rb\nc\x85d\u2028e\0f\x1b[31m é ☺ 'quoted'"
    assert str(kind(message)) == "a\\rb\\nc\\x85d\\u2028e\\x00f\\x1b[31m é ☺ 'quoted'"


def test_a_plugin_error_keeps_its_traceback():
    assert str(PluginError("failed:\nTraceback")) == "failed:\nTraceback"


def test_a_notebook_shows_one_line():
    assert UnknownNameError("no\nname")._render_traceback_() == ["UnknownNameError: no\\nname"]


def test_a_notebook_shows_the_lines_of_the_users_code():
    def hook():
        raise ZeroDivisionError("in the hook")
        yield

    with pytest.raises(SampleError) as caught:
        list(checked(hook, "mine", {}))
    shown = caught.value._render_traceback_()
    assert shown[0].startswith(
        "SampleError: mine raised ZeroDivisionError at sample 0: in the hook"
    )
    assert any('raise ZeroDivisionError("in the hook")' in line for line in shown)
    assert not any("samples.py" in line for line in shown)
    again = pickle.loads(pickle.dumps(caught.value))
    assert again._render_traceback_() == shown


@pytest.mark.parametrize("kind", [UnknownNameError, DuplicateNameError])
def test_errors_of_names_are_key_errors(kind):
    """As in T2T."""
    with pytest.raises(KeyError, match="^a name$"):
        raise kind("a name")
