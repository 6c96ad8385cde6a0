"""`t2t-trainer --schedule`: T2T's schedules, and those that evaluate or decode."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING

from absl import flags

from t2tlite.checkpoint import checkpoints
from t2tlite.checkpoint.run_record import RunRecord
from t2tlite.checkpoint.waiting import unless_deleted, weights_as_they_appear
from t2tlite.cli import app, decoding, shared_flags
from t2tlite.devices import cluster
from t2tlite.devices.devices import Devices
from t2tlite.errors import DeviceError
from t2tlite.training.continuous_eval import continuous_eval
from t2tlite.training.evaluate import evaluate
from t2tlite.training.train_args import TrainArgs

if TYPE_CHECKING:
    from t2tlite.decode.decoder import Decoder

FLAGS = flags.FLAGS
log = logging.getLogger("t2tlite.cli")

TRAINING = ["continuous_train_and_eval", "train_and_evaluate", "train", "test"]
EVALUATION = ["evaluate", "evaluate_on_train_data"]
EVALUATION += [f"continuous_{name}" for name in ("eval", "eval_on_train_data")]
DECODING = ["decode", "continuous_decode", "continuous_decode_from_file"]
DECODING += [f"continuous_decode_on_{name}_data" for name in ("eval", "train")]
OTHERS = ["run_std_server", "train_eval_and_decode"]

flags.DEFINE_enum(
    "schedule",
    TRAINING[0],
    [*TRAINING, *EVALUATION, *DECODING, *OTHERS],
    "What to do, by T2T's names; the first two are the same, test is one step. Those that begin "
    "with continuous_eval or continuous_decode wait for each checkpoint of another process.",
)
flags.DEFINE_integer(
    "eval_timeout_mins",
    240,
    "Minutes that continuous_eval and continuous_decode wait for the next checkpoint.",
    0,
    1_000_000,
)
_DECODING_FLAGS = {
    "decode_hparams": 'How to decode: "beam_size=4"; from a training on the default of the model.',
    "decode_from_file": "File of lines for continuous_decode_from_file.",
    "decode_to_file": "Output file; default: T2T's name. Continuous schedules append -STEP.",
    "decode_reference": "File of references for continuous_decode_from_file; prints BLEU.",
}
for _name, _help in _DECODING_FLAGS.items():
    flags.DEFINE_string(_name, "", _help)


def check() -> None:
    """Raises UsageError if --schedule can't be followed; warns of flags without effect."""
    schedule = FLAGS.schedule
    if schedule == "train_eval_and_decode":
        raise app.UsageError(
            f"--schedule={schedule} is not supported; use continuous_train_and_eval with "
            f"--eval_decode=N for the scores, and continuous_decode in a second process for files"
        )
    if FLAGS.eval_use_test_set and schedule.endswith("on_train_data"):
        raise app.UsageError(f"--eval_use_test_set contradicts --schedule={schedule}")
    if FLAGS.checkpoint_path and schedule not in ("evaluate", "evaluate_on_train_data", "decode"):
        raise app.UsageError(
            "--checkpoint_path goes with --schedule=evaluate or decode; training resumes from the "
            "newest checkpoint, and --warm_start_from starts a new model from any"
        )
    if FLAGS["precision"].present and schedule not in TRAINING:
        raise app.UsageError(
            f"--precision is that of training; --schedule={schedule} computes in float32"
        )
    used = [*_DECODING_FLAGS] if schedule in DECODING else []
    # Training writes it into run.json.
    used += ["decode_hparams"] if schedule in TRAINING or FLAGS["eval_decode"].value else []
    unused = [name for name in _DECODING_FLAGS if FLAGS[name].value and name not in used]
    for name in unused:
        log.warning("--%s has no effect on --schedule=%s; t2t-decoder takes it", name, schedule)
    if FLAGS["eval_decode"].value and schedule in ["train", *DECODING]:
        log.warning("--eval_decode has no effect on --schedule=%s: nothing is evaluated", schedule)


def run_std_server() -> None:
    """Says what this machine of TF_CONFIG does in place of T2T's --schedule=run_std_server.

    Raises:
      DeviceError: it should train.
    """
    machines = cluster.current()
    if machines.worker < 0:
        log.warning(
            "--schedule=run_std_server has nothing to do: the machines of chief and worker train "
            "without parameter servers"
        )
        return
    which = f"machine {machines.worker} of {machines.workers}" if machines.workers > 1 else "it"
    raise DeviceError(
        f"--schedule=run_std_server makes this machine a server for others, and here all machines "
        f"train: give {which} the first machine's command, with its own TF_CONFIG"
    )


def split() -> str:
    """The split that is evaluated or decoded."""
    if FLAGS.schedule.endswith("on_train_data"):
        return "train"
    return "test" if FLAGS.eval_use_test_set else "eval"


def evaluate_checkpoints(run: RunRecord, train_args: TrainArgs, device: Devices) -> None:
    """Evaluates one checkpoint, or each as training writes it, and prints the metrics."""
    folders = FLAGS.data_dir, FLAGS.output_dir
    if not FLAGS.schedule.startswith("continuous"):
        print_metrics(evaluate(run, *folders, train_args, device, FLAGS.checkpoint_path))
        return
    minutes = FLAGS.eval_timeout_mins
    for step, metrics in continuous_eval(run, *folders, train_args, device, minutes):
        print(f"step\t{step}")
        print_metrics(metrics)


def print_metrics(metrics: Mapping[str, float]) -> None:
    """Prints a line for each metric."""
    print("".join(f"{name}\t{value:.6f}\n" for name, value in metrics.items()), end="", flush=True)


def decode_checkpoints() -> None:
    """Decodes by one checkpoint, or by each as training writes it."""
    from_file = FLAGS.schedule.endswith("from_file")
    app.require("output_dir", "decode_from_file" if from_file else "data_dir")
    decode_hparams, device = shared_flags.decode_hparams(), shared_flags.device()
    if FLAGS.schedule == "decode":
        _decode(shared_flags.load_decoder(decode_hparams, device), FLAGS.decode_to_file)
        return
    decoder: Decoder | None = None
    newest = max([1, *checkpoints.steps(FLAGS.output_dir)])
    files = weights_as_they_appear(FLAGS.output_dir, newest, FLAGS.eval_timeout_mins)
    for step, weights in files:
        with unless_deleted(weights):
            if decoder is None:
                decoder = shared_flags.load_decoder(decode_hparams, device)
            decoder.load_checkpoint(step)
            _decode(decoder, f"{FLAGS.decode_to_file or _default_target(decoder)}-{step}")
        if step >= FLAGS.train_steps:
            log.info("step %d is the last of training (--train_steps)", step)
            return


def _default_target(decoder: Decoder) -> str:
    from t2tlite.bulk import dataset, files

    if FLAGS.schedule.endswith("from_file"):
        return files.default_target(decoder.run, decoder.decode_hparams, FLAGS.decode_from_file)
    return dataset.dataset_target(decoder.run, decoder.decode_hparams, FLAGS.output_dir, split())


def _decode(decoder: Decoder, target: str) -> None:
    if FLAGS.schedule.endswith("from_file"):
        source, reference = FLAGS.decode_from_file, FLAGS.decode_reference
        decoding.decode_file(decoder, source, target, reference=reference)
    else:
        decoding.decode_dataset(decoder, FLAGS.data_dir, split(), target)
