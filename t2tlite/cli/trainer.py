"""t2t-trainer: trains a registered model on a problem's data; resumes if output_dir has one.

  t2t-trainer --problem=psalm_line_problem --data_dir=data --output_dir=model \\
    --model=transformer --hparams_set=transformer_poetry
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from pathlib import Path

from absl import flags

from t2tlite import buckets, console, registry
from t2tlite.assignments import MAX_SEED
from t2tlite.checkpoint import run_record
from t2tlite.cli import app, schedules, shared_flags, t2t_flags, tuning
from t2tlite.config import AUTO
from t2tlite.datagen.generate_data import generate_data
from t2tlite.decode.decode_hparams import DecodeHParams
from t2tlite.devices import cluster, devices
from t2tlite.errors import WorkerError
from t2tlite.training import new_run
from t2tlite.training.find_learning_rate import find_learning_rate
from t2tlite.training.train import train
from t2tlite.training.train_args import TrainArgs

FLAGS = flags.FLAGS
log = logging.getLogger("t2tlite.cli")

shared_flags.define_model_flags()
shared_flags.define_device_flags()
flags.DEFINE_integer(
    "train_steps", 250_000, "Last step (batch); those of earlier runs count.", 0, shared_flags.MAX
)
flags.DEFINE_integer(
    "local_eval_frequency", 1_000, "Steps between evaluations and saves.", 1, shared_flags.MAX
)
flags.DEFINE_integer(
    "eval_steps",
    None,
    "About the most batches of an evaluation, of examples drawn at random; 0: all. Default: 100 or "
    "a tenth of --local_eval_frequency, whichever is more; with --schedule=evaluate, all.",
    0,
    shared_flags.MAX,
)
flags.DEFINE_bool("eval_use_test_set", False, "Evaluate on the test split.")
flags.DEFINE_integer(
    "eval_decode",
    0,
    "Inputs that each evaluation decodes, as --decode_hparams say, to report BLEU, chrF, exact "
    "match and error rates; 0: none.",
    0,
    shared_flags.MAX,
)
flags.DEFINE_integer(
    "save_checkpoints_secs", 0, "Seconds between saves; 0: at evaluations.", 0, shared_flags.MAX
)
flags.DEFINE_integer(
    "keep_checkpoint_max", 20, "Newest checkpoints to keep; 0: all.", 0, shared_flags.MAX
)
flags.DEFINE_integer(
    "eval_early_stopping_steps", 0, "Stop after steps without improvement.", 0, shared_flags.MAX
)
flags.DEFINE_string("eval_early_stopping_metric", "loss", "Metric that should improve.")
flags.DEFINE_float(
    "eval_early_stopping_metric_delta", 0.1, "Smallest improvement that counts.", 0.0, 1e9
)
flags.DEFINE_bool(
    "eval_early_stopping_metric_minimize",
    None,
    "Whether a lower metric is better; default: as the metric is meant.",
)
flags.DEFINE_string("hparams_json_path", "", "JSON file of hparams; --hparams wins over it.")
flags.DEFINE_enum(
    "precision",
    AUTO,
    [AUTO, "float32", "bfloat16"],
    "Of training's matrix products; auto: as before, or for a new training the faster one here.",
)
flags.DEFINE_bool(
    "find_learning_rate",
    False,
    "Don't train: try growing learning rates on 100 updates, draw learning_rate.png, suggest one.",
)
flags.DEFINE_string("warm_start_from", "", "Model folder or weights file to start from.")
flags.DEFINE_string("checkpoint_path", "", "To evaluate or decode: a weights file, step or best.")
flags.DEFINE_integer("iterations_per_loop", 1, "Most steps in one compiled call.", 1, 1_000_000)
flags.DEFINE_bool("profile", False, "Trace some steps; show where their time goes.")
flags.DEFINE_integer(
    "random_seed", 0, "Seed of weights, dropout and the order of the data.", 0, MAX_SEED
)
flags.DEFINE_bool("generate_data", False, "Generate the data first, as t2t-datagen does.")
flags.DEFINE_bool("overwrite", False, "With --generate_data: generate it again.")
flags.DEFINE_integer(
    "task_id", -1, "With --generate_data: as in t2t-datagen.", -1, shared_flags.MAX
)
t2t_flags.define(t2t_flags.IGNORED, t2t_flags.REFUSED)


def main() -> None:
    """Trains, evaluates or decodes, as --schedule says."""
    if FLAGS.schedule == "run_std_server":
        schedules.run_std_server()
        return
    schedules.check()
    trains = FLAGS.schedule in schedules.TRAINING and not FLAGS.hparams_range
    if FLAGS.find_learning_rate and not trains:
        raise app.UsageError(
            "--find_learning_rate goes with a schedule that trains and without --hparams_range"
        )
    if FLAGS.schedule in schedules.DECODING:
        schedules.decode_checkpoints()
        return
    evaluates = FLAGS.schedule in schedules.EVALUATION
    app.require("output_dir", "data_dir")
    if evaluates and (not FLAGS.problem or (Path(FLAGS.output_dir) / run_record.NAME).exists()):
        run = new_run.recorded_run(FLAGS.output_dir, FLAGS.hparams, FLAGS.problem, FLAGS.model)
    else:
        app.require("problem", "model", "hparams_set")
        new_run.check_names(FLAGS.problem, FLAGS.model)
        # A search writes no model into its own folder, only into those of its trials.
        folder = "" if FLAGS.hparams_range else FLAGS.output_dir
        hparams, changes = new_run.read_hparams(
            FLAGS.hparams_set, FLAGS.hparams, FLAGS.hparams_json_path, folder, FLAGS.precision
        )
        if FLAGS.hparams_range:
            _generate_data()
            tuning.tune(hparams, changes, _train_args())
            return
        machines = cluster.current()
        if not evaluates and (FLAGS.use_tpu or machines.workers > 1 or machines.worker < 0):
            cluster.supervise()
        # Checked against the record in output_dir before any slow import.
        run = new_run.describe_run(
            FLAGS.problem,
            FLAGS.model,
            hparams,
            FLAGS.hparams_set,
            FLAGS.output_dir,
            shared_flags.usr_dirs(),
        )
    given = FLAGS.decode_hparams, run.decode_hparams
    run.decode_hparams = DecodeHParams.defaults_of_model(*given)
    device = _device()
    _generate_data()
    if evaluates:
        schedules.evaluate_checkpoints(run, _train_args(), device)
        return
    if FLAGS.find_learning_rate:
        find_learning_rate(run, FLAGS.data_dir, FLAGS.output_dir, device, _train_args())
        return
    try:
        metrics = train(run, FLAGS.data_dir, FLAGS.output_dir, _train_args(), device)
    except WorkerError as error:
        log.warning("%s; this machine does so now", error)
        cluster.exit_for_restart()
    _print_where_no_table_was(metrics)


def _print_where_no_table_was(metrics: Mapping[str, float]) -> None:
    """Prints metrics, but on a terminal, where the command that decodes is to come last."""
    if not (console.on_terminal() and sys.stdout.isatty()):
        schedules.print_metrics(metrics)


def _device() -> devices.Devices:
    """Returns the devices; all machines of a training see the same checkpoints of a bucket."""
    # What an earlier run couldn't upload is there before the machines connect to each other.
    buckets.upload(FLAGS.output_dir)
    device = shared_flags.device()
    if not device.is_chief:
        buckets.refresh(FLAGS.output_dir)
    return device


def _generate_data() -> None:
    if FLAGS.generate_data:
        name = registry.parse_problem_name(FLAGS.problem)[0]
        generate_data(
            name, FLAGS.data_dir, FLAGS.tmp_dir, FLAGS.random_seed, FLAGS.overwrite, FLAGS.task_id
        )


def _train_args() -> TrainArgs:
    # T2T's schedule "test" is a step of training and one of evaluation.
    is_test = FLAGS.schedule == "test"
    return TrainArgs(
        train_steps=1 if is_test else FLAGS.train_steps,
        evaluate=FLAGS.schedule != "train",
        eval_frequency=FLAGS.local_eval_frequency,
        eval_steps=1 if is_test else FLAGS.eval_steps,
        eval_split=schedules.split(),
        eval_decode=FLAGS.eval_decode,
        save_seconds=FLAGS.save_checkpoints_secs,
        keep_checkpoints=FLAGS.keep_checkpoint_max,
        stop_after_steps=FLAGS.eval_early_stopping_steps,
        stop_metric=FLAGS.eval_early_stopping_metric,
        stop_delta=FLAGS.eval_early_stopping_metric_delta,
        stop_minimize=FLAGS.eval_early_stopping_metric_minimize,
        warm_start_from=FLAGS.warm_start_from,
        steps_per_call=FLAGS.iterations_per_loop,
        profile=FLAGS.profile,
        seed=FLAGS.random_seed,
    )


run = app.command(main, schedules, shared_flags, tuning)
