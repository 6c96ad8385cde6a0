"""What training needs of memory, and what is said when it runs out."""

from dataclasses import replace

import pytest
import tensorflow as tf

from t2tlite.config import HParams, ProblemHParams
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
    """A job of the size that is given; by default transformer_base's."""
    sides = other.pop("sides", ("inputs", "targets"))
    device = Devices(other.pop("backend", "tensorflow"), other.pop("kind", "CPU"), 1)
    told = ProblemHParams(dict.fromkeys(sides, vocabulary), dict.fromkeys(sides, "symbol"))
    values = HParams().override(hparams)
    return memory_estimate.Job(values, told, parameters, device, rows * length, length, **other)


@pytest.mark.parametrize(
    ("measured", "other"),
    [
        (MEASURED, {"evaluates": False}),
        (MEASURED_WITHOUT_INPUTS, {"evaluates": False, "sides": ("targets",)}),
        (MEASURED_WITH_EVALUATION, {}),
    ],
)
def test_estimates_are_near_what_was_measured(measured, other):
    for *size, tensorflow, jax in measured:
        for backend, peak in [("tensorflow", tensorflow), ("jax", jax)]:
            if peak:
                total = (
                    memory_estimate.estimate(make_job(*size, backend=backend, **other)).total / MIB
                )
                assert 0.85 * peak < total < 1.2 * peak, (size, backend)


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
    needed = memory_estimate.estimate(make_job(assigned, parameters=1000))
    assert (needed.weights, needed.gradients) == (4000, 4000)
    assert needed.optimizer == copies * 4000


def test_what_activations_grow_with():
    def activations(*args, **other):
        return memory_estimate.estimate(make_job(*args, **other)).activations

    base = activations()
    assert activations(rows=32) == pytest.approx(2 * base, rel=1e-6)
    # As many tokens in longer rows: attention weights alone grow.
    assert 1.2 * base < activations(rows=4, length=1024) < 4 * base
    # One row is the least.
    assert memory_estimate.estimate(
        replace(make_job(), batch_tokens=1)
    ).activations == pytest.approx(base / 16, rel=1e-6)
    assert activations("activation_dtype=bfloat16") < 0.8 * base
    assert activations("num_encoder_layers=12") > 1.2 * base
    assert activations(sides=("targets",)) < 0.5 * base
    on_xla = {"backend": "jax", "kind": "GPU"}
    assert activations("activation_dtype=bfloat16", **on_xla) < 0.8 * activations(**on_xla)


def test_logits():
    def needed(**other):
        return memory_estimate.estimate(replace(make_job(), **other))

    # A network that shows no last layer holds the logits of all tokens.
    assert needed(chunks_logits=False).loss - needed().loss == 3 * 4 * 32768 * (4096 - 1024)
    assert needed().evaluation == 4 * 4 * 4096 * 32768
    assert needed(evaluates=False).evaluation == 0
    labels = ProblemHParams(
        {"inputs": 32768, "targets": 2}, {"inputs": "symbol", "targets": "class_label"}
    )
    assert needed(problem_hparams=labels).evaluation == 4 * 4 * 16 * 2
    assert needed(problem_hparams=labels).activations < 0.5 * needed().activations


def test_describe():
    needed = memory_estimate.Estimate(
        0, 2 * 10**8, 4 * 10**8, 2 * 10**8, 9 * 10**8, 2 * 10**8, 10**9
    )
    parts = "weights 0.2, optimizer 0.4, gradients 0.2, activations 0.9, loss 0.2"
    assert memory_estimate.describe(needed, 22_100_000_000) == f"about 1.9 GB of 22.1 GB: {parts}"
    assert memory_estimate.describe(needed, None) == f"about 1.9 GB: {parts}"
    evaluating = replace(needed, evaluation=2 * 10**9)
    assert memory_estimate.describe(evaluating, None) == (
        "about 2.6 GB: weights 0.2, optimizer 0.4, evaluation 2.0"
    )
    assert memory_estimate.describe(replace(needed, weights=1), None).startswith(
        "about 1.7 GB: optimizer"
    )


def applied(job, advised):
    """The job with what an advice names, as pairs of hparam and value."""
    words = advised.removeprefix("lower ").replace(",", "").replace(" and ", " ").split()
    return memory_estimate._changed(job, dict(zip(words[::3], map(int, words[2::3]), strict=True)))


def test_advice_is_the_largest_batch_that_fits():
    job = make_job(rows=32)
    needed = memory_estimate.estimate(job).total
    assert memory_estimate.advice(job, needed) == memory_estimate.advice(job, None) == ""
    assert memory_estimate.advice(job, needed - 1) == "lower batch_size to 6144"
    for found in (int(needed / 1.5), needed // 2, needed // 3):
        advised = memory_estimate.advice(job, found)
        assert advised.startswith("lower batch_size to ")
        changed = applied(job, advised)
        assert memory_estimate.estimate(changed).total <= found
        larger = replace(job, batch_tokens=int(changed.batch_tokens * 1.5))
        assert memory_estimate.estimate(larger).total > found


def test_advice_where_no_batch_size_fits():
    # The weights of long rows' attention are most; less so the layers.
    long = make_job(rows=2, length=2048)
    found = memory_estimate.estimate(replace(long, batch_tokens=2048)).total - 1
    advised = memory_estimate.advice(long, found)
    assert advised == "lower max_length to 1536 and batch_size to 2048"
    assert memory_estimate.estimate(applied(long, advised)).total <= found
    short = make_job(rows=1, length=64)
    advised = memory_estimate.advice(short, memory_estimate.estimate(short).total - 1)
    assert advised == "lower hidden_size to 256 and filter_size to 1024"
    # The parameters that are foreseen are those of the narrower model.
    narrow = applied(short, advised).parameters
    assert narrow == pytest.approx(19_400_000, rel=0.01)
    assert memory_estimate.advice(short, 10**6).endswith("free memory or use another device")


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
    assert memory_estimate.is_out_of_memory(error)
    full = tf.errors.ResourceExhaustedError(None, None, "/out/events; No space left on device")
    assert not memory_estimate.is_out_of_memory(full)
    cuda = "Failed to allocate scratch: CUDA_ERROR_OUT_OF_MEMORY: out of memory"
    assert memory_estimate.is_out_of_memory(tf.errors.InternalError(None, None, cuda))
    assert not memory_estimate.is_out_of_memory(
        tf.errors.InternalError(None, None, "a bug in oom.py")
    )


def test_what_jax_raises():
    jax = pytest.importorskip("jax")
    error = caught(lambda: jax.jit(lambda: jax.numpy.ones((ENDLESS,))).lower().compile()())
    assert isinstance(error, jax.errors.JaxRuntimeError)
    assert memory_estimate.is_out_of_memory(error)
    # What a training step told under `ulimit -v`.
    late = "INTERNAL: Error dispatching computation: Out of memory allocating 1232669376 bytes."
    assert memory_estimate.is_out_of_memory(jax.errors.JaxRuntimeError(late))
    assert not memory_estimate.is_out_of_memory(jax.errors.JaxRuntimeError("INTERNAL: a bug"))


def test_wrapped_errors():
    def wrapped(cause, context=None):
        error = ValueError("out of memory, says a stranger")
        error.__cause__, error.__context__ = cause, context
        return error

    assert memory_estimate.is_out_of_memory(MemoryError("std::bad_alloc"))
    assert memory_estimate.is_out_of_memory(wrapped(MemoryError()))
    assert memory_estimate.is_out_of_memory(wrapped(wrapped(None, MemoryError())))
    assert not memory_estimate.is_out_of_memory(wrapped(None))
    around = wrapped(None)
    around.__cause__ = wrapped(around)
    assert not memory_estimate.is_out_of_memory(around)
    told = DeviceError("out of memory")
    told.__cause__ = MemoryError()
    assert not memory_estimate.is_out_of_memory(told)


def test_the_error_for_the_user():
    job = make_job(kind="GPU")
    assert str(memory_estimate.out_of_memory_error(job, 4 * 10**9)) == (
        "out of memory on the GPU: found 4.0 GB, training with batches of 4,096 tokens needs about "
        "6.6 GB; lower batch_size to 2048"
    )
    # The estimate says that it fits, or nobody knows what there is: half.
    assert str(memory_estimate.out_of_memory_error(job, 80 * 10**9)).endswith(
        "; lower batch_size to 2048"
    )
    unknown = str(memory_estimate.out_of_memory_error(job, None))
    assert unknown == (
        "out of memory on the GPU: training with batches of 4,096 tokens needs about 6.6 GB; lower "
        "batch_size to 2048"
    )
    one_row = memory_estimate.out_of_memory_error(make_job(rows=1), None)
    assert "; lower hidden_size to 256" in str(one_row)
