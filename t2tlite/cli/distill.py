"""t2t-distill: makes training data of what a trained model, or an ensemble, says.

t2t-distill --output_dir=teacher --ensemble_dir=teacher2 --data_dir=data --problem_name=taught
t2t-trainer --problem=taught --data_dir=data --output_dir=student ...

The first command can be stopped and run again. docs/quality.md says when it is worth it.
"""

from __future__ import annotations

import logging

from absl import flags

from t2tlite import cores
from t2tlite.checkpoint import run_record
from t2tlite.cli import app, shared_flags

FLAGS = flags.FLAGS
log = logging.getLogger("t2tlite.cli")

shared_flags.define_device_flags()
shared_flags.define_decoding_flags()
shared_flags.define_ensemble_flags()
flags.DEFINE_string("output_dir", "", "Model folder of the teacher.")
flags.DEFINE_string(
    "decode_from_file", "", "Lines to answer; by default the inputs of the teacher's data."
)
flags.DEFINE_string("problem_name", "", "Name of the problem that the answers become.")
flags.DEFINE_enum(
    "targets",
    "teacher",
    ["teacher", "data", "both"],
    "Targets of the training examples: the teacher's answers, those of its data, or both.",
)
flags.DEFINE_integer(
    "top_k", 0, "Tokens of the teacher's distribution kept for each target token; 0: none.", 0, 1024
)
flags.DEFINE_float("dev_share", 0.01, "Share of the file's lines to evaluate on.", 0.0, 1.0)
flags.DEFINE_bool("overwrite", False, "Make data again that are complete.")
flags.DEFINE_integer("num_workers", 0, "Processes that encode; 0: one per core.", 0, 1024)


def main() -> None:
    """Has the teacher make the problem."""
    app.require("output_dir", "data_dir", "problem_name")
    decode_hparams = shared_flags.decode_hparams()
    run_record.read(FLAGS.output_dir)
    shared_flags.log_unneeded("problem")
    from t2tlite.distillation import distill

    counts = distill(
        shared_flags.load_decoder(decode_hparams, shared_flags.device()),
        FLAGS.data_dir,
        FLAGS.problem_name,
        FLAGS.decode_from_file,
        targets=FLAGS.targets,
        top_k=FLAGS.top_k,
        dev_share=FLAGS.dev_share,
        num_workers=FLAGS.num_workers or cores.available(),
        overwrite=FLAGS.overwrite,
    )
    name, hparams = FLAGS.problem_name, " --hparams=task_balance=0.5" if FLAGS.top_k else ""
    log.info(
        "%s: %s examples; train a student: t2t-trainer --problem=%s --data_dir=%s%s",
        *(name, f"{counts.get('train', 0):,}", name, FLAGS.data_dir, hparams),
    )


run = app.command(main, shared_flags)
