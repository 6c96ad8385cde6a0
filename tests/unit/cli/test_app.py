"""How a command starts and ends: flags, exit status, and what it prints to which stream."""

import ast
import logging
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from absl import flags

import t2tlite
from t2tlite import plugins
from t2tlite.cli import app
from t2tlite.data.samples import checked
from t2tlite.errors import DataError, SampleError


def test_success(command, own_flags):
    def main():
        print(own_flags.count)

    assert command(main, "--count=3") == (0, "3\n", "")


def raises(error):
    def main():
        raise error

    return main


def test_an_error_is_one_line(command):
    assert command(raises(DataError("no data: mend it"))) == (1, "", "t2t-test: no data: mend it\n")


def test_an_error_with_a_cause_inside_is_one_line_too(command):
    error = DataError("no data")
    error.__cause__ = ValueError("inner")
    assert command(raises(error)) == (1, "", "t2t-test: no data\n")


def test_ctrl_c(command):
    status, out, err = command(raises(KeyboardInterrupt()))
    assert (status, out) == (130, "")
    assert err.startswith("t2t-test: stopped by Ctrl-C")
    assert err.count("\n") == 1


def test_a_bug_keeps_its_traceback(own_flags, monkeypatch):
    monkeypatch.setattr("sys.argv", ["t2t-test"])
    with pytest.raises(ZeroDivisionError):
        app.command(raises(ZeroDivisionError()))()


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--coun=3", "Unknown command line flag 'coun'. Did you mean: count"),
        ("--count=many", "flag --count=many"),
        ("count=3", "unexpected argument 'count=3'; flags are --name=value"),
    ],
)
def test_a_wrong_flag(command, argument, message):
    status, out, err = command(raises(AssertionError), argument)
    assert (status, out) == (2, "")
    assert err.startswith("t2t-test: ")
    assert message in err
    assert err.endswith("(--help lists all flags)\n")


def test_a_required_flag(command):
    status, _, err = command(lambda: app.require("count", "t2t_usr_dir"))
    assert (status, err) == (2, "t2t-test: --t2t_usr_dir must be given (--help lists all flags)\n")


def test_a_tilde_is_the_home_folder(command, own_flags, monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    flags.DEFINE_string("data_dir", "", "Folder.", flag_values=own_flags)
    flags.DEFINE_string("inputs", "", "Text.", flag_values=own_flags)

    def show():
        print(own_flags.data_dir, own_flags.inputs)

    status, out, _ = command(show, "--data_dir=~/data", "--inputs=~/data")
    assert (status, out) == (0, "/home/me/data ~/data\n")


def test_a_flag_that_is_repeated_has_each_value_once(command, own_flags, monkeypatch):
    monkeypatch.setenv("HOME", "/home/someone")
    flags.DEFINE_multi_string("more_dir", [], "Folders.", flag_values=own_flags)

    def main():
        print(own_flags.more_dir)

    given = "--more_dir=~/a", "--more_dir=b"
    assert command(main, *given) == (0, "['/home/someone/a', 'b']\n", "")


def test_a_url_of_an_unknown_scheme_is_refused(command, own_flags):
    flags.DEFINE_string("data_dir", "", "Folder.", flag_values=own_flags)
    status, _, err = command(raises(AssertionError), "--data_dir=ftp://mine/data/x")
    assert status == 1
    assert err == (
        "t2t-test: --data_dir=ftp://mine/data/x: ftp:// is unknown; expected a path, gs://, s3:// "
        "or https://\n"
    )


def test_file_urls_are_paths(command, own_flags):
    for name in ("data_dir", "decode_from_file"):
        flags.DEFINE_string(name, "", "Path.", flag_values=own_flags)

    def show():
        print(own_flags.data_dir, own_flags.decode_from_file)

    status, out, _ = command(show, "--data_dir=file:///data", "--decode_from_file=file:///a,b")
    assert (status, out) == (0, "/data /a,b\n")


def test_the_users_traceback_is_beneath_the_line(command):
    def users_hook():
        yield {"inputs": "a"}
        raise LookupError("theirs")

    def main():
        list(checked(users_hook, "p: generate_samples(train)", {"inputs": str}))

    status, _, err = command(main)
    first, second, *trace = err.splitlines()
    assert status == 1
    assert first == (
        "t2t-test: p: generate_samples(train) raised LookupError at sample 1: theirs; mend the hook"
    )
    assert second == "Traceback (your code):"
    # It starts at the first frame of the hook and has no frame of t2tlite.
    assert "in users_hook" in trace[0]
    assert 'raise LookupError("theirs")' in trace[1]
    assert trace[-1] == "LookupError: theirs"
    assert "samples.py" not in err


@pytest.mark.usefixtures("own_names")
def test_any_error_in_a_plugin_is_one_line_above_its_own_frames(command, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    plugin = tmp_path / "app_plugin.py"
    plugin.write_text("import json\ndef hook():\n    return json.loads('{').iteritems()\n")

    def main():
        sys.modules["app_plugin"].hook()

    status, _, err = command(main, f"--t2t_usr_dir={plugin}")
    first, second, *trace = err.splitlines()
    assert (status, second) == (1, "Traceback (your code):")
    assert first.startswith(f"t2t-test: {plugin}, line 3: JSONDecodeError: Expecting property name")
    assert first.endswith("; mend it")
    assert "decoder.py" not in err
    assert trace[-1].startswith("json.decoder.JSONDecodeError: ")


def test_a_sample_error_of_our_own_has_no_traceback(command):
    status, _, err = command(raises(SampleError("found a list")))
    assert (status, err) == (1, "t2t-test: found a list\n")


def test_help(command):
    status, out, err = command(raises(AssertionError), "--help")
    assert (status, err) == (0, "")
    # The docstring of the module that defines `main`.
    assert out.startswith("How a command starts and ends: ")
    assert "Accepted for Tensor2Tensor's sake, without effect: cloud_" in out


def test_examples_in_help_keep_their_line_breaks():
    for path in Path(app.__file__).parent.glob("*.py"):
        shown = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        assert not re.search(r"\S {4,}-", shown), f"{path.name}: a line that ends in \\ needs \\\\"


def test_the_version(command):
    status, out, err = command(raises(AssertionError), "--version")
    assert (status, out, err) == (0, f"t2t-test: t2tlite {t2tlite.__version__}\n", "")


def test_help_names_the_command_and_shows_what_most_commands_share_first():
    words = [sys.executable, "-m", "t2tlite", "datagen", "--help"]
    text = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    titles = [line for line in text.splitlines() if line.startswith("Flags ")]
    assert titles[:2] == ["Flags of several commands:", "Flags of t2t-datagen:"]
    assert text.index("--data_dir:") < text.index("Flags of t2t-datagen:") < text.index("--runner:")
    # A line that goes on in the next keeps its backslash.
    assert re.search(r"--runner=beam \\\n +--beam_options", text)


def test_registry_help(command, own_flags):
    flags.DEFINE_bool("registry_help", False, "List names.", flag_values=own_flags)
    status, out, err = command(raises(AssertionError), "--registry_help")
    assert (status, err) == (0, "")
    assert "reverse_digits" in out


def test_a_plugin_may_define_flags(command, own_flags, monkeypatch):
    def load(folder):
        assert folder == "mine"
        flags.DEFINE_integer("theirs", 0, "Of the plugin.", flag_values=own_flags)

    monkeypatch.setattr(plugins, "load_usr_dir", load)
    status, out, err = command(lambda: print(own_flags.theirs), "--theirs=5", "--t2t_usr_dir=mine")
    assert (status, out, err) == (0, "5\n", "")


def test_log_lines_go_to_standard_error(command):
    def main():
        logger = logging.getLogger("t2tlite.anything")
        logger.info("plain")
        logger.warning("careful")

    assert command(main) == (0, "", "plain\nwarning: careful\n")


def test_tensorflows_warnings_of_retracing_are_hidden(command, caplog):
    def main():
        logger = logging.getLogger("tensorflow")
        logger.warning("%d out of the last %d calls to f triggered tf.function retracing.", 5, 26)
        logger.warning("something else")

    assert command(main)[0] == 0
    assert [record.getMessage() for record in caplog.records] == ["something else"]


def test_a_reader_of_the_output_that_exits_is_no_error():
    read_end, write_end = os.pipe()
    os.close(read_end)
    code = (
        "from t2tlite.cli import app\n"
        "def main(): print('a line', flush=True)\n"
        "app.command(main)()\n"
    )
    words = [sys.executable, "-c", code]
    done = subprocess.run(words, stdout=write_end, stderr=subprocess.PIPE, text=True)
    os.close(write_end)
    assert (done.returncode, done.stderr) == (0, "")
