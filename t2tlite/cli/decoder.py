"""t2t-decoder: answers lines of a file, or typed ones, with a trained model.

t2t-decoder --output_dir=model --decode_interactive
t2t-decoder --output_dir=model --decode_from_file=lines.txt --decode_hparams="beam_size=4,alpha=0.6"
"""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Iterator
from typing import Any

from absl import flags

from t2tlite.cli import app, shared_flags, t2t_flags
from t2tlite.files import atomic

FLAGS = flags.FLAGS
log = logging.getLogger("t2tlite.cli")

shared_flags.define_model_flags()
shared_flags.define_device_flags()
shared_flags.define_decoding_flags()
flags.DEFINE_string(
    "decode_from_file", "", "File of lines to decode; without it the evaluation data in --data_dir."
)
flags.DEFINE_bool("eval_use_test_set", False, "Decode the test split of --data_dir.")
flags.DEFINE_string("decode_to_file", "", "Output file; by default T2T's name beside the input.")
flags.DEFINE_string("decode_prefix_file", "", "Line n: what the answer to line n begins with.")
flags.DEFINE_bool(
    "decode_in_memory", False, "Keep no working file: an interrupted decode starts over."
)
flags.DEFINE_bool("decode_interactive", False, "Answer typed lines.")
flags.DEFINE_string("decode_reference", "", "File of right answers; prints BLEU and more.")
flags.DEFINE_string(
    "score_file", "", 'File of "input TAB target" lines; writes each one\'s loss a token, in nats.'
)
flags.DEFINE_enum("engine", "keras", ["keras", "ctranslate2"], "What answers a file's lines.")
flags.DEFINE_string(
    "export_dir", "", "Model of --engine=ctranslate2, by default OUTPUT_DIR/ctranslate2."
)
t2t_flags.define(t2t_flags.TRAINING)


def main() -> None:
    """Decodes."""
    app.require("output_dir")
    sources = ["decode_from_file", "decode_interactive", "score_file"]
    given = sum(bool(FLAGS[name].value) for name in sources)
    if given > 1 or not (given or FLAGS.data_dir):
        raise app.UsageError(
            f"one of {', '.join(f'--{name}' for name in sources)} must be given, or --data_dir to "
            f"decode the problem's own data"
        )
    if (FLAGS.decode_prefix_file or FLAGS.decode_reference) and not FLAGS.decode_from_file:
        raise app.UsageError(
            "--decode_prefix_file and --decode_reference go with --decode_from_file"
        )
    _check_engine()
    from t2tlite.checkpoint import run_record
    from t2tlite.decode import scoring
    from t2tlite.decode.files import decode_file
    from t2tlite.sources import text_files

    # Checked before anything slow: a wrong name must not cost a model's loading.
    how = shared_flags.decode_hparams()
    how.decode_in_memory = how.decode_in_memory or FLAGS.decode_in_memory
    if FLAGS.decode_from_file:
        lines = text_files.count_lines(FLAGS.decode_from_file, how.delimiter)
        beside = [FLAGS.decode_prefix_file, *FLAGS.decode_reference.split(",")]
        for path in filter(None, beside):
            text_files.check_line_count(path, FLAGS.decode_from_file, lines, how.delimiter)
    if FLAGS.score_file:
        text_files.count_lines(FLAGS.score_file)
    _tell_differences(run_record.read(FLAGS.output_dir), needs_data=not given)
    decoder = _decoder(how)
    if FLAGS.decode_interactive:
        from t2tlite.interactive.session import interactive

        interactive(decoder)
        return
    if FLAGS.score_file:
        _write_scores(
            scoring.score_file(decoder.engine, decoder.folder, FLAGS.score_file),
            not decoder.classifies,
        )
        return
    if FLAGS.decode_from_file:
        reference = FLAGS.decode_reference
        written = decode_file(
            decoder, FLAGS.decode_from_file, FLAGS.decode_to_file, FLAGS.decode_prefix_file
        )
    else:
        from t2tlite.decode.dataset import decode_dataset

        split = "test" if FLAGS.eval_use_test_set else "eval"
        written, references = decode_dataset(decoder, FLAGS.data_dir, split, FLAGS.decode_to_file)
        reference = ",".join(map(str, references))
    log.info("wrote %s", written)
    if reference:
        from t2tlite.decode import bleu, classification

        if decoder.classifies:
            print(classification.answers_report(written, reference, how, decoder.labels))
        else:
            print(bleu.answers_bleu(written, reference, how))


def _check_engine() -> None:
    """Raises UsageError where a flag is given that the engine doesn't take."""
    names = ["export_dir"]
    if FLAGS.engine == "ctranslate2":
        names = ["decode_interactive", "score_file", "decode_prefix_file", "checkpoint_path"]
        names += ["use_tpu", "backend"]
    if given := [f"--{name}" for name in names if FLAGS[name].value]:
        raise app.UsageError(f"--engine={FLAGS.engine} doesn't take {' and '.join(given)}")


def _decoder(how: Any) -> Any:
    if FLAGS.engine == "ctranslate2":
        from t2tlite.decode.ctranslate2 import CTranslate2Decoder

        return CTranslate2Decoder(FLAGS.output_dir, FLAGS.export_dir, how, shared_flags.usr_dirs())
    return shared_flags.load_decoder(how, shared_flags.device())


def _write_scores(scores: Iterator[Any], are_texts: bool) -> None:
    """Writes the loss of each line, and tells perplexities of all of them together."""
    total: Any = None
    with contextlib.ExitStack() as stack:
        file = sys.stdout
        if FLAGS.decode_to_file:
            file = stack.enter_context(atomic(FLAGS.decode_to_file, "w"))
        for one in scores:
            print(f"{one.loss:.6f}" if one else "", file=file)
            total = total + one if total and one else total or one
    if FLAGS.decode_to_file:
        log.info("wrote %s", FLAGS.decode_to_file)
    if total and are_texts:
        log.info("all lines: %s", total.perplexities())


def _tell_differences(run: object, needs_data: bool) -> None:
    """Tells flags that T2T's decoder needed and that say something else than the model's folder."""
    for name in ("problem", "model"):
        given, recorded = FLAGS[name].value, getattr(run, name)
        if given and given != recorded:
            log.warning("--%s=%s is ignored: the model was trained with %s", name, given, recorded)
    for name in ("hparams_set", "hparams", "data_dir"):
        if FLAGS[name].value and not (needs_data and name == "data_dir"):
            log.info("--%s isn't needed: %s has it", name, FLAGS.output_dir)


run = app.command(main, shared_flags)
