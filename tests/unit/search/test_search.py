"""The searches against plain enumeration, on step functions that are tables of probabilities.

`KERAS_BACKEND` picks the backend; every test holds on each.
"""

import itertools
import math

import keras
import numpy as np
import pytest
from keras import ops

from t2tlite.config import EOS_ID
from t2tlite.errors import HParamsError
from t2tlite.search import beams, search

V, T, EOS = 5, 4, EOS_ID
MOST_STEPS = 50
# Half of the last step's (V - 1) ** (T - 1) * V extensions, so that none is forgotten.
WIDE = 160


def log_softmax(x_V):
    x_V = np.asarray(x_V, "float64")
    return x_V - x_V.max() - np.log(np.exp(x_V - x_V.max()).sum())


def random_table(seed, scale=2.0, vocab_size=V):
    """Logits [position, last id, next id]; by position, since a mere chain is full of ties."""
    shape = (MOST_STEPS, vocab_size, vocab_size)
    return np.random.default_rng(seed).normal(0, scale, shape).astype("float32")


def markov(tables):
    """A step that looks up position and last id in its row's table.

    The cache carries the row's number, which a search must keep with the row.

    Args:
      tables: [R, position, last id, next id]; one axis less for all rows, two less for all
        positions alike.
    """
    vocab_size = np.shape(tables)[-1]
    tables = np.asarray(tables, "float32").reshape(-1, *np.shape(tables)[-3:])
    tables = np.broadcast_to(tables, (len(tables), MOST_STEPS, vocab_size, vocab_size))

    def step(ids_N, position, cache):
        table_RVV = ops.take(ops.convert_to_tensor(tables), position, axis=1)
        rows_NVV = ops.take(table_RVV, cache["row"], axis=0)
        here_NV = ops.arange(vocab_size)[None] == ids_N[:, None]
        return ops.sum(ops.where(here_NV[..., None], rows_NVV, 0.0), axis=1), cache

    return step


def markov_cache(rows, beam_size=1):
    return {"row": ops.repeat(ops.convert_to_tensor(rows, "int32"), beam_size)}


def counting(table):
    """A step whose logits depend on how often each id was seen: it needs its whole history."""

    def step(ids_N, position, cache):
        seen_NV = cache["deep"]["seen"] + ops.one_hot(ids_N, V, dtype="float32")
        return ops.matmul(seen_NV, ops.convert_to_tensor(table)), {"deep": {"seen": seen_NV}}

    return step


def counting_cache(n):
    return {"deep": {"seen": ops.zeros((n, V))}}


def counting_log_probs(table):
    def log_probs(prefix):
        seen = np.bincount([0, *prefix], minlength=V)
        return log_softmax(seen @ table.astype("float64"))

    return log_probs


def markov_log_probs(table):
    return lambda prefix: log_softmax(table[len(prefix)][prefix[-1] if prefix else 0])


def penalty(length, alpha):
    return ((5 + length) / 6) ** alpha


def all_hypotheses(log_probs, steps, alpha, vocab_size=V):
    """Every sequence that ends within the steps, as (score, ids), best first."""
    found = []
    for length in range(1, steps + 1):
        for head in itertools.product(
            [i for i in range(vocab_size) if i != EOS], repeat=length - 1
        ):
            ids = (*head, EOS)
            total = sum(log_probs(ids[:i])[ids[i]] for i in range(length))
            found.append((total / penalty(length, alpha), ids))
    return sorted(found, reverse=True)


def reference_beam_search(log_probs, beam_size, steps, alpha, fills_beam=False):
    """T2T's algorithm for one row in plain Python: the hypotheses as (score, ids), and its steps.

    It stops by T2T's test, or with `fills_beam` by ours.
    """

    def settled():
        bound = alive[0][0] / penalty(steps, alpha)
        if not fills_beam:
            return bool(finished) and finished[-1][0] > bound
        return len(finished) == beam_size and finished[-1][0] >= bound

    alive, finished, position = [(0.0, ())], [], 0
    while position < steps and not settled():
        position += 1
        grown = [(x + y, (*ids, i)) for x, ids in alive for i, y in enumerate(log_probs(ids))]
        grown = sorted(grown, reverse=True)[: 2 * beam_size]
        ended = [
            (x / penalty(position, alpha), ids) for x, ids in grown if ids[-1] == EOS and x > -1e7
        ]
        finished = sorted(finished + ended, reverse=True)[:beam_size]
        alive = [(x, ids) for x, ids in grown if ids[-1] != EOS][:beam_size]
    return finished or [(x / penalty(steps, alpha), ids) for x, ids in alive], position


def padded(ids, width=T):
    return [*ids, *[0] * (width - len(ids))]


def arrays(result):
    return tuple(ops.convert_to_numpy(x) for x in result)


def assert_hypotheses(result, expected, row=0):
    """The first of the row's n-best are the expected ones."""
    ids, scores = arrays(result)
    for place, (score, hypothesis) in enumerate(expected):
        assert ids[row, place].tolist() == padded(hypothesis, ids.shape[-1]), place
        assert scores[row, place] == pytest.approx(score, abs=1e-5), place


# Greedy.


@pytest.mark.parametrize("seed", range(5))
def test_greedy_takes_the_most_probable_id_at_each_step(seed):
    table = random_table(seed)
    expected, total = [], 0.0
    while len(expected) < T and EOS not in expected:
        step = markov_log_probs(table)(expected)
        expected.append(int(step.argmax()))
        total += step.max()
    ids, scores = arrays(search.greedy(markov(table), markov_cache([0]), 1, T))
    assert ids.tolist() == [padded(expected)]
    assert ids.dtype == "int32"
    assert scores == pytest.approx([total], abs=1e-5)
    assert scores.dtype == "float32"


def test_ids_after_eos_are_padding_and_cost_nothing():
    table = np.full((V, V), -9.0, "float32")
    table[0, EOS] = table[EOS, 3] = table[3, 3] = 9.0
    other = np.full((V, V), -9.0, "float32")
    other[:, 2] = 9.0
    step = markov(np.stack([table, other])[:, None])
    ids, scores = arrays(search.greedy(step, markov_cache([0, 1]), 2, T))
    assert ids.tolist() == [[EOS, 0, 0, 0], [2, 2, 2, 2]]
    assert scores[0] == pytest.approx(log_softmax(table[0])[EOS], abs=1e-6)


# Beam search.


@pytest.mark.parametrize("alpha", [0.0, 0.6, 2.0])
@pytest.mark.parametrize("seed", range(2))
def test_a_wide_beam_finds_the_best_of_all_sequences(seed, alpha):
    table, beam_size = random_table(seed), WIDE
    expected = all_hypotheses(markov_log_probs(table), T, alpha)
    assert len(expected) == 85
    result = search.beam_search(markov(table), markov_cache([0], beam_size), 1, beam_size, T, alpha)
    assert_hypotheses(result, expected)
    ids, scores = arrays(result)
    assert not ids[:, 85:].any()
    assert (scores[:, 85:] == beams.MISSING_SCORE).all()


@pytest.mark.parametrize("seed", range(3))
def test_the_cache_follows_its_hypothesis(seed):
    table, beam_size = random_table(seed, 1.0)[0], WIDE
    expected = all_hypotheses(counting_log_probs(table), T, 0.6)
    result = search.beam_search(counting(table), counting_cache(beam_size), 1, beam_size, T, 0.6)
    assert_hypotheses(result, expected)


@pytest.mark.parametrize("seed", range(6))
def test_a_narrow_beam_finds_what_t2t_finds(seed):
    """Rank by rank, as far as T2T has hypotheses; after its early stop ours has more of them."""
    table, steps = random_table(seed, 0.5)[0], 12
    table[:, EOS] -= 0.3
    beam_size, alpha = (2, 3, 4)[seed % 3], (0.6, 1.0)[seed % 2]
    step, cache = counting(table), counting_cache(beam_size)
    expected, _ = reference_beam_search(counting_log_probs(table), beam_size, steps, alpha)
    assert_hypotheses(search.beam_search(step, cache, 1, beam_size, steps, alpha), expected)


def test_live_hypotheses_are_the_answer_where_none_finished():
    table = random_table(1)
    table[..., EOS] = -1e9
    expected, _ = reference_beam_search(markov_log_probs(table), 3, T, 0.6)
    assert len(expected[0][1]) == T
    assert_hypotheses(
        search.beam_search(markov(table), markov_cache([0], 3), 1, 3, T, 0.6), expected
    )


def test_a_finished_hypothesis_wins_over_more_probable_live_ones():
    table = np.log(np.full((V, V), 0.02, "float32"))
    table[:, 2] = math.log(0.94)
    ids, scores = arrays(search.beam_search(markov(table), markov_cache([0], 2), 1, 2, T, 0.0))
    assert (ids[0] == EOS).any(axis=-1).all()
    assert scores[0, 0] < T * math.log(0.94)


def test_a_vocabulary_smaller_than_the_beam_leaves_places_empty():
    table = random_table(3, vocab_size=2)
    ids, scores = arrays(search.beam_search(markov(table), markov_cache([0], 4), 1, 4, T, 0.6))
    expected = all_hypotheses(markov_log_probs(table), T, 0.6, vocab_size=2)
    assert_hypotheses((ids, scores), expected)
    assert len(expected) == 4


@pytest.mark.parametrize("ban", [-1e9, -np.inf])
def test_banned_ids_are_never_part_of_a_hypothesis(ban):
    table = random_table(0)
    table[..., 2] = ban
    ids, scores = arrays(search.beam_search(markov(table), markov_cache([0], 64), 1, 64, T, 0.6))
    assert not (ids == 2).any()
    assert np.isfinite(scores).all()
    assert (scores > beams.MISSING_SCORE).sum() == 1 + 3 + 9 + 27


def test_a_banned_eos_finishes_no_hypothesis():
    table = random_table(0)
    table[..., EOS] = -1e9
    ids, scores = arrays(search.beam_search(markov(table), markov_cache([0], 2), 1, 2, T, 0.6))
    assert not (ids == EOS).any()
    assert (scores > -100).all()


def test_places_are_empty_where_fewer_sequences_live_than_a_beam_holds():
    table = np.full((V, V), -np.inf, "float32")
    table[:, 2:4] = 0
    ids, scores = arrays(search.beam_search(markov(table), markov_cache([0], 4), 1, 4, 1, 0.0))
    assert sorted(ids[0, :2, 0]) == [2, 3]
    assert scores[0, :2] == pytest.approx(math.log(0.5))
    assert not ids[0, 2:].any()
    assert (scores[0, 2:] == beams.MISSING_SCORE).all()


# Where a search stops.


def count_steps(run, step, *args, **kwargs):
    """How often a search calls its step when nothing compiles its loop."""
    calls = []

    def counted(ids_N, position, cache):
        calls.append(int(position))
        return step(ids_N, position, cache)

    if keras.backend.backend() == "jax":
        import jax

        with jax.disable_jit():
            run(counted, *args, **kwargs)
    else:
        run(counted, *args, **kwargs)
    assert calls == list(range(len(calls)))
    return len(calls)


def ends_at_once():
    table = np.log(np.full((V, V), 0.01, "float32"))
    table[:, EOS] = math.log(0.96)
    return table


def test_greedy_stops_when_all_rows_are_done():
    table = np.full((V, V), -9.0, "float32")
    table[0, 2] = table[2, EOS] = 9.0
    step = markov(np.stack([ends_at_once(), table])[:, None])
    assert count_steps(search.greedy, step, markov_cache([0, 0]), 2, 50) == 1
    assert count_steps(search.greedy, step, markov_cache([0, 1]), 2, 50) == 2


def test_a_beam_search_stops_when_no_live_hypothesis_can_win():
    step, cache = markov(ends_at_once()), markov_cache([0], 2)
    # The first step brings a finished hypothesis, two more a second one, better than any live one.
    _, steps = reference_beam_search(markov_log_probs([ends_at_once()] * 50), 2, 50, 0.6, True)
    assert count_steps(search.beam_search, step, cache, 1, 2, 50, 0.6) == steps < 5


@pytest.mark.parametrize("seed", [4, 11])
def test_a_beam_search_takes_no_more_steps_than_it_needs(seed):
    """What a live hypothesis may still reach depends on its row's limit, not on the batch's."""
    table, limit = random_table(seed, 1.5), 8
    args = markov(table), markov_cache([0], 3), 1, 3, 40, 1.0
    _, steps = reference_beam_search(markov_log_probs(table), 3, limit, 1.0, True)
    limits = ops.convert_to_tensor([limit])
    assert count_steps(search.beam_search, *args, row_limits_B=limits) == steps


def test_limits_end_rows_and_with_them_the_search():
    table = np.full((V, V), -9.0, "float32")
    table[:, 2] = 9.0
    step, limits = markov(table), ops.convert_to_tensor([3, 0, 2, 1])
    expected = [[2, 2, 2, 0], [0, 0, 0, 0], [2, 2, 0, 0], [2, 0, 0, 0]]
    args = step, markov_cache([0] * 4), 4
    for run, rest in (
        (search.greedy, (T,)),
        (search.sample, (T, 0.1)),
        (search.beam_search, (1, T, 0)),
    ):
        ids, _ = arrays(run(*args, *rest, row_limits_B=limits))
        assert ids.reshape(4, T).tolist() == expected
    assert count_steps(search.greedy, *args, T, row_limits_B=limits) == 3
    assert count_steps(search.greedy, *args, T, row_limits_B=ops.zeros((4,), "int32")) == 0
    table[..., EOS] = -1e9
    args = markov(table), markov_cache([0] * 4, 2), 4, 2, T, 0.6
    ids, scores = arrays(search.beam_search(*args, row_limits_B=limits))
    assert ids[:, 0].tolist() == expected
    assert scores[1].tolist() == [0, beams.MISSING_SCORE]
    assert count_steps(search.beam_search, *args, row_limits_B=limits) == 3


def test_a_limit_beyond_the_last_step_is_the_last_step():
    table = random_table(2)
    args = markov(table), markov_cache([0], 3), 1, 3, T, 0.6
    one, two = search.beam_search(*args), search.beam_search(*args, row_limits_B=[99])
    for x, y in zip(arrays(one), arrays(two), strict=True):
        np.testing.assert_array_equal(x, y)


# Compiled, in a batch.


class Searcher(keras.Model):
    """Runs a search as decoding does: within a model's call."""

    def __init__(self, tables, max_steps, beam_size=1, run=search.greedy, **options):
        super().__init__()
        self.step, self.beam_size, self.run = markov(tables), beam_size, run
        self.max_steps, self.options = max_steps, options

    def call(self, features):
        batch_size = ops.shape(features["row"])[0]
        cache = {"row": ops.repeat(features["row"], self.beam_size)}
        sizes = (batch_size, self.max_steps)
        if self.run is search.beam_search:
            sizes = (batch_size, self.beam_size, self.max_steps)
        return self.run(self.step, cache, *sizes, row_limits_B=features["limit"], **self.options)


def predict(model, rows, limits):
    return model.predict_on_batch({"row": np.int32(rows), "limit": np.int32(limits)})


@pytest.mark.parametrize("beam_size", [1, 3])
def test_a_row_decodes_alone_as_in_a_batch(beam_size):
    rng = np.random.default_rng(0)
    tables, limits = rng.normal(0, 1.5, (64, MOST_STEPS, V, V)), rng.integers(1, 11, 64)
    run, options = (search.greedy, {}) if beam_size == 1 else (search.beam_search, {"alpha": 0.6})
    model = Searcher(tables, 10, beam_size, run, **options)
    ids, scores = predict(model, np.arange(64), limits)
    assert len(np.unique(ids, axis=0)) > 32
    for row in range(64):
        ids_alone, scores_alone = predict(model, [row], limits[row : row + 1])
        np.testing.assert_array_equal(ids_alone[0], ids[row])
        np.testing.assert_allclose(scores_alone[0], scores[row], rtol=1e-5)
    if beam_size > 1:
        for row in range(64):
            log_probs = markov_log_probs(tables[row].astype("float32"))
            expected, _ = reference_beam_search(log_probs, beam_size, limits[row], 0.6)
            assert_hypotheses((ids, scores), expected, row)


def test_sizes_may_be_tensors_on_tensorflow():
    if keras.backend.backend() != "tensorflow":
        pytest.skip("sizes are static on other backends")
    import tensorflow as tf

    table = random_table(0)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.int32), tf.TensorSpec([], tf.int32)])
    def run(rows, max_steps):
        batch_size = tf.shape(rows)[0]
        step, cache = markov([table] * 3), {"row": rows}
        return (
            search.greedy(step, cache, batch_size, max_steps),
            search.sample(step, cache, batch_size, max_steps, 0.01),
            search.beam_search(step, {"row": tf.repeat(rows, 2)}, batch_size, 2, max_steps, 0.6),
        )

    for rows, max_steps in ([0, 1, 2], 7), ([1], 3):
        expected = arrays(
            search.greedy(markov([table] * 3), markov_cache(rows), len(rows), max_steps)
        )
        greedy, sample, beam = map(arrays, run(tf.constant(rows), tf.constant(max_steps)))
        np.testing.assert_array_equal(greedy[0], expected[0])
        np.testing.assert_array_equal(sample[0], expected[0])
        best, _ = reference_beam_search(markov_log_probs(table), 2, max_steps, 0.6)
        assert_hypotheses(beam, best, len(rows) - 1)


# Sampling.


@pytest.mark.parametrize("options", [{"temperature": 1e-3}, {"top_k": 1}, {"top_p": 1e-3}])
def test_the_sharpest_sampling_is_greedy(options):
    tables = np.random.default_rng(0).normal(0, 2, (16, MOST_STEPS, V, V))
    step, cache = markov(tables), markov_cache(range(16))
    ids, scores = arrays(search.greedy(step, cache, 16, T))
    for seed in range(3):
        sampled, sampled_scores = arrays(search.sample(step, cache, 16, T, seed=seed, **options))
        np.testing.assert_array_equal(sampled, ids)
        np.testing.assert_allclose(sampled_scores, scores, rtol=1e-5)


PROBABILITIES = [0.1, 0.05, 0.5, 0.15, 0.2]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, PROBABILITIES),
        ({"temperature": 0.5}, np.square(PROBABILITIES) / np.square(PROBABILITIES).sum()),
        ({"top_k": 2}, [0, 0, 5 / 7, 0, 2 / 7]),
        ({"top_k": V}, PROBABILITIES),
        ({"top_k": -1}, PROBABILITIES),
        ({"top_p": 0.69}, [0, 0, 5 / 7, 0, 2 / 7]),
        ({"top_p": 0.71}, [0, 0, 50 / 85, 15 / 85, 20 / 85]),
        # Of the three most probable ids the first holds 0.59, the first two 0.82.
        ({"top_k": 3, "top_p": 0.8}, [0, 0, 5 / 7, 0, 2 / 7]),
    ],
)
def test_ids_are_drawn_as_often_as_they_are_probable(options, expected):
    n, table = 20000, np.log(np.float32([PROBABILITIES] * V))
    ids, scores = arrays(search.sample(markov(table), markov_cache([0] * n), n, 2, **options))
    for step in (0, 1):
        drawn = ids[ids[:, 0] != EOS, step] if step else ids[:, 0]
        frequencies = np.bincount(drawn, minlength=V) / len(drawn)
        deviation = np.sqrt(np.multiply(expected, np.subtract(1, expected)) / len(drawn))
        assert (np.abs(frequencies - expected) <= 5 * deviation).all(), frequencies
    # The scores are the model's, not those of the distribution that was drawn from.
    logs = np.log(PROBABILITIES)
    total = logs[ids[:, 0]] + np.where(ids[:, 0] == EOS, 0, logs[ids[:, 1]])
    np.testing.assert_allclose(scores, total, rtol=1e-5)


def test_steps_and_rows_draw_independently():
    n, table = 20000, np.log(np.float32([[0.5, 0, 0.5, 0, 0]] * V) + 1e-12)
    ids, _ = arrays(search.sample(markov(table), markov_cache([0] * n), n, 2))
    pairs = np.bincount(ids[:, 0] + ids[:, 1] // 2, minlength=4) / n
    np.testing.assert_allclose(pairs, 0.25, atol=0.02)


def test_a_seed_repeats_its_draws_and_a_generator_advances():
    step, cache = markov(np.zeros((V, V))), markov_cache([0] * 32)

    def draw(seed):
        return arrays(search.sample(step, cache, 32, T, seed=seed))[0].tolist()

    assert draw(1) == draw(1) != draw(2)
    one, two = keras.random.SeedGenerator(7), keras.random.SeedGenerator(7)
    first, second = draw(one), draw(one)
    assert first != second
    assert [draw(two), draw(two)] == [first, second]


def test_a_seed_generator_advances_in_compiled_code():
    def results():
        model = Searcher(np.zeros((V, V)), T, run=search.sample)
        model.options["seed"] = model.generator = keras.random.SeedGenerator(3)
        return [predict(model, [0] * 32, [T] * 32)[0].tolist() for _ in range(2)]

    first, second = results()
    assert first != second
    assert results() == [first, second]


# What a user can get wrong.


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperature": 0}, "temperature=0 is not above 0"),
        ({"temperature": -1.0}, "temperature=-1.0 is not above 0"),
    ],
)
def test_sampling_out_of_range(options, message):
    with pytest.raises(HParamsError, match=message):
        search.sample(markov(np.zeros((V, V))), markov_cache([0]), 1, T, **options)
