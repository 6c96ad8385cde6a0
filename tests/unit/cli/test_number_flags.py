"""Every flag that takes a number has bounds; a number outside of them is one line and status 2."""

import subprocess
import sys

import pytest

COMMANDS = [
    *("avg_all", "bleu", "datagen", "decoder", "eval", "exporter", "import_checkpoint", "inspect"),
    *("query_server", "server", "tpu_check", "trainer", "translate_all"),
]
# In a process of its own, since a command's flags are global.
SCRIPT = """
import contextlib, importlib, io, sys
from absl import app, flags

OWN = set(flags.FLAGS)
command = importlib.import_module("t2tlite.cli." + sys.argv[1])
FLAGS = flags.FLAGS
numbers = (flags.IntegerParser, flags.FloatParser)
names = [n for n in FLAGS if n not in OWN and isinstance(FLAGS[n].parser, numbers)]
for name in names:
    parser = FLAGS[name].parser
    assert parser.lower_bound is not None and parser.upper_bound is not None, name
    for value in ("-" + 20 * "9", 20 * "9", 5000 * "9", "nan", "inf", "1e400", "many"):
        if value == "1e400" and isinstance(parser, flags.IntegerParser):
            continue
        sys.argv = ["t2t-test", f"--{name}={value}"]
        error = io.StringIO()
        status = None
        with contextlib.redirect_stderr(error):
            try:
                command.run()
            except SystemExit as exit:
                status = exit.code
        text = error.getvalue()
        assert status == 2 and text.count("\\n") == 1 and name in text, (name, value, status, text)
        FLAGS[name].unparse()
print(len(names))
"""


@pytest.mark.parametrize("command", COMMANDS)
def test_numbers_out_of_bounds(command):
    result = subprocess.run(
        [sys.executable, "-c", SCRIPT, command], capture_output=True, text=True, timeout=120
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip().isdecimal()
