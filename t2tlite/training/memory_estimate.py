"""Estimates the memory that training needs and says which batch_size would fit.

The activations that the backward pass keeps follow Korthikanti et al. 2022 ("Reducing Activation
Recomputation in Large Transformer Models", section 4), plus the mask of T2T's dropout after relu.
For one position, with e bytes a number:

    attention, with layer norm      (6 e + 1) * hidden_size + (2 e + 1) * num_heads * length
    feed-forward, with layer norm   (2 e + 1) * hidden_size + (2 e + 1) * filter_size

In a modern block the feed-forward layer has the gate, its activation and their product, and with
post_norm each of the two has the input of a second norm:

    attention                       (7 e + 1) * hidden_size + (2 e + 1) * num_heads * length
    feed-forward                    (3 e + 1) * hidden_size + (4 e + 1) * filter_size

ALLOCATOR_FACTOR is fitted to the peak resident memory of 25 trainings on a CPU, which the tests
list: estimates are 19 % below to 17 % above. Nothing was measured on GPUs and TPUs, where the
formula is the same without the process itself, nor for LSTM models, which count as Transformers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from t2tlite.config import HParams, ProblemHParams
from t2tlite.devices.devices import Devices
from t2tlite.errors import DeviceError

MIB = 2**20
GB = 10**9

ALLOCATOR_FACTOR = 1.45
# Copies of the logits that exist at once: logits, exponents, gradient, temporary.
LOGITS_COPIES = 4
# Slots of an optimizer, in copies of the weights; Adafactor's row and column sums are negligible.
SLOTS = {"adafactor": 0, "momentum": 1, "sgd": 0}
# Resident memory of the libraries and the compiled program of a process on the CPU.
PROCESS_BYTES = {"tensorflow": 850 * MIB, "jax": 1150 * MIB}


@dataclass(frozen=True)
class Job:
    """A training, as far as its memory depends on it.

    Attributes:
      parameters: number of trainable weights.
      batch_tokens: padded tokens per batch and device, of inputs or targets.
      longest: tokens of the longest row of a batch.
      evaluates: whether it also evaluates.
      chunks_logits: whether the loss computes the logits of `losses.CHUNK_TOKENS` tokens at a time
        rather than those of the whole batch.
      layer_runs: how often a stack runs its layer, if that isn't the number of layers.
      muon_parameters: those of `parameters` that Muon updates, which has one slot for each.
    """

    hparams: HParams
    problem_hparams: ProblemHParams
    parameters: int
    device: Devices
    batch_tokens: int
    longest: int
    evaluates: bool = True
    chunks_logits: bool = True
    layer_runs: int | None = None
    muon_parameters: int = 0

    @property
    def rows(self) -> int:
        """Rows of the batch of the longest rows."""
        return max(1, self.batch_tokens // self.longest)

    @property
    def has_labels(self) -> bool:
        """Whether the targets are labels or numbers, so that there is no decoder."""
        return self.problem_hparams.modality.get("targets") != "symbol"


def estimate(job: Job) -> dict[str, int]:
    """Returns the bytes that training on one device holds at its peak, by what holds them."""
    from t2tlite.model.losses import CHUNK_TOKENS

    hparams = job.hparams
    weights = 4 * job.parameters
    copies = SLOTS.get(hparams.optimizer.lower(), 2) + bool(
        hparams.ema_decay or hparams.average_last_share
    )
    copies += hparams.optimizer_multistep_accumulate_steps > 1
    # Matrix products in bfloat16 have a copy of the weights.
    half = 2 * job.parameters if hparams.activation_dtype == "bfloat16" else 0
    tokens = job.rows * (1 if job.has_labels else job.longest)
    logits = LOGITS_COPIES * 4 * job.problem_hparams.vocab_size["targets"]
    # With rdrop_alpha a step has each row twice.
    passes = 2 if hparams.rdrop_alpha else 1
    at_once = min(passes * tokens, CHUNK_TOKENS) if job.chunks_logits else passes * tokens
    training = {
        "gradients": weights,
        "activations": passes * _activations(job),
        "logits": logits * at_once,
    }
    # Evaluation computes all logits of a batch.
    evaluation = {"evaluation": logits * tokens if job.evaluates else 0}
    return {
        "process": PROCESS_BYTES[job.device.backend] if job.device.kind == "CPU" else 0,
        "weights": weights + half,
        "optimizer": copies * weights - 4 * job.muon_parameters,
        **max(training, evaluation, key=lambda parts: sum(parts.values())),
    }


def _activations(job: Job) -> int:
    hparams = job.hparams
    # XLA computes bfloat16 in float32 on a CPU.
    widened = job.device.backend == "jax" and job.device.kind == "CPU"
    e = 2 if hparams.activation_dtype == "bfloat16" and not widened else 4
    gate = 2 * e if "transformer_block" in hparams.extra else 0
    norm = e if hparams.extra.get("post_norm") else 0
    attention = hparams.hidden_size * (6 * e + 1 + norm)
    attention += hparams.num_heads * job.longest * (2 * e + 1)
    feed_forward = hparams.hidden_size * (2 * e + 1 + norm)
    feed_forward += hparams.filter_size * (2 * e + 1 + gate)
    has_inputs = "inputs" in job.problem_hparams.vocab_size and hparams.prepend_mode == "none"
    stacks = []  # layers, and attentions per layer
    if has_inputs:
        stacks.append((hparams.num_encoder_layers, 1))
    if not job.has_labels:
        stacks.append((hparams.num_decoder_layers, 1 + has_inputs))
    total = 0
    for layers, attentions in stacks:
        runs = job.layer_runs or layers or hparams.num_hidden_layers
        total += runs * job.rows * job.longest * (attentions * attention + feed_forward)
        if hparams.self_attention_type == "dot_product_relative":
            # A key and a value for each pair of positions, shared by all rows and heads.
            total += runs * job.longest**2 * 2 * hparams.hidden_size // hparams.num_heads * e
    return int(ALLOCATOR_FACTOR * total)


def describe(job: Job, available: int | None) -> str:
    """Returns the estimate in one line, in GB of 10^9 bytes, without parts that round to 0.0.

    `available` is the memory in bytes, from `free_memory.find`.
    """
    shown = {name: f"{size / GB:.1f}" for name, size in estimate(job).items()}
    listed = ", ".join(f"{name} {size}" for name, size in shown.items() if size != "0.0")
    limit = f" of {available / GB:.1f} GB" if available is not None else ""
    return f"about {_total(job) / GB:.1f} GB{limit}" + (f": {listed}" if listed else "")


def advice(job: Job, available: int | None) -> str:
    """Returns which hparam to lower, or "" if training should fit in `available` bytes."""
    if available is None or _total(job) <= available:
        return ""
    # Round numbers: powers of two, and one and a half times them.
    numbers = {base << shift for base in (2, 3) for shift in range(30)} | {job.longest}
    smaller = {size for size in numbers if job.longest <= size < job.batch_tokens}
    for size in sorted(smaller, reverse=True):
        if _total(replace(job, batch_tokens=size)) <= available:
            return f"lower batch_size to {size}"
    return (
        f"a batch of one row of {job.longest} tokens doesn't fit: lower max_length, or hidden_size "
        f"and filter_size, or use a device with more memory"
    )


def _total(job: Job) -> int:
    return sum(estimate(job).values())


def weights_error(hparams: HParams) -> DeviceError:
    """Returns the error that says what to lower after memory ran out for the weights alone."""
    names = ("hidden_size", "filter_size", "num_hidden_layers")
    sizes = ", ".join(f"{name}={getattr(hparams, name)}" for name in names)
    return DeviceError(f"out of memory: the model's weights don't fit; lower {sizes}")


def out_of_memory_error(job: Job, available: int | None) -> DeviceError:
    """Returns the error that says what to lower after memory ran out; arguments as `describe`'s."""
    total = _total(job)
    limit = f"{available / GB:.1f} GB are available, " if available is not None else ""
    if available is None or total <= available:
        # The estimate says that it fits, so half a batch is the next guess.
        available = min(_total(replace(job, batch_tokens=job.batch_tokens // 2)), total - 1)
    return DeviceError(
        f"out of memory on the {job.device.kind}: {limit}training with batches of "
        f"{job.batch_tokens:,} tokens needs about {total / GB:.1f} GB; {advice(job, available)}"
    )
