"""t2t-bleu: BLEU and chrF of translations against a reference, by sacrebleu.

t2t-bleu --translation=lines.decodes --reference=right.txt
t2t-bleu --translations_dir=translations --reference=right.txt     # what t2t-translate-all wrote
"""

from __future__ import annotations

from pathlib import Path

from absl import flags

from t2tlite.cli import app

FLAGS = flags.FLAGS

flags.DEFINE_string("translation", "", "File of decoded lines.")
flags.DEFINE_string("translations_dir", "", "Folder of files NAME-STEP, a line for each.")
flags.DEFINE_string("reference", "", "File of references; several joined by commas.")
flags.DEFINE_string("tokenize", "13a", "sacrebleu's tokenizer: 13a, intl, char, none, ...")
flags.DEFINE_bool("lowercase", False, "Ignore case (T2T's uncased BLEU).")
flags.DEFINE_string("event_dir", "", "Folder of TensorBoard events of --translations_dir.")
flags.DEFINE_integer("min_steps", 0, "Skip files of fewer steps.", -1, 2**31 - 1)
flags.DEFINE_float("wait_minutes", 0, "Minutes to wait for a new file.", 0.0, 1e6)


def main() -> None:
    """Prints the scores; of --translation with sacrebleu's signatures."""
    app.require("reference")
    if bool(FLAGS.translation) == bool(FLAGS.translations_dir):
        raise app.UsageError("--translation or --translations_dir must be given")
    if FLAGS.translation and (FLAGS.event_dir or FLAGS.wait_minutes or FLAGS.min_steps > 0):
        raise app.UsageError("--event_dir, --wait_minutes, --min_steps go with --translations_dir")
    from t2tlite.decode.bleu import Quality, file_bleu, translations_bleu

    def compare(path: str | Path) -> Quality:
        return file_bleu(path, FLAGS.reference, FLAGS.tokenize, FLAGS.lowercase)

    if FLAGS.translation:
        print(compare(FLAGS.translation).text)
        return
    qualities = translations_bleu(
        FLAGS.translations_dir, compare, FLAGS.min_steps, FLAGS.wait_minutes, FLAGS.event_dir
    )
    for path, quality in qualities:
        scores = f"BLEU {quality.bleu:.2f}  chrF {quality.chrf:.2f}"
        print(f"{path}  {scores}  exact match {quality.exact:.2f} %", flush=True)


run = app.command(main)
