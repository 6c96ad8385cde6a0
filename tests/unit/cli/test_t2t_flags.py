"""T2T's flags without a meaning: accepted, told when given, and no others' names."""

import pytest

from t2tlite.cli import t2t_flags


def test_nothing_is_told_unless_given(command):
    assert command(lambda: None) == (0, "", "")


@pytest.mark.parametrize(
    ("argument", "name"),
    [("--log_device_placement", "log_device_placement"), ("--ps_gpu=2", "ps_gpu"),
     ("--master=local", "master"), ("--nosync", "sync")],
)  # fmt: skip
def test_given_ones_are_told(command, argument, name):
    status, out, err = command(lambda: None, argument)
    assert (status, out) == (0, "")
    assert err == f"warning: --{name} is ignored: it {t2t_flags.IGNORED[name][1]}\n"


def test_every_one_is_accepted_with_t2ts_default(command):
    def text(value):
        return str(value).lower() if isinstance(value, bool) else value

    arguments = [f"--{name}={text(default)}" for name, (default, _) in t2t_flags.IGNORED.items()]
    status, _, err = command(lambda: None, *arguments)
    assert status == 0
    assert err.count(" is ignored: it ") == len(arguments)


def test_the_summary_names_all():
    assert all(name in t2t_flags.summary() for name in t2t_flags.IGNORED)
