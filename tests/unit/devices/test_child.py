"""A process that ends with its parent."""

import signal
import subprocess
import sys

import pytest

from t2tlite.devices import child

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells of an end")


def test_one_whose_parent_is_gone_does_not_run():
    words = child.command([sys.executable, "-c", "print('ran')"], signal.SIGTERM)
    words[words.index(child.__file__) + 1] = "1"  # the parent's number
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == (
        "",
        "the process that started this one ended before it ran\n",
    )
