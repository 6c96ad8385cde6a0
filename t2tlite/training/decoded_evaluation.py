"""Evaluation by decoding: a model in training answers inputs of the evaluation split."""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any

from t2tlite.checkpoint.run_record import RunRecord
from t2tlite.config import ProblemHParams
from t2tlite.decode import references
from t2tlite.decode.batches import Batch, too_long
from t2tlite.decode.decode_hparams import DecodeHParams
from t2tlite.decode.decoder import Decoder
from t2tlite.decode.keras_engine import KerasEngine
from t2tlite.decode.model_folder import ModelFolder
from t2tlite.decode.quality import compare
from t2tlite.devices.devices import Devices
from t2tlite.errors import DataError, HParamsError
from t2tlite.metrics import (
    OF_DECODING,
    is_decoded,
    split_member,
    strip_problem,
)
from t2tlite.mixtures.mixture import Mixture
from t2tlite.problem import Problem
from t2tlite.training.train_args import TrainArgs

log = logging.getLogger(__name__)


def check(
    train_args: TrainArgs, problem: Problem, problem_hparams: ProblemHParams, names: Sequence[str]
) -> None:
    """Checks that evaluations measure stop_metric, and that what they are to decode can be decoded.

    Args:
      names: of the metrics that are measured without decoding.

    Raises:
      HParamsError: nothing measures stop_metric, or decoding does and eval_decode isn't given.
      DataError: eval_decode is given, and the model doesn't answer inputs by texts.
    """
    if train_args.eval_decode:
        found = ""
        if problem_hparams.modality["targets"] != "symbol":
            found = "answers are no texts, so the metrics without decoding say how good they are"
        elif "inputs" not in problem_hparams.vocab_size:
            found = "model is a language model, which has no inputs to answer"
        if found:
            raise DataError(f"--eval_decode={train_args.eval_decode}: the {found}; leave it out")
        names = [*names, *OF_DECODING]
    member, name = split_member(strip_problem(train_args.stop_metric))
    is_member = member in ("", *problem.members) if isinstance(problem, Mixture) else not member
    if is_member and name in ("loss", *names):
        return
    found, advice = "is not one of the metrics; ", ""
    if is_decoded(train_args.stop_metric) and not train_args.eval_decode:
        found = "is measured by decoding; "
        advice = "add --eval_decode=N, the number of inputs to decode, or "
    raise HParamsError(
        f"--eval_early_stopping_metric={train_args.stop_metric} {found}{advice}choose one of: "
        f"loss, {', '.join(names)}"
    )


@dataclasses.dataclass(frozen=True)
class _Part:
    """What is decoded of a problem, or of a member of a mixture.

    Attributes:
      count: of the inputs.
      columns: the first reference of each input, the second ones, and so on.
      batches: of the inputs that aren't blank.
      decode_hparams: how to decode.
    """

    count: int
    columns: Sequence[Sequence[str]]
    batches: Sequence[Batch]
    decode_hparams: DecodeHParams


class DecodedEvaluation:
    """Decodes the first inputs of a split, as t2t-decoder does, by a network with its own weights.

    The search is compiled once. Samples, if the decode hparams ask for any, are the same each time.

    Args:
      run: of the training; its decode hparams say how to decode.
      problem: that is trained.
      network: the Keras model in training.
      device: where it trains.
      data_dir, split: whose inputs to decode, and where the vocabularies are.
      members: of a mixture, those that are evaluated; of another problem "" alone.
      count: how many distinct inputs of each to decode, the first ones of the data.
    """

    def __init__(
        self, run: RunRecord, problem: Problem, network: Any, device: Devices, data_dir: str,
        split: str, members: Iterable[str], count: int,
    ):  # fmt: skip
        folder = ModelFolder(data_dir, run=run, problem=problem)
        self._decoder = Decoder(
            folder, make_engine=lambda folder: KerasEngine(folder, device=device, trained=network)
        )
        self._parts = {}
        for member in members:
            one = problem.members[member] if isinstance(problem, Mixture) else problem
            pairs = references.pairs_of(folder, one, data_dir, split)
            found = dict(islice(references.by_input(pairs).items(), count))
            decode_hparams = self._decoder.decode_hparams
            if member:
                decode_hparams = dataclasses.replace(decode_hparams, decode_tag=member)
            self._parts[member] = _Part(
                len(found),
                references.columns_of(found.values()),
                self._decoder.make_batches(list(found), decode_hparams),
                decode_hparams,
            )

    def evaluate(self) -> tuple[dict[str, dict[str, float]], str]:
        """Returns the metrics of `t2tlite.metrics.Decoded` by member; and what it took, as text."""
        begin = time.monotonic()
        metrics = {
            member: compare(self._answers(part), part.columns, warn=False).metrics
            for member, part in self._parts.items()
        }
        seconds, count = time.monotonic() - begin, sum(part.count for part in self._parts.values())
        return metrics, f"{count:,} inputs decoded in {seconds:.1f} s"

    def _answers(self, part: _Part) -> list[str]:
        """Returns the best answer to each input; to a blank one, or one too long, a blank one."""
        answers = [""] * part.count
        for number, batch in enumerate(part.batches):
            rows = self._decoder.search(batch, part.decode_hparams, seed=number)
            for i, row, hypotheses in zip(batch.indices, batch.rows, rows, strict=True):
                if hypotheses:
                    answers[i] = hypotheses[0].text
                else:
                    message = too_long(self._decoder.engine, i + 1, row, part.decode_hparams)
                    log.warning("evaluation by decoding: %s; its answer is blank", message)
        return answers
