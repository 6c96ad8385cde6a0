"""t2t-translate-all: translates a file with each checkpoint of a model, as they appear.

t2t-translate-all --model_dir=model --source=dev.en --translations_dir=translations
t2t-translate-all --model_dir=model --source=dev.en --wait_minutes=120     # while it is trained
t2t-bleu --translations_dir=translations --reference=dev.de

Each translation is TRANSLATIONS_DIR/PROBLEM-STEP; an existing one is skipped.
"""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from absl import flags

from t2tlite.bulk.all_checkpoints import Translate, translate_all
from t2tlite.checkpoint import run_record
from t2tlite.cli import app, shared_flags
from t2tlite.decode.decode_hparams import MAX_ALPHA, MAX_BEAMS, DecodeHParams
from t2tlite.errors import OutputError
from t2tlite.files import make_folder
from t2tlite.sources import text_files

if TYPE_CHECKING:
    from t2tlite.decode.decoder import Decoder

FLAGS = flags.FLAGS

shared_flags.define_model_flags()
shared_flags.define_device_flags()
flags.DEFINE_multi_string(
    "ensemble_dir", [], "A model folder that decodes together with each checkpoint; repeatable."
)
flags.DEFINE_alias("model_dir", "output_dir")
flags.DEFINE_string("source", "", "File of lines to translate.")
flags.DEFINE_string("translations_dir", "translations", "Folder of the translated files.")
flags.DEFINE_integer("min_steps", 0, "Skip checkpoints of fewer steps.", 0, shared_flags.MAX)
flags.DEFINE_float("wait_minutes", 0, "Minutes to wait for a new checkpoint.", 0.0, 1e6)
flags.DEFINE_integer("beam_size", 4, "Beams; 1: greedy.", 1, MAX_BEAMS)
flags.DEFINE_float("alpha", 0.6, "Exponent of the length penalty.", 0.0, MAX_ALPHA)
flags.DEFINE_string("decode_hparams", "", "More on how to decode, as for t2t-decoder.")
flags.DEFINE_string(
    "decoder_command",
    "",
    "Command that decodes with one checkpoint, in place of this process; {params} stands for the "
    'flags of t2t-decoder. For a queue: "qsub -sync y -b y t2t-decoder {params}".',
)


def main() -> None:
    """Translates."""
    app.require("output_dir", "source", "translations_dir")
    command = FLAGS.decoder_command
    if command and "{params}" not in command:
        raise app.UsageError(f"--decoder_command={command!r} has no {{params}} in it")
    settings = f"beam_size={FLAGS.beam_size},alpha={FLAGS.alpha}"
    settings += f",{FLAGS.decode_hparams}" if FLAGS.decode_hparams else ""
    # Checked before the first checkpoint exists or is loaded.
    is_there = (Path(FLAGS.output_dir) / run_record.NAME).exists()
    defaults = run_record.read(FLAGS.output_dir).decode_hparams if is_there else {}
    decode_hparams = DecodeHParams.of(settings, defaults).check()
    shared_flags.log_unneeded("problem", "model", "hparams_set", "hparams", "data_dir")
    text_files.count_lines(FLAGS.source, decode_hparams.delimiter)
    make_folder(FLAGS.translations_dir)
    translate_all(
        FLAGS.output_dir,
        FLAGS.translations_dir,
        _by_command(command, settings) if command else _in_this_process(decode_hparams),
        FLAGS.min_steps,
        FLAGS.wait_minutes,
    )


def _in_this_process(decode_hparams: DecodeHParams) -> Translate:
    """Returns a function that decodes with one model, whose weights it replaces."""
    decoder: Decoder | None = None

    def translate(step: int, weights: Path, target: Path) -> None:
        nonlocal decoder
        from t2tlite.bulk.files import decode_file
        from t2tlite.decode.decoder import Decoder

        if decoder is None:
            usr_dirs, device = shared_flags.usr_dirs(), shared_flags.device()
            decoder = Decoder(
                FLAGS.output_dir, step, decode_hparams, usr_dirs, device,
                ensemble=FLAGS.ensemble_dir,
            )  # fmt: skip
        else:
            decoder.load_checkpoint(step)
        decode_file(decoder, FLAGS.source, target)

    return translate


def _by_command(command: str, settings: str) -> Translate:
    """Returns a function that runs --decoder_command."""

    def translate(step: int, weights: Path, target: Path) -> None:
        values = {
            "t2t_usr_dir": FLAGS.t2t_usr_dir,
            "output_dir": FLAGS.output_dir,
            "decode_hparams": settings,
            "checkpoint_path": weights,
            "decode_from_file": FLAGS.source,
            "decode_to_file": target,
        }
        given = [f"--{name}={value}" for name, value in values.items() if value]
        given += [f"--ensemble_dir={folder}" for folder in FLAGS.ensemble_dir]
        params = shlex.join(given)
        line = command.replace("{params}", params)
        target.parent.mkdir(parents=True, exist_ok=True)
        status = subprocess.run(line, shell=True).returncode
        if status or not target.exists():
            raise OutputError(
                f"--decoder_command ended with status {status} and wrote "
                f"{'a file' if target.exists() else 'no file'} {target}; it ran: {line}"
            )

    return translate


run = app.command(main, shared_flags)
