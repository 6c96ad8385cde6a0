"""t2t-bleu: BLEU and chrF of translations against a reference, by sacrebleu.

t2t-bleu --translation=lines.decodes --reference=right.txt
"""

from __future__ import annotations

import sys

from absl import flags

from t2tlite.cli import app

FLAGS = flags.FLAGS

flags.DEFINE_string("translation", "", "File of decoded lines.")
flags.DEFINE_string("reference", "", "File of right lines; several joined by commas.")
flags.DEFINE_string("tokenize", "13a", "sacrebleu's tokenizer: 13a, intl, char, none, ...")
flags.DEFINE_bool("lowercase", False, "Ignore case (T2T's uncased BLEU).")


def main() -> None:
    """Prints the scores with sacrebleu's signatures."""
    app.require("translation", "reference")
    from t2tlite.run.bleu import file_bleu

    print(file_bleu(FLAGS.translation, FLAGS.reference, FLAGS.tokenize, FLAGS.lowercase))


def run() -> None:
    """The console command."""
    app.run(main, __doc__, [sys.modules[__name__]])
