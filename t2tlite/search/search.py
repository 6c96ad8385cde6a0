"""Greedy, sampling and beam search over any step function, in a Keras model's call.

A *step* predicts the next id of N sequences:

    logits_NV, cache = step(ids_N, position, cache)

`ids_N` (int32) are the ids chosen last; at position 0 they are zeros, which a decoder that starts
with the zero vector ignores. `position` is a scalar int32 tensor. `cache` is a dict, possibly
nested, of tensors whose first axis is N and whose shapes never change: keys and values have space
for all steps from the start. (On TensorFlow an axis of unknown static size may grow.) A beam search
reorders the whole cache at each step, so what all beams of a row share, such as the encoder's
output, should be in `given`: a dict of tensors of N rows, or of B that the beams of a row share.
With `given`, the search gets its step from `step(given)`, and on TensorFlow it drops finished rows
(`t2tlite.search.loop`). Without it, `step` closes over what it reads.

No row gets more ids than its own limit. A row is finished at EOS or its limit, is frozen then, and
the search ends when all rows are finished. So greedy and beam results don't depend on the rest of
the batch. A row of limit 0, which only fills the batch, costs no steps.

On JAX `batch_size` and `max_steps` are Python ints; on TensorFlow either may be a scalar int32
tensor.

Shapes: B batch, K beam, N = B * K (the beams of a row are neighbours), T steps, V vocabulary,
M ids to draw from.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
from keras import ops

from t2tlite.config import EOS_ID, PAD_ID
from t2tlite.search.beams import (
    Beams,
    fast_top_k,
    freeze,
    length_penalty,
    log_sum_exp,
    pick,
    reorder,
    write,
)
from t2tlite.search.loop import loop, of_rows
from t2tlite.search.sampler import make_sampler

Tensor = Any
Size = Any  # an int, or with TensorFlow a scalar int32 tensor
Cache = dict[str, Any]
Step = Callable[[Tensor, Tensor, Cache], tuple[Tensor, Cache]]
MakeStep = Callable[[Cache], Step]  # from `given`


def greedy(
    step: Step | MakeStep,
    cache: Cache,
    batch_size: Size,
    max_steps: Size,
    *,
    row_limits_B: Tensor | None = None,
    given: Cache | None = None,
) -> tuple[Tensor, Tensor]:
    """Takes the most probable id at each step.

    Args:
      step: predicts the next id; see the module's docstring; N = B.
      cache: the cache at position 0; may be empty.
      batch_size: B.
      max_steps: T, the width of the result.
      row_limits_B: int32, each row's maximum number of ids; None for `max_steps`.
      given: tensors that all steps read; see the module's docstring.

    Returns:
      ids_BT, int32, with EOS, and PAD after it; scores_B, float32, the sum of the log
      probabilities of a row's ids.
    """
    limits_B = _limits(batch_size, max_steps, row_limits_B)
    return _follow(most_probable, step, cache, limits_B, max_steps, given)


def sample(
    step: Step | MakeStep,
    cache: Cache,
    batch_size: Size,
    max_steps: Size,
    temperature: float | Tensor = 1.0,
    top_k: int = 0,
    top_p: float | Tensor = 1.0,
    seed: int | keras.random.SeedGenerator = 0,
    *,
    uniform_BT: Tensor | None = None,
    most_B: Tensor | None = None,
    row_limits_B: Tensor | None = None,
    given: Cache | None = None,
) -> tuple[Tensor, Tensor]:
    """Draws each id from the model's distribution.

    Args:
      step, cache, batch_size, max_steps, row_limits_B, given: as in `greedy`.
      temperature: divides the logits; above 0. A float32 tensor [B] has one for each row.
      top_k: draws from the `top_k` most probable ids (Fan et al. 2018); 0 or less: from all.
      top_p: draws from the fewest ids whose probability, after `temperature` and `top_k`, sums to
        at least `top_p` (nucleus sampling, Holtzman et al. 2020); 1: from all. A float32 tensor [B]
        has one for each row.
      seed: an int gives the same ids each time; a `SeedGenerator` advances.
      uniform_BT: random numbers in [0, 1) to draw by, in place of `seed`.
      most_B: int32, how many of the `top_k` ids a row draws from; None: all of them.

    Returns:
      ids_BT and scores_B as `greedy`; scores ignore temperature, top_k and top_p.

    Raises:
      HParamsError: `temperature` is not above 0.
    """
    # One number for each step and row, drawn here to keep random state out of the loop.
    if uniform_BT is None:
        uniform_TB = keras.random.uniform((max_steps, batch_size), dtype="float32", seed=seed)
    else:
        uniform_TB = ops.transpose(uniform_BT)
    choose = make_sampler(uniform_TB, temperature, top_k, top_p, most_B)
    limits_B = _limits(batch_size, max_steps, row_limits_B)
    return _follow(choose, step, cache, limits_B, max_steps, given)


def beam_search(
    step: Step | MakeStep,
    cache: Cache,
    batch_size: Size,
    beam_size: int,
    max_steps: Size,
    alpha: float | Tensor,
    *,
    row_limits_B: Tensor | None = None,
    given: Cache | None = None,
) -> tuple[Tensor, Tensor]:
    """Finds the hypotheses of highest log probability / length penalty, as Tensor2Tensor does.

    `t2tlite.search.beams` describes a step. A row is done at its limit, or as soon as its best live
    hypothesis couldn't beat the K-th finished one even if all further ids had probability 1. (T2T
    compares with the worst finished one, however few there are, and so may return fewer hypotheses,
    but the same ones.) A row where none finished returns its live hypotheses.

    Args:
      step, batch_size, max_steps, row_limits_B, given: as in `greedy`, but N = B * K.
      cache: the cache at position 0, each row repeated K times.
      beam_size: K.
      alpha: exponent of the length penalty, at least 0. T2T's translations use 0.6.

    Returns:
      ids [B, K, T], int32, with EOS, and PAD after it; scores [B, K], float32, descending. An empty
      place has ids PAD and MISSING_SCORE. A logit that is NaN or infinite makes the row's scores
      NaN.
    """
    limits_B = _limits(batch_size, max_steps, row_limits_B)

    def body(position, beams, cache, given, rows_R):
        logits_NV, cache = _bind(step, given)(ops.reshape(beams.last_BK, (-1,)), position, cache)
        extended, parents_BK = beams.extend(logits_NV, position, alpha)
        left_B = of_rows(limits_B, rows_R)
        best_possible_B = extended.log_probs_BK[:, 0] / length_penalty(left_B, alpha)
        settled_B = extended.finished_scores_BK[:, -1] >= best_possible_B
        settled_B = settled_B | ops.isnan(best_possible_B)
        extended = extended._replace(done_B=settled_B | (position + 1 >= left_B))
        return position + 1, freeze(beams, extended), reorder(cache, parents_BK)

    beams = loop(body, Beams.start(limits_B, beam_size, max_steps), cache, given)
    return beams.hypotheses(limits_B, alpha)


class Sequences(NamedTuple):
    """One unfinished or finished sequence for each row; `extend` does a step."""

    ids_BT: Tensor
    log_probs_B: Tensor
    last_B: Tensor
    done_B: Tensor
    limits_B: Tensor

    @classmethod
    def start(cls, limits_B, max_steps) -> Sequences:
        """Returns empty sequences; a row of limit 0 is done already."""
        zeros_B = ops.zeros_like(limits_B)
        return cls(
            ids_BT=ops.full((ops.shape(limits_B)[0], max_steps), PAD_ID, "int32"),
            log_probs_B=ops.cast(zeros_B, "float32"),
            last_B=zeros_B,
            done_B=limits_B <= 0,
            limits_B=limits_B,
        )


def extend(choose, step, position, sequences, cache, rows_R=None):
    """Appends `choose(logits_BV, position, rows_R)` to each row that isn't done.

    Returns:
      The sequences and the cache.
    """
    batch_size = ops.shape(sequences.last_B)[0]
    logits_NV, cache = step(sequences.last_B, position, cache)
    logits_BV = ops.reshape(ops.cast(logits_NV, "float32"), (batch_size, logits_NV.shape[-1]))
    chosen_B = ops.cast(choose(logits_BV, position, rows_R), "int32")
    chosen_logits_B = pick(logits_BV, chosen_B[:, None])[:, 0]
    best_B = chosen_B if choose is most_probable else most_probable(logits_BV)
    extended = sequences._replace(
        ids_BT=write(sequences.ids_BT, position, chosen_B),
        log_probs_B=sequences.log_probs_B + (chosen_logits_B - log_sum_exp(logits_BV, best_B)),
        last_B=chosen_B,
        done_B=(chosen_B == EOS_ID) | (position + 1 >= sequences.limits_B),
    )
    return freeze(sequences, extended), cache


def _follow(choose, step, cache, limits_B, max_steps, given):
    """Extends empty sequences until all are done; returns their ids and log probabilities."""

    def body(position, sequences, cache, given, rows_R):
        bound = _bind(step, given)
        return position + 1, *extend(choose, bound, position, sequences, cache, rows_R)

    sequences = loop(body, Sequences.start(limits_B, max_steps), cache, given)
    return sequences.ids_BT, sequences.log_probs_B


def _bind(step, given):
    return step if given is None else step(given)


def most_probable(logits_BV, position=None, rows_R=None):
    """Chooses the id of each row for greedy search."""
    return fast_top_k(logits_BV, 1)[1][:, 0]


def _limits(batch_size, max_steps, row_limits_B):
    limits_B = ops.full((batch_size,), max_steps, "int32")
    if row_limits_B is None:
        return limits_B
    return ops.minimum(ops.cast(row_limits_B, "int32"), limits_B)
