"""t2t-avg-all: averages the weights of the newest or best checkpoints into a new model folder.

t2t-avg-all --model_dir=model --output_dir=model/averaged --n=8
t2t-avg-all --model_dir=model --output_dir=model/averaged --n=4 --metric=accuracy_per_sequence
"""

from __future__ import annotations

import logging
from pathlib import Path

from absl import flags

from t2tlite.checkpoint import eval_log
from t2tlite.cli import app, t2t_flags
from t2tlite.errors import CheckpointError

FLAGS = flags.FLAGS
log = logging.getLogger("t2tlite.cli")

flags.DEFINE_string("model_dir", "", "Model folder whose checkpoints are averaged.")
flags.DEFINE_string("output_dir", "", "Folder of the average; by default MODEL_DIR/averaged.")
flags.DEFINE_integer("n", 8, "Number of checkpoints to average.", 1, 2**31 - 1)
flags.DEFINE_string("metric", "", "Average the best by this metric of eval.jsonl, not the newest.")
t2t_flags.define({}, {"wait_minutes": ("0", "run the command again when training has saved more")})
flags.DEFINE_integer("min_steps", 0, "Ignore checkpoints of fewer steps.", 0, 2**31 - 1)


def main() -> None:
    """Writes a model folder for decoding."""
    app.require("model_dir")
    from t2tlite.checkpoint import averages, checkpoints, model_card, run_record
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
            "found %d checkpoints of --n=%d, the oldest of step %d; --min_steps ignores early ones",
            *(len(steps), FLAGS.n, steps[0]),
        )
    run.check_vocabularies(folder)
    output = Path(FLAGS.output_dir or folder / "averaged")
    if output.is_symlink() and not FLAGS.output_dir:
        # The model folder may be somebody else's.
        raise CheckpointError(f"{output} is a link to {output.resolve()}; give --output_dir")
    make_folder(output)
    if output.resolve() == folder.resolve():
        raise CheckpointError("--output_dir is the model's own folder; choose another")
    with checkpoints.locked_folder(output):
        if any(output.glob("optimizer.ckpt-*")):
            raise CheckpointError(f"--output_dir={output} holds a trained model; choose another")
        for name in [run_record.NAME, *run.vocabularies]:
            if not (output / name).parent.resolve().is_relative_to(output.resolve()):
                raise CheckpointError(f"{output / name} is in a linked folder; remove the link")
            with atomic(output / name) as file:
                file.write((folder / name).read_bytes())
        mean = averages.average([checkpoints.weights_path(folder, step) for step in steps])
        checkpoints.write_weights(output, steps[-1], mean)
        model_card.write(output, run)
    log.info("wrote the average of the steps %s to %s", ", ".join(map(str, steps)), output)


run = app.command(main)
