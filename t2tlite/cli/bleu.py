"""t2t-bleu: BLEU and chrF of translations against a reference, by sacrebleu.

t2t-bleu --translation=lines.decodes --reference=right.txt
t2t-bleu --translations_dir=translations --reference=right.txt     # what t2t-translate-all wrote
"""

from __future__ import annotations

from pathlib import Path

from absl import flags

from t2tlite.cli import app, t2t_flags

FLAGS = flags.FLAGS

flags.DEFINE_string("translation", "", "File of decoded lines.")
flags.DEFINE_string("translations_dir", "", "Folder of files NAME-STEP, a line for each.")
flags.DEFINE_string("reference", "", "File of references; several joined by commas.")
flags.DEFINE_string("tokenize", "13a", "sacrebleu's tokenizer: 13a, intl, char, none, ...")
flags.DEFINE_bool("lowercase", False, "The same as --bleu_variant=uncased.")
flags.DEFINE_enum(
    "bleu_variant", "cased", ["cased", "uncased", "both"], "Whether case counts in BLEU and chrF."
)
flags.DEFINE_string("event_dir", "", "Folder of TensorBoard events of --translations_dir.")
flags.DEFINE_string("tag_suffix", "", "What to add to the names of the scores in events.")
flags.DEFINE_integer("min_steps", 0, "Skip files of fewer steps.", -1, 2**31 - 1)
flags.DEFINE_float("wait_minutes", 0, "Minutes to wait for a new file.", 0.0, 1e6)


t2t_flags.define(t2t_flags.COMPARING)


def main() -> None:
    """Prints the scores; of --translation with sacrebleu's signatures."""
    app.require("reference")
    if bool(FLAGS.translation) == bool(FLAGS.translations_dir):
        raise app.UsageError("--translation or --translations_dir must be given")
    if FLAGS.translation and (FLAGS.event_dir or FLAGS.wait_minutes or FLAGS.min_steps > 0):
        raise app.UsageError("--event_dir, --wait_minutes, --min_steps go with --translations_dir")
    from t2tlite.bulk.bleu import file_bleu, translations_bleu
    from t2tlite.decode.quality import Quality

    def compare(path: str | Path) -> list[Quality]:
        return [file_bleu(path, FLAGS.reference, FLAGS.tokenize, lower) for lower in _lowercase()]

    if FLAGS.translation:
        print("\n".join(quality.text for quality in compare(FLAGS.translation)))
        return
    found = translations_bleu(
        FLAGS.translations_dir,
        compare,
        FLAGS.min_steps,
        FLAGS.wait_minutes,
        FLAGS.event_dir,
        FLAGS.tag_suffix,
    )
    for path, qualities in found:
        for quality in qualities:
            scores = f"BLEU {quality.bleu:.2f}  chrF {quality.chrf:.2f}"
            print(f"{path}  {scores}  exact match {quality.exact:.2f} %", flush=True)


def _lowercase() -> list[bool]:
    """Whether to ignore case, for each comparison."""
    if FLAGS.bleu_variant == "both":
        return [False, True]
    return [FLAGS.lowercase or FLAGS.bleu_variant == "uncased"]


run = app.command(main)
