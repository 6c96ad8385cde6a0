"""t2t-tpu-check: compiles training, evaluation and decoding for a TPU that isn't here.

The compiler is the TPU's own, from the package libtpu; it runs on any CPU. Says whether all
compiles and fits the memory, what a step computes and exchanges, what wastes the matrix unit and
which hparam would mend it, and how fast and dear it would be at best.

  t2t-tpu-check --problem=psalm_line_problem --data_dir=data --model=transformer \\
    --hparams_set=transformer_poetry --topology=v5e:2x4
"""

from __future__ import annotations

from absl import flags

from t2tlite import registry
from t2tlite.checkpoint import run_record
from t2tlite.cli import app, shared_flags, t2t_flags
from t2tlite.tpu_check import topology

FLAGS = flags.FLAGS

shared_flags.define_model_flags()
flags.DEFINE_string(
    "topology", "v5e:2x4", f"Generation, colon, chips each way: {topology.EXAMPLES}."
)
flags.DEFINE_bool("search_batch_size", True, "Look for the largest batch_size that fits.")
flags.DEFINE_float("dollars_per_chip_hour", 0.0, "What a chip costs; 0: cost isn't told.", 0.0)
flags.DEFINE_bool(
    "scaling", False, "Instead: training on 8, 64 and 256 cores of the topology's generation."
)
t2t_flags.define(t2t_flags.TRAINING)


def main() -> None:
    """Checks what the flags describe."""
    app.require("data_dir")
    topology.require_compiler()
    if FLAGS.output_dir and not FLAGS.problem:
        described = run_record.read(FLAGS.output_dir)
        run_record.load_plugins(described, shared_flags.usr_dirs())
    else:
        app.require("problem", "model", "hparams_set")
        registry.problem(FLAGS.problem)
        registry.model(FLAGS.model)
        hparams = registry.hparams(FLAGS.hparams_set).override(FLAGS.hparams).check()
        described = run_record.RunRecord.describe(
            FLAGS.problem, FLAGS.model, hparams, shared_flags.usr_dirs()
        )
    # Only now: it imports jax and keras, which take seconds.
    from t2tlite.tpu_check import check

    if FLAGS.scaling:
        check.scaling(described, FLAGS.data_dir, check.sizes_of(FLAGS.topology))
        return
    check.check(
        described,
        FLAGS.data_dir,
        FLAGS.topology,
        search_batch_size=FLAGS.search_batch_size,
        dollars_per_chip_hour=FLAGS.dollars_per_chip_hour,
    )


def run() -> None:
    """The console command."""
    # A plugin of the user's may import keras, which fixes its backend.
    topology.set_variables()
    app.command(main, shared_flags)()
