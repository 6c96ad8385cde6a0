"""t2t-translate-all: translates a file with all checkpoints of a model, as they appear.

t2t-translate-all --model_dir=model --source=dev.en --translations_dir=translations
t2t-translate-all --model_dir=model --source=dev.en --wait_minutes=120     # while it is trained
t2t-bleu --translations_dir=translations --reference=dev.de

Each goes to TRANSLATIONS_DIR/PROBLEM-STEP; those that are there already are left as they are.
"""

from __future__ import annotations

import logging
import shlex
import subprocess
from pathlib import Path
from typing import Any

from absl import flags

from t2tlite.cli import app, shared_flags
from t2tlite.errors import OutputError

FLAGS = flags.FLAGS
log = logging.getLogger("t2tlite.cli")

shared_flags.define_model_flags()
shared_flags.define_device_flags()
flags.DEFINE_alias("model_dir", "output_dir")
flags.DEFINE_string("source", "", "File of lines to translate.")
flags.DEFINE_string("translations_dir", "translations", "Folder of the translated files.")
flags.DEFINE_integer("min_steps", 0, "Leave out checkpoints of fewer steps.", lower_bound=0)
flags.DEFINE_float(
    "wait_minutes", 0, "End when no new checkpoint came for so long.", lower_bound=0.0
)
flags.DEFINE_integer("beam_size", 4, "Beams; 1: greedy.")
flags.DEFINE_float("alpha", 0.6, "Exponent of the length penalty.")
flags.DEFINE_string("decode_hparams", "", "More on how to decode, as for t2t-decoder.")
flags.DEFINE_string(
    "decoder_command",
    "",
    "Command to run in place of decoding here, for each checkpoint; in it {params} stands for the "
    'flags of t2t-decoder. For a queue: "qsub -sync y -b y t2t-decoder {params}".',
)


def main() -> None:
    """Translates."""
    app.require("output_dir", "source", "translations_dir")
    from t2tlite.decode.all_checkpoints import translate_all
    from t2tlite.decode.decode_hparams import DecodeHParams
    from t2tlite.sources import text_files

    command = FLAGS.decoder_command
    if command and "{params}" not in command:
        raise app.UsageError(f"--decoder_command={command!r} has no {{params}} in it")
    how = f"beam_size={FLAGS.beam_size},alpha={FLAGS.alpha}"
    how += f",{FLAGS.decode_hparams}" if FLAGS.decode_hparams else ""
    # Checked before anything slow, and before the first checkpoint is there.
    checked = DecodeHParams().override(how).check()
    for name in ("problem", "model", "hparams_set", "hparams", "data_dir"):
        if FLAGS[name].value:
            log.info("--%s isn't needed: %s has it", name, FLAGS.output_dir)
    text_files.count_lines(FLAGS.source, checked.delimiter)
    translate_all(
        FLAGS.output_dir,
        FLAGS.translations_dir,
        _Command(command, how) if command else _Here(checked),
        FLAGS.min_steps,
        FLAGS.wait_minutes,
    )


class _Here:
    """Decodes in this process, by one model whose weights change."""

    def __init__(self, how: Any):
        self._how = how
        self._decoder: Any = None

    def __call__(self, step: int, weights: Path, target: Path) -> None:
        from t2tlite.decode.decoder import Decoder
        from t2tlite.decode.files import decode_file

        if self._decoder is None:
            usr_dirs, device = shared_flags.usr_dirs(), shared_flags.device()
            self._decoder = Decoder(FLAGS.output_dir, step, self._how, usr_dirs, device)
        else:
            self._decoder.load_checkpoint(step)
        decode_file(self._decoder, FLAGS.source, target)


class _Command:
    """Runs --decoder_command."""

    def __init__(self, command: str, how: str):
        self._command = command
        self._how = how

    def __call__(self, step: int, weights: Path, target: Path) -> None:
        values = {
            "t2t_usr_dir": FLAGS.t2t_usr_dir,
            "output_dir": FLAGS.output_dir,
            "decode_hparams": self._how,
            "checkpoint_path": weights,
            "decode_from_file": FLAGS.source,
            "decode_to_file": target,
        }
        params = shlex.join(f"--{name}={value}" for name, value in values.items() if value)
        command = self._command.replace("{params}", params)
        target.parent.mkdir(parents=True, exist_ok=True)
        status = subprocess.run(command, shell=True).returncode
        if status or not target.exists():
            raise OutputError(
                f"--decoder_command ended with status {status} and wrote "
                f"{'a file' if target.exists() else 'no file'} {target}; it ran: {command}"
            )


run = app.command(main, shared_flags)
