"""The steps that a TPU would run, with their shapes: of `fit`, of evaluation and of decoding."""

from __future__ import annotations

import dataclasses
from typing import Any

from t2tlite.data import inputs
from t2tlite.data.inputs import WAITED, Batching
from t2tlite.decode.decoder import BATCH_TOKENS, LENGTH_STEP, DecodeHParams
from t2tlite.decode.search_model import make_search
from t2tlite.model.optimizers import make_optimizer
from t2tlite.model.scorer import Scorer
from t2tlite.tpu_check.program import CannotCompile, Shapes, Step
from t2tlite.training.objective import Objective
from t2tlite.training.setup import TrainingSetup


def training(place: TrainingSetup) -> Step:
    """The step that `training.train` gives to Keras's `fit`.

    Raises:
      CannotCompile: batches have no fixed shape.
    """
    batching = place.batching
    optimizer = make_optimizer(place.hparams, place.schedule.train_steps)
    objective = Objective(
        place.network,
        place.hparams,
        place.problem_hparams,
        place.device.sum_over_replicas,
        place.device.row_shares,
    )
    optimizer.build(place.network.trainable_variables)
    objective.compile(optimizer=optimizer, jit_compile=True)
    data = _shapes(place.training_batches(start=0), batching, place.sizes.row_length)
    rows = data["targets"][0][0]
    data[WAITED] = ((rows,), "float32")
    state = (
        objective.trainable_variables,
        objective.non_trainable_variables,
        optimizer.variables,
        objective.metrics_variables,
    )
    return Step("training", objective.train_step, state, data)


def resized(step: Step, place: TrainingSetup, batch_size: int) -> Step:
    """Returns the training step for another batch_size, in tokens a core."""
    tokens = dataclasses.replace(place.batching, batch_tokens=batch_size * place.device.count)
    rows = tokens.rows(step.shape[1])
    data = {name: ((rows, *shape[1:]), dtype) for name, (shape, dtype) in step.data.items()}
    return dataclasses.replace(step, data=data)


def evaluation(place: TrainingSetup) -> Step:
    """The step that evaluation runs, on a batch of the longest examples that there are."""
    split = place.schedule.eval_split
    batching = place.evaluation_batching
    batches = inputs.evaluation_batches(place.shards[split], place.examples(split), batching)
    modality = place.problem_hparams.modality["targets"]
    scorer = Scorer(place.network, modality, place.device.gather)
    return _prediction("evaluation", scorer, _shapes(batches, batching, longest(place)))


def decoding(place: TrainingSetup, how: DecodeHParams) -> Step:
    """The search that the decoder runs, on lines as long as the longest of the evaluation data."""
    search = make_search(place.network, place.problem_hparams, place.hparams, how)
    length = longest(place)
    width = _power_of_two(-(-length // LENGTH_STEP) * LENGTH_STEP)
    room = how.beam_size * (2 * length + how.extra_length)
    shares = place.device.row_shares
    rows = _power_of_two(how.batch_size or max(1, shares * BATCH_TOKENS // room))
    rows = -(-rows // shares) * shares
    data: Shapes = {"ids": ((rows, width), "int32"), "lengths": ((rows,), "int32")}
    name = f"decoding, beam of {how.beam_size}" if how.beam_size > 1 else "decoding, greedy"
    return _prediction(name, search, data)


def longest(place: TrainingSetup) -> int:
    """Tokens of the longest evaluation example."""
    split = place.schedule.eval_split
    found = inputs.measure(place.shards[split], place.examples(split), place.evaluation_batching)
    return found.row_length


def _prediction(name: str, model: Any, data: Shapes) -> Step:
    """What Keras compiles for predict_on_batch."""
    model.compile(jit_compile=True)
    # Its network is built, and it has no weights of its own.
    model.built = True
    state = (model.trainable_variables, model.non_trainable_variables)
    return Step(name, lambda state, data: _predict(model, state, data), state, data)


def _predict(model: Any, state: Any, data: Any) -> Any:
    outputs, others = model.predict_step(state, data)
    return outputs, (state[0], others)


def _lengths(batching: Batching, row_length: int) -> list[int]:
    """The lengths of rows that batches have."""
    if batching.kind != "bucket":
        return [batching.row_length]
    lengths = [*batching.bounds, batching.row_length]
    return [one for one in lengths if one < row_length] + [
        min(one for one in lengths if one >= row_length)
    ]


def _shapes(batches: Any, batching: Batching, row_length: int) -> Shapes:
    """The shapes of a dataset's longest batches.

    Raises:
      CannotCompile: they aren't fixed.
    """
    length = _lengths(batching, row_length)[-1]
    found: Shapes = {}
    for name, spec in batches.element_spec.items():
        shape = [batching.rows(length), *spec.shape.as_list()[1:]]
        if batching.kind == "bucket" and len(shape) == 2:
            shape[1] = shape[1] or length
        if None in shape:
            raise CannotCompile(
                f"batches of {name} have the shape {spec.shape}, where None isn't known before "
                f"there is data, and a TPU wants all known; choose batching=pack or pad"
            )
        found[name] = (tuple(shape), spec.dtype.name)
    return found


def _power_of_two(number: int) -> int:
    return 1 << max(0, number - 1).bit_length()
