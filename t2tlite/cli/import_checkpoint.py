"""t2t-import-checkpoint: converts a Tensor2Tensor checkpoint to a model folder of t2tlite.

t2t-import-checkpoint --from=T2T_MODEL --data_dir=data --output_dir=model

Problem, model and hparams are read from flags.txt, flags_t2t.txt and hparams.json beside the
checkpoint; flags take precedence. The vocabulary is read from --data_dir.
"""

from __future__ import annotations

import logging
from pathlib import Path

from absl import flags

from t2tlite import registry
from t2tlite.checkpoint import run_record
from t2tlite.cli import app, shared_flags
from t2tlite.t2t_import import model_folder, tf1_checkpoint

FLAGS = flags.FLAGS
log = logging.getLogger("t2tlite.cli")

shared_flags.define_model_flags()
flags.DEFINE_string("from", "", "T2T's model folder, or a checkpoint in it: FOLDER/model.ckpt-N.")


def main() -> None:
    """Writes the model folder and prints what was imported."""
    app.require("from", "output_dir")
    source = str(FLAGS["from"].value)
    tf1_checkpoint.find(source)
    recorded = model_folder.recorded_flags(source)
    problem = FLAGS.problem or recorded.get("problem", "")
    if not problem:
        raise app.UsageError(f"--problem must be given: {source} has no flags.txt that names it")
    registry.problem(problem)
    hparams_set = FLAGS.hparams_set or recorded.get("hparams_set", "")
    hparams = model_folder.read_hparams(source, hparams_set, FLAGS.hparams)
    if FLAGS.hparams_set and (model_folder.folder_of(source) / "hparams.json").exists():
        log.info("--hparams_set is ignored: %s has hparams.json", source)
    model = FLAGS.model or recorded.get("model", "transformer")
    run = run_record.RunRecord.describe(problem, model, hparams, shared_flags.usr_dirs())
    run.hparams_set = hparams_set
    log.info("%s: problem %s, model %s", source, problem, model)
    checkpoint = tf1_checkpoint.Checkpoint(source)
    data_dir = FLAGS.data_dir or _data_dir(source, recorded)
    imported = model_folder.import_checkpoint(checkpoint, run, data_dir, FLAGS.output_dir)
    print("\n".join(imported.lines()))
    print(f"to resume training: t2t-trainer {model_folder.training_flags(run, hparams_set)}")


def _data_dir(source: str, recorded: dict[str, str]) -> str:
    """Returns the data folder of T2T's run if it exists, else the checkpoint's folder."""
    recorded_dir = Path(recorded.get("data_dir", "-")).expanduser()
    data_dir = recorded_dir if recorded_dir.is_dir() else model_folder.folder_of(source)
    log.info("--data_dir isn't given; looking for the vocabulary in %s", data_dir)
    return str(data_dir)


run = app.command(main, shared_flags)
