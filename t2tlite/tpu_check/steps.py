"""The steps that a TPU would run, with their shapes: training, evaluation and decoding."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from t2tlite.batches import inputs
from t2tlite.batches.batching import Batching
from t2tlite.decode.batches import BATCH_TOKENS
from t2tlite.decode.decode_hparams import DecodeHParams
from t2tlite.decode.keras_engine import padded_shape
from t2tlite.decode.keras_search import make_search
from t2tlite.devices.feeding import WAITED
from t2tlite.model.precision import products_in_float32
from t2tlite.model.teacher_forcing import Scorer
from t2tlite.tpu_check.program import Shapes, Step
from t2tlite.training.setup import TrainingSetup


def make_steps(setup: TrainingSetup) -> Iterator[Step]:
    """Yields training, evaluation, greedy decoding and, unless it classifies, beam search."""
    yield training(setup)
    yield evaluation(setup)
    yield decoding(setup, 1)
    if setup.problem_hparams.modality["targets"] == "symbol":
        yield decoding(setup, DecodeHParams().beam_size)


def training(setup: TrainingSetup) -> Step:
    """Returns the step that Keras's `fit` runs.

    Raises:
      CannotCompile: batches have no fixed shape.
    """
    objective, optimizer = setup.make_objective()
    objective.compile(optimizer=optimizer, jit_compile=True)
    data = _shapes(setup.training_batches.signature, setup.batching, setup.sizes.row_length)
    rows = data["targets"][0][0]
    data[WAITED] = ((rows,), "float32")
    weights = objective.trainable_variables, objective.non_trainable_variables
    state = *weights, optimizer.variables, objective.metrics_variables
    return Step("training", objective.train_step, state, data)


def resized(step: Step, setup: TrainingSetup, batch_size: int) -> Step:
    """Returns the training step for another batch_size, in tokens a core."""
    batching = dataclasses.replace(setup.batching, batch_tokens=batch_size * setup.device.count)
    rows = batching.rows(step.shape[1])
    data = {name: ((rows, *shape[1:]), dtype) for name, (shape, dtype) in step.data.items()}
    return dataclasses.replace(step, data=data)


def evaluation(setup: TrainingSetup) -> Step:
    """Returns the evaluation step for a batch of the longest examples."""
    batching = setup.evaluation_batching
    signature = inputs.TrainingBatches(setup.evaluation_examples, batching, seed=0).signature
    modality = setup.problem_hparams.modality["targets"]
    scorer = Scorer(setup.network, modality, setup.device.gather)
    return _prediction("evaluation", setup, scorer, _shapes(signature, batching, _longest(setup)))


def decoding(setup: TrainingSetup, beam_size: int) -> Step:
    """Returns the decoder's search for a full batch of the longest evaluation inputs."""
    decode_hparams = DecodeHParams(beam_size=beam_size)
    model = make_search(setup.network, setup.problem_hparams, setup.hparams, decode_hparams)
    length = _longest(setup)
    tokens = beam_size * (2 * length + decode_hparams.extra_length)
    rows = max(1, setup.device.row_shares * BATCH_TOKENS // tokens)
    rows, width = padded_shape(rows, length, setup.device)
    name = f"beam of {beam_size}" if beam_size > 1 else "greedy"
    data: Shapes = {"ids": ((rows, width), "int32"), "lengths": ((rows,), "int32")}
    return _prediction(f"decoding, {name}", setup, model, data)


def _longest(setup: TrainingSetup) -> int:
    """Returns the tokens of the longest evaluation example."""
    return inputs.measure(setup.evaluation_examples, setup.evaluation_batching).row_length


def _prediction(name: str, setup: TrainingSetup, model: Any, data: Shapes) -> Step:
    """Returns what Keras compiles for predict_on_batch; the network computes in float32."""
    model.compile(jit_compile=True)
    # The network inside is built, and the model has no weights of its own.
    model.built = True
    state = (model.trainable_variables, model.non_trainable_variables)

    def predict(state: Any, data: Any) -> Any:
        with products_in_float32(setup.network):
            outputs, non_trainable = model.predict_step(state, data)
        return outputs, (state[0], non_trainable)

    return Step(name, predict, state, data)


def _shapes(
    signature: Mapping[str, tuple[tuple[int | None, ...], str]],
    batching: Batching,
    row_length: int,
) -> Shapes:
    """Returns the shapes of the longest batches.

    Args:
      signature: shape and dtype by feature; None where the shapes of batches differ.
      batching: static.
      row_length: tokens of the longest rows.
    """
    length = batching.row_length
    if batching.kind == "bucket":
        length = min(bound for bound in [*batching.bounds, length] if bound >= row_length)
    rows = batching.rows(length)
    return {
        name: ((rows, *(size or length for size in shape[1:])), dtype)
        for name, (shape, dtype) in signature.items()
    }
