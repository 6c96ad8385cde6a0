"""Runs t2t-trainer for several plugins in one process, since TensorFlow's import takes seconds.

Reads a list of runs, [name, [flags]], as JSON from standard input; prints a line of JSON for each:
its name and what went wrong, or null.
"""

import gc
import json
import sys
import traceback

from t2tlite.cli import app, trainer
from t2tlite.training import curves


def run(words: list[str]) -> None:
    sys.argv = ["t2t-trainer", *words]
    app.FLAGS.unparse_flags()
    for name in app.FLAGS:
        app.FLAGS[name].unparse()
    app.parse_flags()
    trainer.main()


if __name__ == "__main__":
    gc.set_threshold(50_000, 20, 20)
    # A tenth of the time of a run; tests/unit/training/test_curves.py draws them.
    curves.draw = lambda output_dir: None
    for name, words in json.load(sys.stdin):
        try:
            run(words)
            error = None
        except Exception:
            error = traceback.format_exc()
        print("\n" + json.dumps({"name": name, "error": error}), flush=True)
