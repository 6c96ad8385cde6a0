"""The memory estimate, and the error when memory runs out."""

from dataclasses import replace

import pytest
import tensorflow as tf

from t2tlite import registry
from t2tlite.config import HParams, ProblemHParams
from t2tlite.devices import free_memory
from t2tlite.devices.devices import Devices
from t2tlite.errors import DeviceError
from t2tlite.training import memory_estimate

MIB = 2**20
POETRY = (
    "hidden_size=128,num_hidden_layers=2,num_heads=4,filter_size=512,"
    "layer_prepostprocess_dropout=0.6,attention_dropout=0.6"
)
BIG = "hidden_size=1024,num_heads=16,filter_size=4096,layer_prepostprocess_dropout=0.3"
NARROW = "hidden_size=256,filter_size=1024,num_hidden_layers=4"
POST_NORM = (
    f"{NARROW},optimizer=adafactor,layer_preprocess_sequence=none,layer_postprocess_sequence=dan"
)
UNDROPPED = f"{NARROW},layer_prepostprocess_dropout=0,attention_dropout=0,relu_dropout=0"

# Hparams, parameters, vocabulary, rows, length; then the peak of the process's resident memory in
# MiB in training, on TensorFlow and on JAX.
MEASURED = [
    (POETRY, 1_975_808, 8192, 2, 8, 900, 1226),
    (POETRY, 1_975_808, 8192, 64, 32, 1143, None),
    (POETRY, 1_975_808, 8192, 256, 32, 1566, 2129),
    (POETRY, 1_975_808, 8192, 16, 256, 1506, 2063),
    (POETRY, 1_975_808, 8192, 4, 1024, 2300, None),
    ("", 60_897_280, 32768, 2, 8, 2121, 2432),
    ("", 60_897_280, 32768, 64, 32, 3806, 4566),
    ("", 60_897_280, 32768, 8, 256, 4406, 5654),
    ("", 60_897_280, 32768, 16, 256, 6504, None),
    ("activation_dtype=bfloat16", 60_897_280, 32768, 64, 32, 3993, None),
    ("ema_decay=0.999", 60_897_280, 32768, 64, 32, 4360, None),
    (BIG, 193_097_728, 16384, 16, 32, 4389, None),
    (POST_NORM, 11_563_008, 16384, 40, 100, 2627, 3516),
    (f"{UNDROPPED},ema_decay=0.99", 11_564_032, 16384, 40, 100, 2342, None),
]
# The same without inputs, and with an evaluation.
MEASURED_WITHOUT_INPUTS = [
    ("", 35_680_256, 32768, 64, 32, 2474, None),
    (UNDROPPED, 7_349_760, 16384, 40, 100, None, 1777),
]
MEASURED_WITH_EVALUATION = [(POETRY, 5_121_536, 32768, 128, 32, 2939, 2933)]


def make_job(hparams="", parameters=60_897_280, vocabulary=32768, rows=16, length=256, **other):
    """A job of this size; by default transformer_base's."""
    sides = other.pop("sides", ("inputs", "targets"))
    device = Devices(other.pop("backend", "tensorflow"), other.pop("kind", "CPU"), 1)
    return memory_estimate.Job(
        HParams().override(hparams),
        problem_hparams(vocabulary, sides),
        parameters,
        device,
        rows * length,
        length,
        **other,
    )


def problem_hparams(vocabulary, sides=("inputs", "targets")):
    return ProblemHParams(dict.fromkeys(sides, vocabulary), dict.fromkeys(sides, "symbol"))


def total(job):
    return sum(memory_estimate.estimate(job).values())


@pytest.mark.parametrize(
    ("measured", "other"),
    [
        (MEASURED, {"evaluates": False}),
        (MEASURED_WITHOUT_INPUTS, {"evaluates": False, "sides": ("targets",)}),
        (MEASURED_WITH_EVALUATION, {}),
    ],
)
def test_estimates_are_within_20_percent_of_what_was_measured(measured, other):
    for *size, tensorflow, jax in measured:
        for backend, peak in [("tensorflow", tensorflow), ("jax", jax)]:
            if peak:
                estimated = total(make_job(*size, backend=backend, **other)) / MIB
                assert 0.8 * peak < estimated < 1.2 * peak, (size, backend)


def test_an_estimate_of_the_modern_block():
    job = make_job("", 9_806_080, 16384, 40, 100, evaluates=False)
    estimated = total(replace(job, hparams=registry.hparams("transformer_modern_small"))) / MIB
    assert 0.8 * 2570 < estimated < 1.2 * 2570


@pytest.mark.parametrize(
    ("assigned", "copies"),
    [
        ("", 2),
        ("optimizer=sgd", 0),
        ("optimizer=momentum", 1),
        ("optimizer=Adafactor", 0),
        ("optimizer_multistep_accumulate_steps=1", 2),
        ("optimizer_multistep_accumulate_steps=2", 3),
        ("optimizer_multistep_accumulate_steps=2,ema_decay=0.9", 4),
    ],
)
def test_the_optimizers_copies_of_the_weights(assigned, copies):
    parts = memory_estimate.estimate(make_job(assigned, parameters=1000, evaluates=False))
    assert (parts["weights"], parts["gradients"]) == (4000, 4000)
    assert parts["optimizer"] == copies * 4000


def test_muon_has_one_slot_for_each_matrix():
    job = make_job("optimizer=muon", parameters=1000, evaluates=False, muon_parameters=400)
    assert memory_estimate.estimate(job)["optimizer"] == 4 * (2 * 600 + 400)


def test_what_activations_grow_with():
    def activations(*args, **other):
        job = make_job(*args, **other, evaluates=False)
        return memory_estimate.estimate(job)["activations"]

    base = activations()
    assert activations(rows=32) == pytest.approx(2 * base, rel=1e-6)
    # The same number of tokens in longer rows: only attention weights grow.
    assert 1.2 * base < activations(rows=4, length=1024) < 4 * base
    one_row = memory_estimate.estimate(replace(make_job(evaluates=False), batch_tokens=1))
    assert one_row["activations"] == pytest.approx(base / 16, rel=1e-6)
    assert activations("activation_dtype=bfloat16") < 0.8 * base
    assert activations("num_encoder_layers=12") > 1.2 * base
    assert activations(sides=("targets",)) < 0.5 * base
    assert activations("self_attention_type=dot_product_relative") > base
    assert activations(layer_runs=12) == pytest.approx(2 * base, rel=1e-6)
    on_gpu = {"backend": "jax", "kind": "GPU"}
    assert activations("activation_dtype=bfloat16", **on_gpu) < 0.8 * activations(**on_gpu)


def test_logits():
    def estimate(**other):
        return memory_estimate.estimate(replace(make_job(), **other))

    trains = {"evaluates": False}
    assert estimate(**trains)["logits"] == 4 * 4 * 1024 * 32768
    assert estimate(**trains, chunks_logits=False)["logits"] == 4 * 4 * 4096 * 32768
    # The peak is in evaluation where its logits need more than training does besides the weights.
    assert "evaluation" not in estimate()
    parts = estimate(longest=8, problem_hparams=problem_hparams(200_000))
    assert parts["evaluation"] == 4 * 4 * 4096 * 200_000
    assert "activations" not in parts
    labels = ProblemHParams(
        {"inputs": 32768, "targets": 2}, {"inputs": "symbol", "targets": "class_label"}
    )
    parts = estimate(problem_hparams=labels, **trains)
    assert parts["logits"] == 4 * 4 * 16 * 2
    assert parts["activations"] < 0.5 * estimate(**trains)["activations"]


def test_describe():
    job = make_job(kind="GPU")
    parts = "weights 0.2, optimizer 0.5, gradients 0.2, activations 5.0, logits 0.5"
    assert memory_estimate.describe(job, 22_100_000_000) == f"about 6.5 GB of 22.1 GB: {parts}"
    assert memory_estimate.describe(job, None) == f"about 6.5 GB: {parts}"
    sgd = make_job("optimizer=sgd", kind="GPU")
    assert "optimizer" not in memory_estimate.describe(sgd, None)
    assert ": process 0.9, weights" in memory_estimate.describe(make_job(), None)


def test_advice_is_the_largest_batch_that_fits():
    job = make_job(rows=32)
    assert memory_estimate.advice(job, total(job)) == memory_estimate.advice(job, None) == ""
    assert memory_estimate.advice(job, total(job) - 1) == "lower batch_size to 6144"
    for available in (int(total(job) / 1.5), total(job) // 2, total(job) // 3):
        advised = memory_estimate.advice(job, available)
        size = int(advised.removeprefix("lower batch_size to "))
        assert total(replace(job, batch_tokens=size)) <= available
        assert total(replace(job, batch_tokens=int(size * 1.5))) > available


def test_advice_where_no_batch_size_fits():
    job = make_job(rows=2, length=200)
    one_row = total(replace(job, batch_tokens=200))
    assert memory_estimate.advice(job, one_row) == "lower batch_size to 384"
    assert memory_estimate.advice(job, one_row - 1) == (
        "a batch of one row of 200 tokens doesn't fit: lower max_length, or hidden_size and "
        "filter_size, or use a device with more memory"
    )


def caught(function):
    try:
        function()
    except Exception as error:
        return error
    raise AssertionError("nothing was raised")


# More than any machine has addresses for.
ENDLESS = 2**50


def test_what_tensorflow_raises():
    error = caught(lambda: tf.zeros((ENDLESS,)))
    assert isinstance(error, tf.errors.ResourceExhaustedError)
    assert free_memory.is_out_of_memory(error)
    full = tf.errors.ResourceExhaustedError(None, None, "/out/events; No space left on device")
    assert not free_memory.is_out_of_memory(full)
    cuda = "Failed to allocate scratch: CUDA_ERROR_OUT_OF_MEMORY: out of memory"
    assert free_memory.is_out_of_memory(tf.errors.InternalError(None, None, cuda))
    assert not free_memory.is_out_of_memory(tf.errors.InternalError(None, None, "a bug in oom.py"))


def test_what_jax_raises():
    jax = pytest.importorskip("jax")
    error = caught(lambda: jax.jit(lambda: jax.numpy.ones((ENDLESS,))).lower().compile()())
    assert isinstance(error, jax.errors.JaxRuntimeError)
    assert free_memory.is_out_of_memory(error)
    # The message of a training step under `ulimit -v`.
    late = "INTERNAL: Error dispatching computation: Out of memory allocating 1232669376 bytes."
    assert free_memory.is_out_of_memory(jax.errors.JaxRuntimeError(late))
    assert not free_memory.is_out_of_memory(jax.errors.JaxRuntimeError("INTERNAL: a bug"))
    # Those of a GPU and a TPU.
    for message in (
        "RESOURCE_EXHAUSTED: Out of memory while trying to allocate 34359738368 bytes.",
        "RESOURCE_EXHAUSTED: Failed to allocate request for 8.00GiB (8589934592B) on device",
        "RESOURCE_EXHAUSTED: Allocation (size=17) would exceed memory (size=16) :: #allocation7",
        "INTERNAL: Failed to create cuBLAS handle: the resource allocation failed",
    ):
        assert free_memory.is_out_of_memory(jax.errors.JaxRuntimeError(message)), message


def test_wrapped_errors():
    def wrapped(cause, context=None):
        error = ValueError("out of memory, in a library's words")
        error.__cause__, error.__context__ = cause, context
        return error

    assert free_memory.is_out_of_memory(MemoryError("std::bad_alloc"))
    assert free_memory.is_out_of_memory(wrapped(MemoryError()))
    assert free_memory.is_out_of_memory(wrapped(wrapped(None, MemoryError())))
    assert not free_memory.is_out_of_memory(wrapped(None))
    around = wrapped(None)
    around.__cause__ = wrapped(around)
    assert not free_memory.is_out_of_memory(around)
    for_the_user = DeviceError("out of memory")
    for_the_user.__cause__ = MemoryError()
    assert not free_memory.is_out_of_memory(for_the_user)


def test_the_error_for_the_user():
    job = make_job(kind="GPU")
    assert str(memory_estimate.out_of_memory_error(job, 4 * 10**9)) == (
        "out of memory on the GPU: 4.0 GB are available, training with batches of 4,096 tokens "
        "needs about 6.5 GB; lower batch_size to 1536"
    )
    # Half the batch where the estimate fits or the memory isn't known.
    fits = str(memory_estimate.out_of_memory_error(job, 80 * 10**9))
    assert fits.endswith("; lower batch_size to 2048")
    unknown = str(memory_estimate.out_of_memory_error(job, None))
    assert unknown == (
        "out of memory on the GPU: training with batches of 4,096 tokens needs about 6.5 GB; lower "
        "batch_size to 2048"
    )
    one_row = memory_estimate.out_of_memory_error(make_job(rows=1), None)
    assert "; a batch of one row of 256 tokens doesn't fit: lower max_length" in str(one_row)
