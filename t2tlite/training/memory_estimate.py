"""How much memory training takes, and what to lower where there isn't enough.

What the backward pass keeps of each layer, for each position of a stack, where e is the bytes of
activation_dtype; a sublayer is an attention or the feed-forward layers:

    every sublayer   its input and its normed input, e each; four numbers inside layer norm, 4 each;
                     all times hidden_size
    attention        queries and keys, e * attention_key_channels each; values and the mixed values,
                     e * attention_value_channels each; the weights, for each head and each key:
                     softmax, then what dropout left and its mask
    feed-forward     what relu gives, what dropout left and its mask, times filter_size

and 12 numbers of hidden_size for each position of a stack outside its layers (embedding, last norm,
the loss). TensorFlow's masks have 1 byte; XLA keeps more copies, see `_Kept`. The logits of
`losses.CHUNK_TOKENS` tokens exist at a time in training, and those of a whole batch in evaluation.

Calibrated against the peak of the process's resident memory on a CPU: 25 trainings of two steps, 2
layers of 128 to 6 of 1024, 16 to 8192 tokens in rows of 8 to 1024, vocabularies of 8192 to 32768,
on TensorFlow 2.21 (with oneDNN) and JAX, float32 and bfloat16, with and without inputs, dropout and
evaluation. Estimates were 9 % below to 19 % above it; tests/unit/run/test_memory.py has figures.
All of it for Transformers with absolute positions. What relative ones and the runs of universal
Transformers add is computed from the tensors; LSTM models are estimated as if they were
Transformers.
On GPUs and TPUs nothing was measured: there the formula is the same, without the process itself. An
evaluation example longer than max_length can't be foreseen.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from t2tlite.config import HParams, ProblemHParams
from t2tlite.devices.devices import Devices
from t2tlite.errors import DeviceError, Error

MIB = 2**20
GB = 10**9


@dataclass(frozen=True)
class Job:
    """A training, as far as its memory depends on it.

    Attributes:
      hparams: of the model and its optimizer.
      problem_hparams: reads vocab_size and modality.
      parameters: numbers in the model's trainable weights.
      device: where it runs.
      batch_tokens: padded tokens a batch and device, of inputs or targets.
      longest: tokens of the longest row of a batch.
      evaluates: whether it evaluates on the way.
      chunks_logits: whether the model shows its last layer, so that training never holds all
        logits of a batch.
      layer_runs: how often layers are run in a stack; None: each layer once.
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

    @property
    def positions(self) -> int:
        """Positions of the largest batch, which is that of the longest rows."""
        return max(1, self.batch_tokens // self.longest) * self.longest

    @property
    def on_xla(self) -> bool:
        """Whether XLA compiles the training step."""
        return self.device.backend == "jax"

    @property
    def activation_bytes(self) -> int:
        """Bytes of a number in the layers."""
        # XLA computes bfloat16 in float32 on a CPU.
        wide = self.on_xla and self.device.kind == "CPU"
        return 2 if self.hparams.activation_dtype == "bfloat16" and not wide else 4

    @property
    def stacks(self) -> list[tuple[int, int]]:
        """Layers and attentions a layer of the encoder, if there is one, and of the decoder."""
        hparams, told = self.hparams, self.problem_hparams
        has_inputs = "inputs" in told.vocab_size
        stacks = []
        if has_inputs:
            layers = hparams.num_encoder_layers or hparams.num_hidden_layers
            stacks.append((self.layer_runs or layers, 1))
        if told.modality.get("targets") != "class_label":
            layers = hparams.num_decoder_layers or hparams.num_hidden_layers
            stacks.append((self.layer_runs or layers, 2 if has_inputs else 1))
        return stacks


@dataclass(frozen=True)
class Estimate:
    """Bytes that training takes on one device, at its peak.

    Attributes:
      program: of the process before it trains: libraries, compiled program; 0 off the CPU.
      weights: float32, and their copy in bfloat16 where products have it.
      optimizer: its slots, the sum of gradients that wait, the moving average.
      gradients: of all weights.
      activations: what the backward pass keeps of the layers.
      loss: a chunk of logits and the output embedding's gradient.
      evaluation: what evaluating a batch takes besides weights and optimizer.
    """

    program: int
    weights: int
    optimizer: int
    gradients: int
    activations: int
    loss: int
    evaluation: int

    @property
    def total(self) -> int:
        """All that is held at the peak, be it in training or in evaluation."""
        return sum(self.parts().values())

    def parts(self) -> dict[str, int]:
        """The bytes held at the peak, by name."""
        names = ["program", "weights", "optimizer"]
        training = ["gradients", "activations", "loss"]
        trains = sum(getattr(self, name) for name in training)
        names += training if trains >= self.evaluation else ["evaluation"]
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True)
class _Kept:
    """Bytes that a backend keeps beside the softmax and the relu; e is the activations'.

    Attributes:
      weight: of an attention weight, without dropout.
      dropped_weight: what dropout adds to it.
      inner: of a number inside the feed-forward layers, without dropout.
      dropped_inner: what dropout adds to it.
      dropped: what dropout adds to a number of a sublayer's output.
      slack: factor for what the allocator loses.
    """

    weight: int
    dropped_weight: int
    inner: int
    dropped_inner: int
    dropped: int
    slack: float


def _kept(job: Job) -> _Kept:
    e = job.activation_bytes
    if job.on_xla:
        return _Kept(4 + 2 * e, 4, 2 * e, e + 4, e + 4, 1.0)
    return _Kept(4 if e == 4 else 4 + e, e + 1, e, e + 1, 1, 1.1)


# Numbers of hidden_size that layer norm keeps a position, and that a stack has outside its layers.
NORM_NUMBERS = 4
OUTSIDE_NUMBERS = 12


def _activations(job: Job) -> tuple[int, int]:
    """Returns the bytes of the attention weights, and of all other activations."""
    hparams, kept, e = job.hparams, _kept(job), job.activation_bytes
    width = hparams.hidden_size
    keys = hparams.attention_key_channels or width
    values = hparams.attention_value_channels or width
    sublayer = width * (2 * e + 4 * NORM_NUMBERS)
    sublayer += width * kept.dropped * bool(hparams.layer_prepostprocess_dropout)
    inner = hparams.filter_size * (kept.inner + kept.dropped_inner * bool(hparams.relu_dropout))
    weight = kept.weight + kept.dropped_weight * bool(hparams.attention_dropout)
    attended, other, shared = 0, 0, 0
    for layers, attentions in job.stacks:
        attended += layers * attentions * hparams.num_heads * job.longest * weight
        projected = attentions * 2 * (keys + values) * e
        other += layers * ((attentions + 1) * sublayer + projected + inner)
        other += OUTSIDE_NUMBERS * width * 4
        if hparams.self_attention_type == "dot_product_relative":
            # Of each pair of positions, whatever the rows: its distance, key and value.
            choices = 2 * hparams.max_relative_position + 1
            numbers = 2 * choices + (keys + values) // hparams.num_heads
            shared += layers * job.longest**2 * numbers * e
    scale = kept.slack * job.positions
    return int(scale * attended), int(scale * other + kept.slack * shared)


# Copies of the weights that an optimizer keeps; Adafactor's rows and columns are next to nothing.
SLOTS = {"adafactor": 0, "momentum": 1, "sgd": 0}


def estimate(job: Job) -> Estimate:
    """Estimates the memory of training on one device; the module says how."""
    from t2tlite.model.losses import CHUNK_TOKENS

    hparams = job.hparams
    weights = 4 * job.parameters
    copies = SLOTS.get(hparams.optimizer.lower(), 2)
    copies += hparams.optimizer_multistep_accumulate_steps > 1
    copies += bool(hparams.ema_decay)
    half = 2 * job.parameters if hparams.activation_dtype == "bfloat16" else 0
    vocabulary = job.problem_hparams.vocab_size["targets"]
    labels = job.problem_hparams.modality.get("targets") == "class_label"
    tokens = max(1, job.positions // job.longest) if labels else job.positions
    chunk = min(tokens, CHUNK_TOKENS) if job.chunks_logits else tokens
    return Estimate(
        program=_program(job),
        weights=weights + half,
        optimizer=copies * weights,
        gradients=weights,
        activations=sum(_activations(job)),
        # Logits, their exponents and one more on the way; a chunk's gradient of the embedding.
        loss=3 * 4 * chunk * vocabulary + 4 * vocabulary * hparams.hidden_size,
        evaluation=4 * 4 * tokens * vocabulary if job.evaluates else 0,
    )


def _program(job: Job) -> int:
    if job.device.kind != "CPU":
        return 0
    layers = sum(layers for layers, _ in job.stacks)
    # LLVM, which compiles for the CPU, takes a good part.
    return MIB * (1050 + 45 * layers if job.on_xla else 800 + 10 * layers)


def describe(needed: Estimate, found: int | None) -> str:
    """Returns an estimate in one line, in GB of 10^9 bytes, without parts that would show as 0.0.

    Args:
      needed: by training.
      found: what `available_memory.find` told.
    """
    shown = {name: f"{size / GB:.1f}" for name, size in needed.parts().items()}
    parts = ", ".join(f"{name} {size}" for name, size in shown.items() if size != "0.0")
    of = f" of {found / GB:.1f} GB" if found is not None else ""
    return f"about {needed.total / GB:.1f} GB{of}" + (f": {parts}" if parts else "")


def advice(job: Job, found: int | None) -> str:
    """Returns which hparams to lower and to what, or "" if training should fit in `found` bytes.

    It is the largest batch_size that fits; if none does, a smaller max_length where attention
    weights are most of the activations; else a narrower model.
    """
    if found is None or estimate(job).total <= found:
        return ""
    for change in _smaller(job):
        if estimate(_changed(job, change)).total <= found:
            *first, last = (f"{name} to {value}" for name, value in change.items())
            return f"lower {', '.join(first)} and {last}" if first else f"lower {last}"
    return "not even a quarter of hidden_size would fit: free memory or use another device"


def _smaller(job: Job) -> Iterator[dict[str, int]]:
    """Changes of hparams that save memory, in the order in which they should be tried."""
    hparams = job.hparams
    attended, other = _activations(job)
    lengths = [job.longest]
    if attended > other or not hparams.max_length:
        lengths += _round_numbers(16, job.longest)
    narrower: dict[str, int] = {}
    width, inner = hparams.hidden_size, hparams.filter_size
    for _ in range(3):
        for length in lengths:
            shorter = {"max_length": length} if length < job.longest else {}
            if narrower or shorter:
                yield narrower | shorter
            for tokens in [*_round_numbers(length + 1, job.batch_tokens), length]:
                if tokens < job.batch_tokens:
                    yield narrower | shorter | {"batch_size": tokens}
        width, inner = width // 2, max(1, inner // 2)
        if not width or width % hparams.num_heads or width % 2:
            break
        narrower = {"hidden_size": width, "filter_size": inner}


def _round_numbers(least: int, below: int) -> list[int]:
    """Returns powers of two, and one and a half times them, the greatest first."""
    numbers = {base << shift for base in (2, 3) for shift in range(30)}
    return sorted((one for one in numbers if least <= one < below), reverse=True)


def _changed(job: Job, change: dict[str, int]) -> Job:
    """Returns the job with other hparams; the parameters change as the large matrices do."""
    hparams = job.hparams.copy()
    for name, value in change.items():
        setattr(hparams, name, value)
    changed = replace(
        job,
        hparams=hparams,
        batch_tokens=change.get("batch_size", job.batch_tokens),
        longest=change.get("max_length", job.longest),
    )
    share = _matrices(changed) / _matrices(job)
    return replace(changed, parameters=int(job.parameters * share))


def _matrices(job: Job) -> int:
    hparams = job.hparams
    width = hparams.hidden_size
    table = max(job.problem_hparams.vocab_size.values())
    layers = sum(
        layers * (4 * attentions * width + 2 * hparams.filter_size)
        for layers, attentions in job.stacks
    )
    return width * (table + layers)


# TensorFlow and XLA also call a full disk or too many open files an exhausted resource.
OUT_OF_MEMORY = re.compile(
    r"[Oo]ut of memory|OUT_OF_MEMORY|OOM when allocating|[Rr]an out of memory|ALLOC_FAILED|"
    r"([Ff]ailed|[Uu]nable) to allocate|[Cc]annot allocate memory|Dst tensor is not initialized"
)


def is_out_of_memory(error: BaseException) -> bool:
    """Tells whether an exception, or one that led to it, says that memory ran out.

    Seen on a CPU under `ulimit -v`: TensorFlow's ResourceExhaustedError, also as the context of a
    MemoryError; JAX's JaxRuntimeError, only once results are read, with the code INTERNAL. Where
    the kernel kills the process, or a library aborts it, nothing is raised.
    """
    import tensorflow as tf

    seen: set[int] = set()
    rest: list[BaseException | None] = [error]
    while rest:
        one = rest.pop()
        # An error that the user was told already isn't to be told again.
        if one is None or id(one) in seen or isinstance(one, Error):
            continue
        if isinstance(one, MemoryError):
            return True
        of_jax = type(one).__name__ in ("XlaRuntimeError", "JaxRuntimeError")
        if (of_jax or isinstance(one, tf.errors.OpError)) and OUT_OF_MEMORY.search(str(one)):
            return True
        seen.add(id(one))
        rest += [one.__cause__, one.__context__]
    return False


def out_of_memory_error(job: Job, found: int | None) -> DeviceError:
    """Returns the error that tells a user that memory ran out, and what to lower.

    Args:
      job: what was trained.
      found: what `available_memory.find` told before.
    """
    needed = estimate(job)
    lower = advice(job, found)
    if not lower:
        # By the estimate it fits: half of what grows with the batch is the next guess.
        grows = needed.parts().get("activations", needed.evaluation)
        lower = advice(job, needed.total - int(0.49 * grows))
    told = f"found {found / GB:.1f} GB, " if found is not None else ""
    return DeviceError(
        f"out of memory on the {job.device.kind}: {told}training with batches of "
        f"{job.batch_tokens:,} tokens needs about {needed.total / GB:.1f} GB; {lower}"
    )
