"""`train` and `evaluate`: t2t-trainer as functions."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from t2tlite.api.arguments import PathLike, checked, device, load_usr_dirs
from t2tlite.api.datagen import generate_data as generate
from t2tlite.api.problems import ProblemLike, resolve
from t2tlite.api.result import TrainResult
from t2tlite.checkpoint.run_record import RunRecord
from t2tlite.config import AUTO, HParams
from t2tlite.decode.decode_hparams import DecodeHParams
from t2tlite.devices.devices import Devices
from t2tlite.errors import HParamsError
from t2tlite.files import folder_path
from t2tlite.problem import Problem
from t2tlite.training import evaluate as evaluation
from t2tlite.training import find_learning_rate as learning_rate
from t2tlite.training import train as training
from t2tlite.training.find_learning_rate import LearningRateTest
from t2tlite.training.new_run import describe_run, read_hparams, recorded_run
from t2tlite.training.train_args import TrainArgs

# The fields of TrainArgs by the names of the flags.
TRAIN_ARGS = {
    "train_steps": "train_steps",
    "local_eval_frequency": "eval_frequency",
    "eval_steps": "eval_steps",
    "eval_decode": "eval_decode",
    "save_checkpoints_secs": "save_seconds",
    "keep_checkpoint_max": "keep_checkpoints",
    "eval_early_stopping_steps": "stop_after_steps",
    "eval_early_stopping_metric": "stop_metric",
    "eval_early_stopping_metric_delta": "stop_delta",
    "eval_early_stopping_metric_minimize": "stop_minimize",
    "warm_start_from": "warm_start_from",
    "iterations_per_loop": "steps_per_call",
    "profile": "profile",
    "random_seed": "seed",
}
_SCHEDULES = ("continuous_train_and_eval", "train_and_evaluate", "train", "test")


@checked
def train(
    problem: ProblemLike | RunRecord, data_dir: PathLike, output_dir: PathLike,
    train_args: TrainArgs | None = None, device: Devices | None = None, *,
    model: str = "", hparams_set: str = "", hparams: str | Mapping[str, Any] | HParams = "",
    hparams_json_path: PathLike = "", precision: str = AUTO, train_steps: int = 250_000,
    local_eval_frequency: int = 1_000, eval_steps: int | None = None, eval_decode: int = 0,
    eval_use_test_set: bool = False, schedule: str = "continuous_train_and_eval",
    decode_hparams: str | Mapping[str, Any] | DecodeHParams = "",
    save_checkpoints_secs: int = 0, keep_checkpoint_max: int = 20,
    eval_early_stopping_steps: int = 0, eval_early_stopping_metric: str = "loss",
    eval_early_stopping_metric_delta: float = 0.1,
    eval_early_stopping_metric_minimize: bool | None = None, warm_start_from: PathLike = "",
    iterations_per_loop: int = 1, profile: bool = False, random_seed: int = 0,
    generate_data: bool = False, tmp_dir: PathLike = "", overwrite: bool = False,
    task_id: int = -1, t2t_usr_dir: PathLike | Sequence[PathLike] = "", use_tpu: bool = False,
    backend: str = "", worker_gpu: int = 1, worker_gpu_memory_fraction: float = 0.95,
    model_parallel: int = 1,
) -> TrainResult:  # fmt: skip
    """Trains a model on a problem's data, or resumes from the newest checkpoint in `output_dir`.

    >>> result = train(
    ...     "reverse_digits", "data", "model", model="transformer", hparams_set="transformer_tiny",
    ...     hparams={"num_hidden_layers": 1, "batch_size": 512}, train_steps=2,
    ... )
    >>> result.last["step"]
    2

    The keywords have the names, meanings and defaults of t2t-trainer's flags. The first SIGINT (an
    interrupted kernel) or SIGTERM ends training after the current step, with a checkpoint.

    Args:
      problem: a registered name, a class or an instance; or the whole record of the run.
      data_dir: the data folder; with `generate_data=True` it is filled first.
      output_dir: the model folder; gets run.json, checkpoints, eval.jsonl and TensorBoard events.
      train_args: the keywords about training as one object, in place of them.
      device: where to train, in place of the keywords from `use_tpu` on.
      model, hparams_set: registered names.
      hparams: changes to the set, "name=value,name=value" or a dict; or an HParams in its place.
      precision: of training's matrix products, "float32" or "bfloat16"; "auto": that of the
        training that goes on, or the faster of the device.
      train_steps: last step; those of earlier runs count.
      eval_decode: how many inputs each evaluation decodes, as decode_hparams say. The metrics of
        their answers are bleu, chrf, exact_match, sequence_error_rate, token_error_rate and
        character_error_rate, from 0 to 100; one may be the eval_early_stopping_metric.
      decode_hparams: how the model is to be decoded by default.

    Raises:
      Error: data, vocabulary, hparams or folders don't fit, the loss is not finite, or another
        process is training in `output_dir`.
    """
    flags = dict(locals())
    usr_dirs = load_usr_dirs(t2t_usr_dir)
    data_dir, output_dir = folder_path(data_dir, "data_dir"), folder_path(output_dir, "output_dir")
    run = _run(flags, output_dir, usr_dirs)
    _set_decode_hparams(run, decode_hparams)
    if generate_data:
        _generate(flags, run)
    args = args_of_flags(flags)
    training.train(run, data_dir, output_dir, args, _device(flags))
    return TrainResult.read(output_dir, args.stop_metric, args.minimizes)


@checked
def evaluate(
    problem: ProblemLike | RunRecord | None = None, data_dir: PathLike = "",
    output_dir: PathLike = "", train_args: TrainArgs | None = None, device: Devices | None = None,
    checkpoint_path: PathLike | int = "", *, model: str = "",
    hparams: str | Mapping[str, Any] = "", eval_steps: int | None = None, eval_decode: int = 0,
    decode_hparams: str | Mapping[str, Any] | DecodeHParams = "",
    eval_use_test_set: bool = False, t2t_usr_dir: PathLike | Sequence[PathLike] = "",
    use_tpu: bool = False, backend: str = "", worker_gpu: int = 1,
    worker_gpu_memory_fraction: float = 0.95, model_parallel: int = 1,
) -> dict[str, float]:  # fmt: skip
    """Evaluates a checkpoint of a trained model.

    >>> sorted(evaluate(data_dir="data", output_dir="model", eval_steps=1))[:2]
    ['accuracy', 'accuracy_per_sequence']

    Args:
      problem: None: the one that the model was trained on; otherwise as for `train`.
      data_dir: the data folder.
      output_dir: the model folder.
      train_args: reads eval_split and eval_steps, in place of the keywords.
      device: where to evaluate, in place of the keywords from `use_tpu` on.
      checkpoint_path: a step, the path of a weights file, or "best"; "": the newest.
      model: the model that the folder must have; "": any.
      hparams: changes to those that the model was trained with, such as batch_size.
      eval_steps: about the most batches, of examples drawn at random; 0 and None: all.
      eval_decode: as for `train`.
      decode_hparams: how to decode for that; changes to the model's defaults.
      eval_use_test_set: evaluate on the test split.
      t2t_usr_dir: plugin folders to load first.

    Returns:
      Loss, in nats a token, and metrics by name.

    Raises:
      Error: there is no checkpoint, or data, vocabulary or hparams don't fit.
    """
    flags = dict(locals())
    usr_dirs = load_usr_dirs(t2t_usr_dir)
    data_dir, output_dir = folder_path(data_dir, "data_dir"), folder_path(output_dir, "output_dir")
    if isinstance(problem, RunRecord):
        run = dataclasses.replace(problem)
    else:
        run = _recorded(problem, model, hparams, data_dir, output_dir, usr_dirs)
    _set_decode_hparams(run, decode_hparams)
    split = "test" if eval_use_test_set else "eval"
    args = train_args or TrainArgs(eval_steps=eval_steps, eval_split=split, eval_decode=eval_decode)
    checkpoint = checkpoint_path if isinstance(checkpoint_path, int) else str(checkpoint_path)
    return evaluation.evaluate(run, data_dir, output_dir, args, _device(flags), checkpoint)


@checked
def find_learning_rate(
    problem: ProblemLike | RunRecord, data_dir: PathLike, output_dir: PathLike,
    train_args: TrainArgs | None = None, device: Devices | None = None, *,
    updates: int = 100, lowest: float = 1e-5, highest: float = 1.0, **flags: Any,
) -> LearningRateTest:  # fmt: skip
    """Trains a new model with growing learning rates on a few batches, and suggests a rate.

    >>> found = find_learning_rate(
    ...     "reverse_digits", "data", "model2", model="transformer",
    ...     hparams_set="transformer_tiny", hparams={"batch_size": 512}, updates=12,
    ... )
    >>> found.path.name
    'learning_rate.png'

    Args:
      problem, data_dir, output_dir, train_args, device: as for `train`. The folder gets only
        learning_rate.png.
      updates: of the weights, at most.
      lowest, highest: the learning rates of the first update and the last one.
      **flags: the keywords of `train`, such as model, hparams_set, hparams and train_steps.

    Returns:
      Rates, losses, and the suggestion as an hparam; `print` shows it.

    Raises:
      Error: as `train`.
    """
    parameters = inspect.signature(train).parameters.values()
    defaults = {one.name: one.default for one in parameters if one.kind is one.KEYWORD_ONLY}
    if unknown := sorted(set(flags) - set(defaults)):
        raise TypeError(f"find_learning_rate has no keyword {unknown[0]!r}")
    data_dir, output_dir = folder_path(data_dir, "data_dir"), folder_path(output_dir, "output_dir")
    given = {"problem": problem, "data_dir": data_dir, "train_args": train_args, "device": device}
    flags = {**defaults, **given, **flags}
    usr_dirs = load_usr_dirs(flags["t2t_usr_dir"])
    run = problem if isinstance(problem, RunRecord) else _new_run(flags, output_dir, usr_dirs)
    if flags["generate_data"]:
        _generate(flags, run)
    args = args_of_flags(flags)
    sweep = updates, lowest, highest
    return learning_rate.find_learning_rate(run, data_dir, output_dir, _device(flags), args, *sweep)


def _set_decode_hparams(
    run: RunRecord, decode_hparams: str | Mapping[str, Any] | DecodeHParams
) -> None:
    """Changes how the model is decoded by default."""
    if isinstance(decode_hparams, DecodeHParams):
        decode_hparams = decode_hparams.changes()
    run.decode_hparams = DecodeHParams.defaults_of_model(decode_hparams, run.decode_hparams)


def _recorded(
    problem: ProblemLike | None,
    model: str,
    hparams: str | Mapping[str, Any],
    data_dir: str,
    output_dir: str,
    usr_dirs: list[str],
) -> RunRecord:
    """Returns the record of a trained model, with the problem that the caller gave."""
    found = None if problem is None else resolve(problem, data_dir)
    name = found.full_name if isinstance(found, Problem) else found or ""
    run = recorded_run(output_dir, hparams, name, model)
    if not isinstance(found, Problem):
        return run
    return RunRecord.describe(found, run.model, HParams.from_values(run.hparams), usr_dirs)


def _run(flags: Mapping[str, Any], output_dir: str, usr_dirs: list[str]) -> RunRecord:
    """Returns the record that was given, or that of the run that the flags describe."""
    given = flags["problem"]
    if not isinstance(given, RunRecord):
        return _new_run(flags, output_dir, usr_dirs)
    whole = HParams.from_values(given.hparams)
    given.hparams = read_hparams("", whole, precision=flags["precision"])[0].values()
    return given


def _new_run(flags: Mapping[str, Any], output_dir: str, usr_dirs: list[str]) -> RunRecord:
    """Returns the record of the run that the flags describe."""
    problem, hparams = resolve(flags["problem"], flags["data_dir"]), flags["hparams"]
    names = ["model"] if isinstance(hparams, HParams) else ["model", "hparams_set"]
    if missing := [name for name in names if not flags[name]]:
        raise HParamsError(
            f"{' and '.join(missing)} must be given, such as model='transformer' and "
            f"hparams_set='transformer_small'"
        )
    sources = flags["hparams_set"], hparams, flags["hparams_json_path"]
    hparams, _ = read_hparams(*sources, output_dir, flags["precision"])
    common = flags["model"], hparams, flags["hparams_set"]
    return describe_run(problem, *common, output_dir, usr_dirs)


def args_of_flags(flags: Mapping[str, Any]) -> TrainArgs:
    """Returns the TrainArgs that the flags describe, or those that were given in their place.

    Raises:
      HParamsError: a flag isn't possible, or both are given.
    """
    if flags["schedule"] not in _SCHEDULES:
        raise HParamsError(
            f"schedule={flags['schedule']!r}; expected one of {', '.join(_SCHEDULES)}; the others "
            f"are functions of their own: evaluate, Decoder"
        )
    values = {field: flags[name] for name, field in TRAIN_ARGS.items()}
    if flags["schedule"] == "test":
        values |= {"train_steps": 1, "eval_steps": 1}
    values["evaluate"] = flags["schedule"] != "train"
    values["eval_split"] = "test" if flags["eval_use_test_set"] else "eval"
    made, given = TrainArgs(**values), flags["train_args"]
    if given is None:
        return made
    defaults = TrainArgs(warm_start_from="")
    if both := [name for name, value in vars(made).items() if value != getattr(defaults, name)]:
        raise HParamsError(f"{', '.join(both)}: given beside train_args; give one of them")
    replaced: TrainArgs = dataclasses.replace(given)
    return replaced


def _device(flags: Mapping[str, Any]) -> Devices:
    return flags["device"] or device(flags)


def _generate(flags: Mapping[str, Any], run: RunRecord) -> None:
    seed = flags["train_args"].seed if flags["train_args"] else flags["random_seed"]
    generate(
        run.trained_problem(),
        flags["data_dir"],
        flags["tmp_dir"],
        seed,
        flags["overwrite"],
        flags["task_id"],
    )
