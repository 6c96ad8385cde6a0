"""t2t-decoder: decodes the lines of a file, or typed ones, with a trained model.

t2t-decoder --output_dir=model --decode_interactive
t2t-decoder --output_dir=model --decode_from_file=lines.txt --decode_hparams="beam_size=4,alpha=0.6"
"""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from absl import flags

from t2tlite import registry
from t2tlite.checkpoint import run_record
from t2tlite.cli import app, decoding, shared_flags, t2t_flags
from t2tlite.decode.decode_hparams import DecodeHParams
from t2tlite.files import atomic, split_paths
from t2tlite.sources import text_files

if TYPE_CHECKING:
    from t2tlite.decode.decoder import Decoder
    from t2tlite.decode.scoring import Score

FLAGS = flags.FLAGS
log = logging.getLogger("t2tlite.cli")

shared_flags.define_model_flags()
shared_flags.define_device_flags()
shared_flags.define_decoding_flags()
shared_flags.define_ensemble_flags()
flags.DEFINE_string("decode_from_file", "", "File of lines; by default the data in --data_dir.")
flags.DEFINE_bool("eval_use_test_set", False, "Decode the test split of --data_dir.")
flags.DEFINE_string("decode_to_file", "", "Output file; by default T2T's name beside the input.")
flags.DEFINE_string("decode_prefix_file", "", "Line n: what the answer to line n begins with.")
flags.DEFINE_bool("decode_in_memory", False, "No .part file: an interrupted decode starts over.")
flags.DEFINE_bool("decode_interactive", False, "Decode typed lines.")
flags.DEFINE_string("decode_reference", "", "File of references; prints BLEU and more.")
flags.DEFINE_string(
    "score_file", "", 'File of "input TAB target" lines; writes the mean loss of a token in nats.'
)
shared_flags.define_engine_flag("ctranslate2")
flags.DEFINE_string("export_dir", "", "For ctranslate2; by default OUTPUT_DIR/ctranslate2.")
t2t_flags.define(t2t_flags.DECODING, t2t_flags.REFUSED)


def main() -> None:
    """Decodes."""
    _check_flags()
    # Checked before the model is loaded, which is slow.
    decode_hparams = shared_flags.decode_hparams()
    decode_hparams.decode_in_memory = decode_hparams.decode_in_memory or FLAGS.decode_in_memory
    _check_files(decode_hparams.delimiter)
    run = run_record.read(FLAGS.output_dir)
    _check_target(run, decode_hparams)
    _report_other_flags(run)
    decoder = _load_decoder(decode_hparams)
    if FLAGS.decode_interactive:
        from t2tlite.interactive.session import interactive

        # --decode_hparams says how to begin, for this session alone.
        interactive(decoder, remembers=not FLAGS.decode_hparams)
    elif FLAGS.score_file:
        from t2tlite.decode import scoring

        tag = decode_hparams.decode_tag
        scores = scoring.score_file(decoder.engine, decoder.folder, FLAGS.score_file, tag)
        _write_scores(scores, not decoder.classifies)
    else:
        source, target = FLAGS.decode_from_file, FLAGS.decode_to_file
        prefixes, reference = FLAGS.decode_prefix_file, FLAGS.decode_reference
        if source:
            decoding.decode_file(decoder, source, target, prefixes, reference)
        else:
            decoding.decode_dataset(decoder, FLAGS.data_dir, _split(), target)


def _check_flags() -> None:
    """Raises UsageError where flags are missing or conflict."""
    app.require("output_dir")
    sources = ["decode_from_file", "decode_interactive", "score_file"]
    given = sum(bool(FLAGS[name].value) for name in sources)
    if given > 1 or not (given or FLAGS.data_dir):
        raise app.UsageError(
            f"one of {', '.join(f'--{name}' for name in sources)} must be given, or --data_dir to "
            f"decode the problem's own data"
        )
    if (FLAGS.decode_prefix_file or FLAGS.decode_reference) and not FLAGS.decode_from_file:
        raise app.UsageError("--decode_prefix_file, --decode_reference go with --decode_from_file")
    names = ["export_dir"]
    if FLAGS.engine == "ctranslate2":
        names = ["decode_interactive", "score_file", "decode_prefix_file", "checkpoint_path"]
        names += ["use_tpu", "backend", "ensemble_dir", "ensemble_checkpoints"]
    if wrong := [f"--{name}" for name in names if FLAGS[name].value]:
        raise app.UsageError(f"--engine={FLAGS.engine} doesn't take {' and '.join(wrong)}")


def _check_files(delimiter: str) -> None:
    """Raises DataError where an input file is missing, isn't UTF-8 or has too few lines."""
    if FLAGS.decode_from_file:
        count = text_files.count_lines(FLAGS.decode_from_file, delimiter)
        for path in filter(None, [FLAGS.decode_prefix_file, *split_paths(FLAGS.decode_reference)]):
            text_files.check_line_count(path, FLAGS.decode_from_file, count, delimiter)
    if FLAGS.score_file:
        text_files.count_lines(FLAGS.score_file)


def _check_target(run: run_record.RunRecord, decode_hparams: DecodeHParams) -> None:
    """Raises OutputError where the output can't be written."""
    from t2tlite.bulk import dataset, files

    target, source = FLAGS.decode_to_file, FLAGS.decode_from_file
    if not target and source:
        target = files.default_target(run, decode_hparams, source)
    elif not target and not (FLAGS.decode_interactive or FLAGS.score_file):
        target = dataset.dataset_target(run, decode_hparams, FLAGS.output_dir, _split())
    if target:
        references = split_paths(FLAGS.decode_reference)
        files.check_target(target, source, FLAGS.score_file, FLAGS.decode_prefix_file, *references)


def _split() -> str:
    return "test" if FLAGS.eval_use_test_set else "eval"


def _report_other_flags(run: run_record.RunRecord) -> None:
    """Logs which of T2T's flags the run record replaces."""
    for name in ("problem", "model"):
        given, recorded = FLAGS[name].value, getattr(run, name)
        given = registry.recorded_name(given or "") if name == "problem" else given
        if given and given != recorded:
            log.warning("--%s=%s is ignored: the model was trained with %s", name, given, recorded)
    reads_data = not (FLAGS.decode_from_file or FLAGS.decode_interactive or FLAGS.score_file)
    shared_flags.log_unneeded("hparams_set", "hparams", *([] if reads_data else ["data_dir"]))


def _load_decoder(decode_hparams: DecodeHParams) -> Decoder:
    if FLAGS.engine == "ctranslate2":
        from t2tlite.decode.ctranslate2 import CTranslate2Decoder

        usr_dirs = shared_flags.usr_dirs()
        return CTranslate2Decoder(FLAGS.output_dir, FLAGS.export_dir, decode_hparams, usr_dirs)
    return shared_flags.load_decoder(decode_hparams, shared_flags.device())


def _write_scores(scores: Iterator[Score | None], are_texts: bool) -> None:
    """Writes the loss of each line, and logs the perplexities of all lines together."""
    total: Score | None = None
    with contextlib.ExitStack() as stack:
        file = sys.stdout
        if FLAGS.decode_to_file:
            file = stack.enter_context(atomic(FLAGS.decode_to_file, "w"))
        for score in scores:
            print(f"{score.loss:.6f}" if score else "", file=file)
            total = total + score if total and score else total or score
    if FLAGS.decode_to_file:
        log.info("wrote %s", FLAGS.decode_to_file)
    if total and are_texts:
        log.info("all lines: %s", total.perplexities())


run = app.command(main, shared_flags)
