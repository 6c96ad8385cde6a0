"""t2t-eval: evaluates a trained model: loss and metrics on the problem's evaluation data.

  t2t-eval --output_dir=model --data_dir=data
  t2t-eval --output_dir=model --data_dir=data --eval_use_test_set --checkpoint_path=best

By default the newest checkpoint is evaluated. With --eval_timeout_mins=N each later one is, too,
until none comes for N minutes. All flags of t2t-trainer are accepted.
"""

from __future__ import annotations

from absl import flags

from t2tlite.cli import app, schedules, shared_flags, trainer

FLAGS = flags.FLAGS

# T2T waits 240 minutes.
FLAGS.set_default("eval_timeout_mins", 0)


def main() -> None:
    """Evaluates."""
    FLAGS["schedule"].value = "continuous_eval" if FLAGS.eval_timeout_mins else "evaluate"
    trainer.main()


run = app.command(main, trainer, schedules, shared_flags)
