"""The loss: T2T's formula, and the chunked projection against the dense computation."""

import numpy as np
import pytest
from keras import ops

from t2tlite.model import losses
from t2tlite.model.soft_targets import SoftTargets, soft_cross_entropy

D = 16


def reference(logits, targets, smoothing):
    """Cross-entropy of the smoothed distribution less its entropy, in float64."""
    logits = np.asarray(logits, "float64")
    vocab_size = logits.shape[-1]
    log_probs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    wanted = np.full(logits.shape, smoothing / (vocab_size - 1))
    np.put_along_axis(wanted, targets[..., None], 1 - smoothing, -1)
    entropy = -(wanted * np.log(np.maximum(wanted, 1e-300))).sum(-1)
    return -(wanted * log_probs).sum(-1) - entropy


def random(seed, *shape, scale=1.0):
    return np.random.default_rng(seed).normal(0, scale, shape).astype("float32")


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
def test_cross_entropy(smoothing):
    logits, targets = random(0, 2, 5, 7, scale=3), np.arange(10).reshape(2, 5) % 7
    found = losses.cross_entropy(ops.convert_to_tensor(logits), targets, smoothing)
    np.testing.assert_allclose(found, reference(logits, targets, smoothing), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_rows_of_vocab_divisor_dont_count(smoothing):
    """13 tokens in a table of 16 rows: T2T's loss of the 13."""
    logits, targets = random(0, 2, 5, 16, scale=3), np.arange(10).reshape(2, 5)
    logits[..., 13:] = -1e9
    loss = losses.cross_entropy(ops.convert_to_tensor(logits), targets, smoothing, 13)
    expected = reference(logits[..., :13], targets, smoothing)
    np.testing.assert_allclose(loss, expected, rtol=1e-5, atol=1e-5)


def test_a_perfect_prediction_costs_nothing():
    smoothed = np.log([0.9, 0.05, 0.05]).astype("float32")
    loss = losses.cross_entropy(
        ops.convert_to_tensor(smoothed[None, None]), np.zeros((1, 1), int), 0.1
    )
    assert float(loss[0, 0]) == pytest.approx(0, abs=1e-6)
    other = losses.cross_entropy(
        ops.convert_to_tensor(smoothed[None, None]), np.ones((1, 1), int), 0.1
    )
    assert float(other[0, 0]) > 1


def test_token_weights():
    targets = ops.convert_to_tensor([[3, 1, 0, 0]])
    assert np.array(losses.token_weights({"targets": targets}, "symbol")).tolist() == [[1, 1, 0, 0]]
    # Label 0 is a label.
    assert np.array(losses.token_weights({"targets": targets}, "class_label")).tolist() == [
        [1, 1, 1, 1]
    ]


CASES = [
    # rows, vocab_size, batch, length, label_smoothing
    (50, 50, 2, 5, 0.0),  # one chunk, not full
    (50, 50, 2, 5, 0.1),
    (56, 50, 3, 43, 0.1),  # rows beyond the vocabulary, 129 tokens in chunks of 64
    (56, 50, 3, 43, 0.0),
    (50, 50, 2, 64, 0.1),  # two chunks, full
    (2, 1, 1, 65, 0.1),  # a vocabulary of one
]


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize(("rows", "vocab_size", "batch", "length", "smoothing"), CASES)
def test_projection_in_chunks_is_the_dense_one(
    monkeypatch, gradients, rows, vocab_size, batch, length, smoothing, shared
):
    shares = batch if shared else 1
    monkeypatch.setattr(losses, "CHUNK_TOKENS", 64)
    hidden, table = random(1, batch, length, D), random(2, rows, D)
    rng = np.random.default_rng(3)
    targets = rng.integers(0, vocab_size, (batch, length)).astype("int32")
    weights = (rng.uniform(size=(batch, length)) * (targets > 0)).astype("float32")
    weights[0, 0] = 1.5

    def chunked(hidden, table):
        total = losses.projected_cross_entropy(
            hidden, table, targets, ops.convert_to_tensor(weights), smoothing, vocab_size, shares
        )
        # A factor behind it, as the objective has one.
        return 3.0 * total

    def dense(hidden, table):
        logits = ops.matmul(hidden, ops.transpose(table[:vocab_size]))
        return 3.0 * ops.sum(losses.cross_entropy(logits, targets, smoothing) * weights)

    value, found = gradients(chunked, hidden, table)
    expected_value, expected = gradients(dense, hidden, table)
    assert value == pytest.approx(expected_value, rel=1e-5, abs=1e-5)
    for one, other in zip(found, expected, strict=True):
        assert one.shape == other.shape
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5 * np.abs(other).max() + 2e-6)
    # Padding pulls at nothing.
    assert not found[0][weights == 0].any()
    assert not found[1][vocab_size:].any()


@pytest.mark.parametrize("shares", [1, 2])
def test_the_divergence_of_two_passes(monkeypatch, gradients, shares):
    """As much as the formula in float64, and the gradient of the dense computation."""
    monkeypatch.setattr(losses, "CHUNK_TOKENS", 50)
    hidden, table = random(1, 4, 43, D), random(2, 56, D)
    targets = np.random.default_rng(3).integers(0, 50, (2, 43)).astype("int32").repeat(2, 0)
    weights = (targets > 9).astype("float32")

    def chunked(hidden, table):
        return losses.projected_cross_entropy(
            hidden, table, targets, ops.convert_to_tensor(weights), 0.1, 50, shares, 0.7
        )

    def dense(hidden, table):
        logits = ops.matmul(hidden, ops.transpose(table))
        plain = ops.sum(losses.cross_entropy(logits, targets, 0.1, 50) * weights)
        return plain + 0.7 * ops.sum(losses.divergence(logits, 50) * weights[::2])

    value, found = gradients(chunked, hidden, table)
    expected_value, expected = gradients(dense, hidden, table)
    logits = (hidden @ table[:50].T).astype("float64")
    log_probs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    first, second = log_probs[::2], log_probs[1::2]
    terms = np.exp(first) * (first - second) + np.exp(second) * (second - first)
    by_hand = (reference(logits, targets, 0.1) * weights).sum()
    by_hand += 0.7 * (terms.sum(-1) * weights[::2]).sum()
    assert value == pytest.approx(by_hand, rel=1e-5)
    assert expected_value == pytest.approx(by_hand, rel=1e-5)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5 * np.abs(other).max())
    assert not found[0][weights == 0].any()
    assert not found[1][50:].any()


def test_all_rows_are_tokens_by_default():
    hidden, table = random(1, 1, 3, D), random(2, 9, D)
    targets, weights = np.array([[1, 8, 2]]), np.ones((1, 3), "float32")
    found = losses.projected_cross_entropy(
        ops.convert_to_tensor(hidden), ops.convert_to_tensor(table), targets, weights
    )
    assert float(found) == pytest.approx(reference(hidden @ table.T, targets, 0.0).sum(), rel=1e-5)


def test_targets_whose_probability_is_no_float32():
    """Their loss is right beside that of others, and so are the losses of these."""
    hidden = np.array([[[1.0], [0.5], [-200.0]]], "float32")
    table = np.array([[0.0], [3.0], [-1.0]], "float32")
    losses_BT = reference(hidden @ table.T, np.array([[1, 1, 1]]), 0.0)
    assert losses_BT[0, 2] == pytest.approx(800.0)
    for keep in np.eye(3, dtype="float32"):
        found = losses.projected_cross_entropy(hidden, table, np.ones((1, 3), int), keep[None])
        assert float(found) == pytest.approx((losses_BT * keep).sum(), rel=1e-6)


def test_bfloat16_hidden_states(gradients):
    hidden, table = random(1, 2, 40, D), random(2, 30, D)
    targets = (np.arange(80).reshape(2, 40) % 30).astype("int32")
    weights = np.ones((2, 40), "float32")

    def loss(dtype):
        def total(hidden, table):
            return losses.projected_cross_entropy(
                ops.cast(hidden, dtype), table, targets, ops.convert_to_tensor(weights), 0.1
            )

        return gradients(total, hidden, table)

    value, found = loss("bfloat16")
    expected_value, expected = loss("float32")
    assert value == pytest.approx(expected_value, rel=1e-2)
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == "float32"
        # bfloat16 has 8 bits of mantissa.
        assert np.abs(one - other).max() < 0.02 * np.abs(other).max()


def test_numbers():
    outputs = ops.convert_to_tensor(np.array([[[1.0, 2.0]], [[0.0, -1.0]]], "float32"))
    targets = np.array([[1.0, 0.0], [3.0, 0.0]], "float32")
    errors = losses.squared_error(outputs, ops.convert_to_tensor(targets))
    assert np.array(errors).tolist() == [[0.0, 4.0], [9.0, 1.0]]
    # A target of 0 counts, unlike padding.
    weights = losses.token_weights({"targets": targets}, "real_l2")
    assert np.array(weights).tolist() == [[1.0, 1.0], [1.0, 1.0]]


def soft_reference(logits, targets, smoothing, soft):
    """A student's loss of each position and its gradient by the logits, in float64."""
    ids, log_probs, balance, temperature = soft
    logits, log_probs = (np.asarray(each, "float64") for each in (logits, log_probs))
    vocab_size = logits.shape[-1]
    softmax = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    # Whether a token is one of the teacher's.
    picked = np.take_along_axis(softmax, ids, -1)
    kept = np.exp(log_probs).sum(-1)
    rest = np.maximum(1 - picked.sum(-1), 1e-300)
    others = (1 - kept) * np.log(rest) if ids.shape[-1] < vocab_size else 0
    student = -kept * np.log(picked.sum(-1)) - others
    slope = softmax * (1 - (1 - kept) / rest)[..., None]
    np.put_along_axis(slope, ids, picked * (1 - kept / picked.sum(-1))[..., None], -1)
    # Which one of them.
    teacher, mine = np.exp(log_probs / temperature), picked ** (1 / temperature)
    teacher, mine = (each / each.sum(-1, keepdims=True) for each in (teacher, mine))
    student -= kept * temperature**2 * (teacher * np.log(mine)).sum(-1)
    among = np.zeros(logits.shape)
    np.put_along_axis(among, ids, kept[..., None] * temperature * (mine - teacher), -1)
    plain = np.full(logits.shape, smoothing / (vocab_size - 1))
    np.put_along_axis(plain, targets[..., None], 1 - smoothing, -1)
    value = balance * reference(logits, targets, smoothing) + (1 - balance) * student
    return value, balance * (softmax - plain) + (1 - balance) * (slope + among)


def draw_teacher(seed, tokens, size=50, shape=(4, 43)):
    """The likeliest tokens of random distributions, and their log-probabilities."""
    logits = random(seed, *shape, size, scale=2)
    ids = np.argsort(-logits, axis=-1)[..., :tokens].astype("int32")
    log_probs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    return ids, np.take_along_axis(log_probs, ids, -1).astype("float32")


@pytest.mark.parametrize("shares", [1, 2])
@pytest.mark.parametrize("temperature", [1.0, 2.5])
@pytest.mark.parametrize("tokens", [1, 5, 50])
def test_a_teachers_distributions(monkeypatch, gradients, temperature, tokens, shares):
    """Value and gradients in chunks and dense are those of the formula in float64."""
    monkeypatch.setattr(losses, "CHUNK_TOKENS", 50)
    hidden, table = random(1, 4, 43, D), random(2, 56, D)
    rng = np.random.default_rng(3)
    targets = rng.integers(0, 50, (4, 43)).astype("int32")
    weights = (rng.uniform(size=(4, 43)) * (targets > 9)).astype("float32")
    ids, log_probs = draw_teacher(4, tokens)
    soft = SoftTargets.of(ids, log_probs, 0.3, temperature, 50)

    def chunked(hidden, table):
        weights_BT = ops.convert_to_tensor(weights)
        about = targets, weights_BT, 0.1, 50, shares, 0.0, soft
        return losses.projected_cross_entropy(hidden, table, *about)

    def dense(hidden, table):
        logits = ops.matmul(hidden, ops.transpose(table))
        plain = losses.cross_entropy(logits, targets, 0.1, 50)
        return ops.sum((0.3 * plain + soft_cross_entropy(logits, soft, 50)) * weights)

    hidden64, table64 = hidden.astype("float64"), table.astype("float64")
    about = targets, 0.1, (ids, log_probs, 0.3, temperature)
    costs, slopes = soft_reference(hidden64 @ table64[:50].T, *about)
    slopes *= weights[..., None]
    expected = [slopes @ table64[:50], np.zeros(table.shape)]
    expected[1][:50] = np.einsum("btv,btd->vd", slopes, hidden64)
    for loss in (chunked, dense):
        value, found = gradients(loss, hidden, table)
        assert value == pytest.approx((costs * weights).sum(), rel=1e-5)
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5 * np.abs(other).max())
    # Padding, and rows beyond the vocabulary, pull at nothing.
    value, found = gradients(chunked, hidden, table)
    assert not found[0][weights == 0].any()
    assert not found[1][50:].any()


@pytest.mark.parametrize("temperature", [1.0, 2.5])
def test_a_teacher_of_the_whole_vocabulary_is_t2ts(temperature):
    ids, log_probs = draw_teacher(4, 7, size=7, shape=(2, 5))
    logits = random(5, 2, 5, 7, scale=3)
    soft = SoftTargets.of(ids, log_probs, 0.3, temperature, 7)
    found = soft_cross_entropy(ops.convert_to_tensor(logits), soft)
    teacher, mine = (
        np.exp(np.asarray(each, "float64") / temperature) for each in (log_probs, logits)
    )
    teacher, mine = (each / each.sum(-1, keepdims=True) for each in (teacher, mine))
    cross_entropies = -(teacher * np.log(np.take_along_axis(mine, ids, -1))).sum(-1)
    np.testing.assert_allclose(found, 0.7 * temperature**2 * cross_entropies, rtol=1e-5)


@pytest.mark.parametrize("temperature", [1.0, 2.5])
@pytest.mark.parametrize("tokens", [1, 3, 7])
def test_the_best_student_is_the_teacher(gradients, tokens, temperature):
    """Also where the teacher leaves much to tokens that it doesn't name."""
    ids, log_probs = draw_teacher(4, 7, size=7, shape=(2, 5))
    soft = SoftTargets.of(ids[..., :tokens], log_probs[..., :tokens], 0.0, temperature, 7)
    logits = np.zeros((2, 5, 7), "float32")
    np.put_along_axis(logits, ids, log_probs, -1)

    def loss(hidden, table):
        return ops.sum(soft_cross_entropy(ops.matmul(hidden, table), soft))

    _, found = gradients(loss, logits, np.eye(7, dtype="float32"))
    np.testing.assert_allclose(found[0], 0, atol=1e-6)


def test_a_teachers_distributions_beside_the_divergence(monkeypatch, gradients):
    monkeypatch.setattr(losses, "CHUNK_TOKENS", 50)
    hidden, table = random(1, 4, 43, D), random(2, 50, D)
    rng = np.random.default_rng(3)
    targets = rng.integers(0, 50, (2, 43)).astype("int32").repeat(2, 0)
    ids = rng.integers(0, 50, (2, 43, 1)).astype("int32").repeat(2, 0)
    soft = SoftTargets.of(ids, np.full((4, 43, 1), -0.5, "float32"), 0.3, 2.0, 50)
    weights = np.ones((4, 43), "float32")

    def chunked(hidden, table):
        about = targets, ops.convert_to_tensor(weights), 0.1, 50, 1, 0.7, soft
        return losses.projected_cross_entropy(hidden, table, *about)

    def dense(hidden, table):
        logits = ops.matmul(hidden, ops.transpose(table))
        plain = 0.3 * losses.cross_entropy(logits, targets, 0.1, 50)
        total = ops.sum(plain + soft_cross_entropy(logits, soft, 50))
        return total + 0.7 * ops.sum(losses.divergence(logits, 50))

    value, found = gradients(chunked, hidden, table)
    expected_value, expected = gradients(dense, hidden, table)
    assert value == pytest.approx(expected_value, rel=1e-5)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5 * np.abs(other).max())
