"""t2t-avg-all: averages the weights of the last or best checkpoints into a model folder of its own.

t2t-avg-all --model_dir=model --output_dir=model/averaged --n=8
t2t-avg-all --model_dir=model --output_dir=model/averaged --n=4 --metric=accuracy_per_sequence
"""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

from absl import flags

from t2tlite.checkpoint import eval_log
from t2tlite.cli import app
from t2tlite.errors import CheckpointError

FLAGS = flags.FLAGS
log = logging.getLogger("t2tlite.cli")

flags.DEFINE_string("model_dir", "", "Model folder whose checkpoints are averaged.")
flags.DEFINE_string("output_dir", "", "Folder of the average; by default MODEL_DIR/averaged.")
flags.DEFINE_integer("n", 8, "Newest checkpoints to average; with --metric: best ones.", 1)
flags.DEFINE_string("metric", "", "Average the best by this metric of eval.jsonl, such as loss.")
flags.DEFINE_integer("min_steps", 0, "Leave out checkpoints of fewer steps.", 0)


def main() -> None:
    """Writes a folder that t2t-decoder can use like any other."""
    app.require("model_dir")
    from t2tlite.checkpoint import checkpoints, run_record
    from t2tlite.files import atomic, make_folder

    folder = Path(FLAGS.model_dir)
    run = run_record.read(folder)
    steps = [step for step in checkpoints.steps(folder) if step >= FLAGS.min_steps]
    if not steps:
        raise CheckpointError(f"{folder} has no checkpoint of {FLAGS.min_steps} steps or more")
    steps = eval_log.best_steps(folder, steps, FLAGS.metric) if FLAGS.metric else steps
    steps = sorted(steps[: FLAGS.n] if FLAGS.metric else steps[-FLAGS.n :])
    if len(steps) < FLAGS.n:
        log.warning(
            "found %d checkpoints of --n=%d, the oldest of step %d; --min_steps leaves out early "
            "ones",
            *(len(steps), FLAGS.n, steps[0]),
        )
    run.check_vocabularies(folder)
    mean = checkpoints.average([checkpoints.weights_path(folder, step) for step in steps])
    output = make_folder(FLAGS.output_dir or folder / "averaged")
    if output.resolve() == folder.resolve():
        raise CheckpointError("--output_dir is the model's own folder; choose another")
    if any(output.glob("optimizer.ckpt-*")):
        raise CheckpointError(f"--output_dir={output} holds a trained model; choose another")
    for name in [run_record.NAME, *run.vocabularies]:
        with open(folder / name, "rb") as old, atomic(output / name) as new:
            shutil.copyfileobj(old, new)
    checkpoints.write_weights(output, steps[-1], mean)
    log.info("averaged the steps %s into %s", ", ".join(map(str, steps)), output)


run = app.command(main)
