"""A process that ends with its parent."""

import signal
import subprocess
import sys

import pytest

from t2tlite.devices import child_process

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux signals a parent's end")


def test_a_process_whose_parent_ended_does_not_run():
    words = child_process.command([sys.executable, "-c", "print('ran')"], signal.SIGTERM)
    words[words.index(child_process.__file__) + 1] = "1"  # the parent's process id
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == (
        "",
        "the parent process ended before this process could run\n",
    )
