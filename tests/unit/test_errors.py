"""Messages are one line, whatever they quote."""

import pytest

from t2tlite.errors import (
    DataError,
    DuplicateNameError,
    HParamsError,
    PluginError,
    UnknownNameError,
)


@pytest.mark.parametrize("kind", [DataError, DuplicateNameError, HParamsError, UnknownNameError])
def test_a_message_is_one_line(kind):
    message = "a\rb\nc\x85d\u2028e\0f\x1b[31m é ☺ 'quoted'"
    assert str(kind(message)) == "a\\rb\\nc\\x85d\\u2028e\\x00f\\x1b[31m é ☺ 'quoted'"


def test_a_plugin_error_keeps_its_traceback():
    assert str(PluginError("failed:\nTraceback")) == "failed:\nTraceback"
