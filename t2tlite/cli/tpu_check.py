"""t2t-tpu-check: compiles training, evaluation and decoding for a TPU on a machine without one.

The compiler is the TPU's own, from the package libtpu; it runs on any CPU. The report shows whether
all steps compile and fit the memory, the largest batch_size that fits, how much of a batch is
padding, the share of products in a step's operations, the collectives, and which hparams leave a
part of the matrix unit idle.

  t2t-tpu-check --problem=psalm_line_problem --data_dir=data --model=transformer \\
    --hparams_set=transformer_poetry --topology=v5e:2x4
"""

from __future__ import annotations

from absl import flags

from t2tlite import registry
from t2tlite.checkpoint import run_record, trained_problem
from t2tlite.cli import app, shared_flags, t2t_flags
from t2tlite.tpu_check import topology

FLAGS = flags.FLAGS

shared_flags.define_model_flags()
flags.DEFINE_string("topology", "v5e:2x4", f"Generation and chips: {topology.EXAMPLES}.")
flags.DEFINE_bool("search_batch_size", True, "Look for the largest batch_size that fits.")
t2t_flags.define(t2t_flags.DECODING, t2t_flags.REFUSED)


def main() -> None:
    """Checks the training that the flags describe."""
    app.require("data_dir")
    topology.require_compiler()
    if FLAGS.output_dir and not FLAGS.problem:
        record = run_record.read(FLAGS.output_dir)
        trained_problem.load_plugins(record, shared_flags.usr_dirs())
    else:
        app.require("problem", "model", "hparams_set")
        registry.problem(FLAGS.problem)
        registry.model(FLAGS.model)
        hparams = registry.hparams(FLAGS.hparams_set).override(FLAGS.hparams).check()
        record = run_record.RunRecord.describe(
            FLAGS.problem, FLAGS.model, hparams, shared_flags.usr_dirs()
        )
    # Imports jax and keras, which takes seconds.
    from t2tlite.tpu_check.check import check

    check(record, FLAGS.data_dir, FLAGS.topology, FLAGS.search_batch_size)


def run() -> None:
    """The console command."""
    # Before a plugin imports keras, which fixes the backend.
    topology.set_variables()
    app.command(main, shared_flags)()
