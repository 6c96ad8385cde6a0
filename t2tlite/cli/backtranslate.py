"""t2t-backtranslate: makes training pairs of text in the target language, by a reverse model.

t2t-backtranslate --output_dir=model_deen --decode_from_file=news.de --data_dir=data \\
                  --problem_name=news_bt
t2t-trainer --problem='translate_ende+news_bt<BT>:1*0.5' --data_dir=data --generate_data ...

The first command can be stopped and run again. docs/mixtures.md explains tag and weight.
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
shared_flags.define_engine_flag()
flags.DEFINE_string("output_dir", "", "Model folder of the reverse model.")
flags.DEFINE_string("decode_from_file", "", "Lines of text in the target language.")
flags.DEFINE_string("problem_name", "", "Name of the problem that the pairs become.")
flags.DEFINE_float("dev_share", 0.01, "Share of the inputs to evaluate on.", 0.0, 1.0)
flags.DEFINE_float(
    "max_ratio", 0.0, "Leave out pairs with one text this much longer than the other.", 0.0
)
flags.DEFINE_integer("num_workers", 0, "Processes that encode; 0: one per core.", 0, 1024)


def main() -> None:
    """Translates back and makes the problem."""
    app.require("output_dir", "decode_from_file", "data_dir", "problem_name")
    decode_hparams = shared_flags.decode_hparams()
    run_record.read(FLAGS.output_dir)
    from t2tlite.back_translation import TAG, back_translate

    counts = back_translate(
        shared_flags.load_decoder(decode_hparams, shared_flags.device()),
        FLAGS.decode_from_file,
        FLAGS.data_dir,
        FLAGS.problem_name,
        dev_share=FLAGS.dev_share,
        max_ratio=FLAGS.max_ratio,
        num_workers=FLAGS.num_workers or cores.available(),
    )
    name, pairs = FLAGS.problem_name, f"{counts.get('train', 0):,}"
    log.info("%s: %s pairs; mix them in: --problem='REAL_PAIRS+%s%s:1*0.5'", name, pairs, name, TAG)


run = app.command(main, shared_flags)
