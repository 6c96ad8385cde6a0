"""`fit`: from pairs in memory to a trained model, in one call."""

from __future__ import annotations

import inspect
import logging
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from t2tlite import registry
from t2tlite.api import pairs as stored_pairs
from t2tlite.api.arguments import PathLike, checked
from t2tlite.api.datagen import generate_data
from t2tlite.api.rows import LABELLED, Column
from t2tlite.api.training import args_of_flags, train
from t2tlite.assignments import shown
from t2tlite.checkpoint import run_record
from t2tlite.config import AUTO, HParams
from t2tlite.decode.decoder import Decoder
from t2tlite.errors import DataError
from t2tlite.files import folder_path
from t2tlite.training.new_run import read_hparams

log = logging.getLogger(__name__)

# The hparams that a short training changes.
_WARMUP = ("learning_rate_warmup_steps", "learning_rate_constant")
_MAX_VOCAB_SIZE = 2**20


@checked
def fit(
    pairs: Any, output_dir: PathLike, *, inputs: Column | None = None,
    targets: Column | None = None, label: Column | None = None, eval_pairs: Any = None,
    eval_share: float = 0.05, data_dir: PathLike = "", problem: str = "pairs",
    vocab_size: int = 8000, model: str = "", hparams_set: str = "transformer_modern_small",
    hparams: str | Mapping[str, Any] | HParams = "", train_steps: int = 2000,
    random_seed: int = 0, num_workers: int = 0, **training: Any,
) -> Decoder:  # fmt: skip
    """Trains a model on pairs of texts, texts, or labelled texts, and returns its Decoder.

    >>> model = fit(pairs, "own", vocab_size=8000, train_steps=2000)
    >>> type(model.decode("one line")), len(model.decode(["two", "lines"], beam_size=4))
    (<class 'str'>, 2)
    >>> model.n_best("one line", n=4)[0].text == model.decode("one line")
    True

    The same call again goes on where it stopped, or returns at once. The data folder has the pairs
    as JSON lines and what t2t-datagen writes; the model folder is as t2t-trainer's.

    Args:
      pairs: (input, target) pairs; (text, label) pairs, where the label is an integer or named by
        `label`; texts, for a language model; dicts of them, a pandas DataFrame, a Dataset of
        Hugging Face, or a function that returns an iterator.
      output_dir: the model folder.
      inputs, targets, label: the columns of dicts and tables by name, of tuples by position. By
        default those of these names; `targets` alone makes a language model.
      eval_pairs: pairs to evaluate on. By default `eval_share` of the different inputs is held out,
        by a hash of the input, so that no input is in both parts.
      data_dir: the data folder; by default "data" in `output_dir`.
      problem: name of the problem, in file names and URLs.
      vocab_size: about how many tokens the vocabulary gets; 0: bytes.
      model: by default "transformer", for labels "transformer_encoder".
      hparams_set, hparams, train_steps, random_seed: as for `train`. A warm-up that is longer than
        the training is shortened to a tenth of it, with the same highest learning rate.
      num_workers: as for `generate_data`.
      training: other keywords of `train`.

    Raises:
      DataError: the pairs can't be used, or the data folder has others.
      Error: as `train`.
    """
    _check(problem, vocab_size, model, {**training, "train_steps": train_steps})
    output_dir = folder_path(output_dir, "output_dir")
    data_dir = folder_path(data_dir or os.path.join(output_dir, "data"), "data_dir")
    changed = _hparams(hparams_set, hparams, training, train_steps, output_dir)
    columns = inputs, targets, label
    made: Any = stored_pairs.store(
        *(pairs, data_dir, problem, vocab_size),
        columns=columns, eval_pairs=eval_pairs, eval_share=eval_share,
    )  # fmt: skip
    model = model or ("transformer_encoder" if made.pairs.kind == LABELLED else "transformer")
    generate_data(made, data_dir, data_dir, random_seed, num_workers=num_workers)
    train(
        made, data_dir, output_dir, model=model, hparams_set=hparams_set, hparams=changed,
        train_steps=train_steps, random_seed=random_seed, **training,
    )  # fmt: skip
    return Decoder(output_dir)


def _check(problem: str, vocab_size: int, model: str, training: Mapping[str, Any]) -> None:
    """Checks arguments before the pairs are read, which may take long."""
    defaults = {name: one.default for name, one in inspect.signature(train).parameters.items()}
    for name in training:
        # The data are generated from the pairs.
        if name not in defaults or name in ("train_args", "generate_data", "overwrite"):
            raise TypeError(f"fit() got an unexpected keyword argument {name!r}")
    args_of_flags({**defaults, **training}).check()
    if model:
        registry.model(model)
    if not re.fullmatch(r"\w[\w.-]*", problem) or problem.endswith(("_rev", "_copy")):
        raise DataError(
            f"problem={shown(problem, quoted=True)}; expected a name of letters, digits and _, "
            f"which doesn't end in _rev or _copy"
        )
    if not 0 <= vocab_size <= _MAX_VOCAB_SIZE:
        raise DataError(f"vocab_size={vocab_size}; expected 0 (bytes) to {_MAX_VOCAB_SIZE}")


def _hparams(
    hparams_set: str,
    hparams: str | Mapping[str, Any] | HParams,
    training: Mapping[str, Any],
    train_steps: int,
    output_dir: str,
) -> HParams:
    """Returns the hparams of the training, with a warm-up that fits its length."""
    json_path = training.get("hparams_json_path", "")
    precision = training.get("precision", AUTO)
    found, changes = read_hparams(hparams_set, hparams, json_path, output_dir, precision)
    if isinstance(hparams, HParams) or set(_WARMUP) & set(changes):
        return found
    # Later calls may train longer, with the same learning rates.
    if (Path(output_dir) / run_record.NAME).exists():
        return found
    factors = {factor.strip() for factor in found.learning_rate_schedule.split("*")}
    warmup = found.learning_rate_warmup_steps
    updates = train_steps // max(found.optimizer_multistep_accumulate_steps, 1)
    if warmup > updates and {"constant", "linear_warmup", "rsqrt_decay"} <= factors:
        shorter = max(updates // 10, 1)
        # rsqrt_decay begins at the end of the warm-up, with its inverse square root.
        found.learning_rate_constant *= (shorter / warmup) ** 0.5
        found.learning_rate_warmup_steps = shorter
        log.info("the learning rate's warm-up of %d steps is shortened to %d", warmup, shorter)
    return found
