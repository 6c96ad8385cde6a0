"""Converts a model folder of T2T's to one of t2tlite's: t2t-import-checkpoint."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
from dataclasses import dataclass
from pathlib import Path

from t2tlite import registry
from t2tlite.assignments import parse_assignments
from t2tlite.checkpoint import checkpoints, model_card, run_record
from t2tlite.config import AUTO, HParams
from t2tlite.errors import CheckpointError, HParamsError
from t2tlite.files import make_folder, plain_name
from t2tlite.registry import snake_case
from t2tlite.t2t_import.checkpoints import take_optimizer, take_weights
from t2tlite.t2t_import.tf1_checkpoint import Checkpoint
from t2tlite.t2t_names.hparams import T2T_ONLY

log = logging.getLogger(__name__)

# Paths, flags and functions that T2T's trainer adds to the hparams of a run.
_OF_THE_RUN = {
    *("data_dir", "model_dir", "schedule", "std_server_protocol", "warm_start_from", "tpu_config"),
    *("train_steps", "eval_steps", "eval_freq_in_steps", "eval_timeout_mins", "mode"),
    *("problem", "problems", "problem_idx", "problem_hparams"),
    *("bottom", "loss", "name", "top", "weights_fn"),
    *("modality", "input_modalities", "target_modality"),
}


@dataclass
class Imported:
    """The result of an import."""

    step: int  # number of finished training steps
    weights: int  # number of weight tensors
    parameters: int  # number of parameters in them
    optimizer: str  # a sentence about the optimizer state
    left: list[str]  # names and shapes of the variables that have no counterpart here

    def lines(self) -> list[str]:
        """Returns the report, line by line."""
        return [
            f"imported: {self.weights} weights, {self.parameters:,} parameters, step {self.step}",
            f"optimizer: {self.optimizer}",
            *(f"no counterpart here: {variable}" for variable in self.left),
        ]


def recorded_flags(source: str | os.PathLike[str]) -> dict[str, str]:
    """Returns the flags that T2T's trainer wrote to a model folder's flags*.txt, by name.

    Args:
      source: the model folder, or a checkpoint in it.
    """
    flags: dict[str, str] = {}
    for name in ("flags.txt", "flags_t2t.txt"):
        path = folder_of(source) / name
        if path.exists():
            text = path.read_text(encoding="utf-8-sig", errors="replace")
            flags.update(re.findall(r"^--(\w+)=(.*)$", text, re.MULTILINE))
    # T2T writes None for a flag that isn't given; early versions have --problems for --problem.
    flags = {name: value for name, value in flags.items() if value not in ("", "None")}
    flags = {"problem": flags["problems"], **flags} if "problems" in flags else flags
    for name in {"problem", "model", "hparams_set"} & set(flags):
        plain_name(flags[name], f"{folder_of(source)}: --{name} in flags.txt", CheckpointError)
    return flags


def read_hparams(
    source: str | os.PathLike[str], hparams_set: str = "", overrides: str = ""
) -> HParams:
    """Returns the hparams of a checkpoint, from hparams.json or from a registered set.

    Args:
      source: T2T's model folder, or a checkpoint in it.
      hparams_set: used if there is no hparams.json.
      overrides: "name=value,name=value", which take precedence.

    Raises:
      HParamsError: there are no hparams, or a value isn't supported.
    """
    path = folder_of(source) / "hparams.json"
    if not path.exists():
        if not hparams_set:
            raise HParamsError(
                f"{path} doesn't exist; give --hparams_set, and --hparams if need be"
            )
        base: HParams = registry.hparams(hparams_set)
        return base.override(overrides).check()
    try:
        values = dict(json.loads(path.read_text(encoding="utf-8-sig")))
    except (ValueError, TypeError) as error:
        raise HParamsError(
            f"{path} is damaged ({error}); restore it, or remove it and give --hparams_set"
        ) from None
    # T2T versions without this hparam compute what is now the schedule "legacy".
    hparams = HParams(learning_rate_schedule="legacy")
    known = {*hparams.values(), *T2T_ONLY, *_OF_THE_RUN}
    hparams.extra = {name: value for name, value in values.items() if name not in known}
    if hparams.extra:
        log.warning("unknown hparams are imported without effect: %s", hparams.extra)
    overridden = {name for name, _ in parse_assignments(overrides)}
    for name, value in values.items():
        if name not in _OF_THE_RUN | overridden:
            # Early versions name optimizers by class: TrueAdam.
            setattr(hparams, name, snake_case(value) if name == "optimizer" else value)
    return hparams.override(overrides).check()


def import_checkpoint(
    checkpoint: Checkpoint, run: run_record.RunRecord, data_dir: str, output_dir: str
) -> Imported:
    """Writes a model folder with the weights and optimizer state of a T2T checkpoint.

    Args:
      checkpoint: T2T's checkpoint.
      run: what it was trained with; see `RunRecord.describe`.
      data_dir: the folder of the vocabulary.
      output_dir: the new model folder, with run.json, vocabulary and checkpoint.

    Raises:
      CheckpointError: the checkpoint doesn't fit model, hparams or vocabulary, or output_dir holds
        a model.
      VocabularyError: the vocabulary is missing or damaged.
      OutputError: output_dir can't be written.
    """
    if checkpoints.steps(output_dir):
        raise CheckpointError(f"{output_dir} holds a model already; choose a new --output_dir")
    from t2tlite.model.transformer import Transformer, TransformerEncoder
    from t2tlite.optimizers.optimizers import make_optimizer

    if run.precision == AUTO:
        # T2T's default, which trained the checkpoint.
        run.hparams["activation_dtype"] = "float32"
    if not checkpoint.shares_embeddings:
        run.hparams["shared_embedding_and_softmax_weights"] = False
    hparams = HParams.from_values(run.hparams)
    _check_prepend_mode(hparams, checkpoint)
    problem_hparams = run.trained_problem().get_hparams(hparams, data_dir)
    network = run.make_model(problem_hparams)
    # Not isinstance: subclasses have weights of other names.
    if type(network) not in (Transformer, TransformerEncoder):
        raise CheckpointError(
            f"checkpoints of model {run.model} can't be imported; those of transformer and "
            f"transformer_encoder can"
        )
    take_weights(network, checkpoint)
    # The number of steps only matters for the schedule, which isn't saved.
    optimizer = make_optimizer(hparams, train_steps=1)
    optimizer.build(network.trainable_variables)
    reason = take_optimizer(network, optimizer, checkpoint)
    make_folder(output_dir)
    with checkpoints.locked_folder(output_dir):
        run.take_vocabularies(output_dir, data_dir)
        run.write(output_dir, data_dir)
        with contextlib.closing(checkpoints.Saver(output_dir, keep=0)) as saver:
            saver.save(checkpoint.step, network, optimizer)
            saver.wait()
        model_card.write(output_dir, run)
    state = f"state of {hparams.optimizer} imported; training resumes exactly"
    if reason:
        state = f"moments not imported ({reason}); training resumes at this step's learning rate"
    return Imported(
        step=checkpoint.step,
        weights=len(network.weights),
        parameters=network.count_params(),
        optimizer=state,
        left=[f"{name} {list(checkpoint.shapes[name])}" for name in checkpoint.unread()],
    )


def _check_prepend_mode(hparams: HParams, checkpoint: Checkpoint) -> None:
    """Raises CheckpointError for an encoder beside one sequence of inputs and targets."""
    if hparams.prepend_mode != "none" and any("/encoder/" in name for name in checkpoint.shapes):
        raise CheckpointError(
            f"the checkpoint has an encoder, which T2T trains beside prepend_mode="
            f"{hparams.prepend_mode}; here that is a decoder alone, so it can't be imported"
        )


def training_flags(run: run_record.RunRecord, hparams_set: str = "") -> str:
    """Returns the flags for t2t-trainer to resume training of an imported model.

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
    """Returns the folder of a checkpoint, or `source` if it is a folder."""
    path = Path(source).expanduser()
    return path if path.is_dir() else path.parent
