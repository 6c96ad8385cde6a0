"""A model folder of T2T's -> one of ours: the step from `t2t-import-checkpoint` to `Decoder`."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from t2tlite import registry
from t2tlite.assignments import parse_assignments
from t2tlite.checkpoint import checkpoints, run_record
from t2tlite.config import HParams
from t2tlite.errors import CheckpointError, HParamsError
from t2tlite.files import make_folder
from t2tlite.t2t_import.checkpoints import take_optimizer, take_weights
from t2tlite.t2t_import.tf1_checkpoint import Checkpoint
from t2tlite.t2t_names.hparams import T2T_ONLY

log = logging.getLogger(__name__)

HPARAMS = "hparams.json"

# What T2T's trainer adds to the hparams of a run: places, flags and functions of its own.
_OF_THE_RUN = {
    *("data_dir", "model_dir", "schedule", "std_server_protocol", "warm_start_from", "tpu_config"),
    *("train_steps", "eval_steps", "eval_freq_in_steps", "eval_timeout_mins", "mode"),
    *("problem", "problems", "problem_idx", "problem_hparams"),
    *("bottom", "loss", "name", "top", "weights_fn"),
    *("modality", "input_modalities", "target_modality"),
}


@dataclass
class Imported:
    """What became of a checkpoint.

    Attributes:
      step: finished training steps.
      weights: how many the model has.
      parameters: numbers in them.
      optimizer: sentence on the optimizer's state.
      left: names and shapes of the variables that have no counterpart here.
    """

    step: int
    weights: int
    parameters: int
    optimizer: str
    left: list[str]

    def lines(self) -> list[str]:
        """The report, a line each."""
        taken = f"{self.weights} weights, {self.parameters:,} parameters, of step {self.step}"
        told = [f"no counterpart here: {one}" for one in self.left]
        return [f"taken over: {taken}", f"optimizer: {self.optimizer}", *told]


def recorded_flags(source: str | os.PathLike[str]) -> dict[str, str]:
    """Returns the flags that T2T's trainer wrote into flags.txt and flags_t2t.txt, by name.

    Args:
      source: a folder of T2T's, or a checkpoint in it.
    """
    flags: dict[str, str] = {}
    for name in ("flags.txt", "flags_t2t.txt"):
        path = folder_of(source) / name
        if path.exists():
            text = path.read_text(encoding="utf-8", errors="replace")
            flags.update(re.findall(r"^--(\w+)=(.*)$", text, re.MULTILINE))
    # T2T wrote None for a flag that wasn't given, and called the problem `problems` at first.
    flags = {name: value for name, value in flags.items() if value not in ("", "None")}
    return {"problem": flags["problems"], **flags} if "problems" in flags else flags


def read_hparams(
    source: str | os.PathLike[str], hparams_set: str = "", overrides: str = ""
) -> HParams:
    """Returns the hparams of a checkpoint: of hparams.json beside it, else of a registered set.

    Args:
      source: a folder of T2T's, or a checkpoint in it.
      hparams_set: used where there is no hparams.json.
      overrides: "name=value,name=value"; they win.

    Raises:
      HParamsError: there are none, or one has a value that can't be had here.
    """
    path = folder_of(source) / HPARAMS
    if not path.exists():
        if not hparams_set:
            raise HParamsError(
                f"{path} doesn't exist; give --hparams_set, and --hparams if need be"
            )
        base: HParams = registry.hparams(hparams_set)
        return base.override(overrides).check()
    try:
        values = dict(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise HParamsError(
            f"{path} is damaged ({error}); restore it, or move it away and give --hparams_set"
        ) from None
    # Before T2T had this hparam, its schedule was what "legacy" is now.
    hparams = HParams(learning_rate_schedule="legacy")
    hparams.extra = _added(values)
    overridden = {name for name, _ in parse_assignments(overrides)}
    for name, value in values.items():
        if name not in _OF_THE_RUN | overridden:
            setattr(hparams, name, _like_today(name, value))
    return hparams.override(overrides).check()


def _added(values: dict[str, Any]) -> dict[str, Any]:
    """The hparams that T2T doesn't know: a plugin's, or another version's."""
    known = {*HParams().values(), *T2T_ONLY, *_OF_THE_RUN}
    added = {name: value for name, value in values.items() if name not in known}
    if added:
        log.warning("hparams unknown here are kept without effect: %s", added)
    return added


def _like_today(name: str, value: Any) -> Any:
    # Optimizers were named as classes once: TrueAdam.
    return registry.snake_case(value) if name == "optimizer" else value


def import_checkpoint(
    checkpoint: Checkpoint, run: run_record.RunRecord, data_dir: str, output_dir: str
) -> Imported:
    """Writes a model folder with the weights and optimizer state of a T2T checkpoint.

    Args:
      checkpoint: T2T's.
      run: what it was trained on: `record.RunRecord.describe(problem, model, hparams, usr_dirs)`.
      data_dir: has the vocabulary.
      output_dir: gets run.json, vocabulary and checkpoint; `Decoder(output_dir)` needs no more.

    Raises:
      Error: the checkpoint doesn't fit the hparams or the vocabulary, or a folder is wrong.
    """
    if checkpoints.steps(output_dir):
        raise CheckpointError(f"{output_dir} holds a model already; choose a new --output_dir")
    from t2tlite.model.optimizers import make_optimizer
    from t2tlite.model.transformer import Transformer, TransformerEncoder

    if not checkpoint.shares_embeddings:
        run.hparams["shared_embedding_and_softmax_weights"] = False
    hparams = HParams.from_values(run.hparams)
    problem_hparams = registry.problem(run.problem).get_hparams(hparams, data_dir)
    network = run.make_model(problem_hparams)
    # Not isinstance: what builds on them has weights of other names.
    if type(network) not in (Transformer, TransformerEncoder):
        raise CheckpointError(
            f"checkpoints of model {run.model} can't be imported; those of transformer and "
            f"transformer_encoder can"
        )
    take_weights(network, checkpoint)
    # The schedule doesn't matter: what is saved of it is the step.
    optimizer = make_optimizer(hparams, train_steps=1)
    optimizer.build(network.trainable_variables)
    why_new = take_optimizer(network, optimizer, checkpoint)
    make_folder(output_dir)
    run.take_vocabularies(output_dir, data_dir)
    run.write(output_dir, data_dir)
    with contextlib.closing(checkpoints.Saver(output_dir, keep=0)) as saver:
        saver.save(checkpoint.step, network, optimizer)
        saver.wait()
    state = f"state of {hparams.optimizer} taken over; training goes on as it would have"
    if why_new:
        state = f"its moments start anew ({why_new}); training goes on at this step's learning rate"
    return Imported(
        step=checkpoint.step,
        weights=len(network.weights),
        parameters=network.count_params(),
        optimizer=state,
        left=[f"{name} {list(checkpoint.shapes[name])}" for name in checkpoint.unread()],
    )


def training_flags(run: run_record.RunRecord, hparams_set: str = "") -> str:
    """Returns the flags by which t2t-trainer goes on with an imported model as it is.

    Args:
      run: of the imported model.
      hparams_set: the set that it was trained with; "" or an unknown one: transformer_base.
    """
    if hparams_set not in registry.hparams_sets:
        hparams_set = "transformer_base"
    base = registry.hparams(hparams_set).values()
    changes = ",".join(
        f"{name}={value}"
        for name, value in sorted(run.hparams.items())
        if name in base and base[name] != value
    )
    flags = f"--problem={run.problem} --model={run.model} --hparams_set={hparams_set}"
    return f'{flags} --hparams="{changes}"' if changes else flags


def folder_of(source: str | os.PathLike[str]) -> Path:
    """Returns the folder that a checkpoint lies in, or `source` if it is one."""
    path = Path(source).expanduser()
    return path if path.is_dir() else path.parent
