"""T2T's hparams that have no field in `HParams`, and why."""

from __future__ import annotations

import logging
from typing import Any, NamedTuple

from t2tlite.assignments import shown
from t2tlite.errors import HParamsError

log = logging.getLogger(__name__)


class T2TOnly(NamedTuple):
    """An hparam of T2T that t2tlite knows by name only."""

    default: Any  # T2T's
    reason: str  # why there is no field for it; continues a sentence that starts with its name
    harmless: bool = False  # whether results are the same without it
    unread: bool = False  # whether T2T reads it only together with something that isn't here
    same: tuple[Any, ...] = ()  # other values that mean the default
    mixed: bool = False  # whether mixtures read it, rather than models

    def assign(self, kind: str, name: str, value: Any) -> None:
        """Accepts what changes nothing; other values of a harmless hparam log a warning.

        Raises:
          HParamsError: the value would change results.
        """
        if self.unread or self.mixed or value == self.default or value in self.same:
            return
        if not self.harmless:
            raise HParamsError(f"{kind} {name}={shown(value)} is not supported: it {self.reason}")
        log.warning("%s %s=%s is ignored: it %s", kind, name, shown(value), self.reason)


def refused(reason: str, **defaults: Any) -> dict[str, T2TOnly]:
    """Returns hparams of which other values than T2T's default are errors, for one reason."""
    return {name: T2TOnly(default, reason) for name, default in defaults.items()}


def ignored(reason: str, **defaults: Any) -> dict[str, T2TOnly]:
    """Returns harmless hparams, for one reason."""
    return {name: T2TOnly(default, reason, harmless=True) for name, default in defaults.items()}


def unread(reader: str, **defaults: Any) -> dict[str, T2TOnly]:
    """Returns hparams that T2T reads only together with `reader`, which isn't here.

    They may have any value: what turns their reader on is refused.
    """
    reason = f"is only read {reader}"
    return {name: T2TOnly(default, reason, unread=True) for name, default in defaults.items()}


def mixed(**defaults: Any) -> dict[str, T2TOnly]:
    """Returns hparams that mixtures of problems read; see `mixtures.schedule`."""
    return {n: T2TOnly(value, "is read by mixtures", mixed=True) for n, value in defaults.items()}


_GRAPH = "controls how T2T built or placed its TF1 graph"
_MOE = "with ffn_layer=local_moe and other mixtures of experts"
_MULTI = "by T2T's MultiProblem, which joins texts and classes to one sequence"
_SCHEDULED = "with scheduled_sampling_prob above 0"
_AREA = "with num_area_layers above 0"
_RELATIVE_V2 = "with self_attention_type=dot_product_relative_v2"
_SPLIT_TARGETS = "with split_targets_chunk_length above 0"
_LOSS_SCALE = "with float16, which needs loss scaling; bfloat16 doesn't"
_OTHER_MODELS = "by models that aren't here"
_CONV_HIDDEN_RELU = ("conv_hidden_relu",)  # T2T's first name of dense_relu_dense

T2T_ONLY: dict[str, T2TOnly] = {
    **unread(_RELATIVE_V2, add_relative_to_values=False, heads_share_relative_embedding=False),
    **refused("belongs to area attention", num_area_layers=0),
    **unread(_AREA, area_key_mode="none", area_value_mode="none", max_area_height=1),
    **unread(_AREA, max_area_width=1, memory_height=1),
    **refused("must be true to generate text", causal_decoder_self_attention=True),
    **unread(_OTHER_MODELS, compress_steps=0, kernel_height=3, kernel_width=1),
    **unread(_OTHER_MODELS, video_num_input_frames=1, video_num_target_frames=1),
    **unread("with ffn_layer=conv_relu_conv", conv_first_kernel=3),
    **refused(
        "evaluates on decoded text; t2t-decoder with t2t-bleu does that",
        eval_run_autoregressive=False,
    ),
    "ffn_layer": T2TOnly(
        "dense_relu_dense",
        "selects other feed-forward layers than the paper's",
        same=_CONV_HIDDEN_RELU,
    ),
    **refused("belongs to hard attention", hard_attention_k=0),
    **unread("with hard_attention_k above 0", gumbel_noise_weight=0.0),
    **unread(_MOE, moe_hidden_sizes="2048", moe_k=2, moe_loss_coef=1e-3, moe_num_experts=16),
    **unread(_MOE, moe_overhead_eval=2.0, moe_overhead_train=1.0),
    **unread("with ffn_layer=parameter_attention", parameter_attention_key_channels=0),
    **unread("with ffn_layer=parameter_attention", parameter_attention_value_channels=0),
    **unread(_MULTI, multiproblem_fixed_train_length=-1, multiproblem_label_weight=0.5),
    **unread(_MULTI, multiproblem_max_input_length=-1, multiproblem_max_target_length=-1),
    **mixed(multiproblem_mixing_schedule="constant", multiproblem_per_task_threshold=""),
    **unread(_MULTI, multiproblem_reweight_label_loss=False, nbr_decoder_problems=1),
    **mixed(multiproblem_schedule_max_examples=1e7, multiproblem_schedule_threshold=0.5),
    **unread(_MULTI, multiproblem_target_eval_only=False, multiproblem_vocab_size=-1),
    **refused("selects other normalisations than layer norm", norm_type="layer"),
    **ignored("rounds up the rows of a batch", pad_batch=False),
    **unread("with pos=timing_from_features", position_features=""),
    **refused("is the flag --warm_start_from here", pretrained_model_dir=""),
    **refused("favours near positions in attention", proximity_bias=False),
    **refused("belongs to scheduled sampling", scheduled_sampling_prob=0.0),
    **unread(_SCHEDULED, scheduled_sampling_method="parallel", scheduled_sampling_num_passes=1),
    **unread(_SCHEDULED, scheduled_sampling_gold_mixin_prob=0.5),
    **unread(
        _SCHEDULED, scheduled_sampling_warmup_schedule="exp", scheduled_sampling_warmup_steps=50000
    ),
    **refused(
        "shares input and target embeddings only; use shared_embedding_and_softmax_weights",
        shared_embedding=False,
    ),
    **refused("trains on pieces of targets", split_targets_chunk_length=0),
    **unread(_SPLIT_TARGETS, split_targets_max_chunks=100, split_targets_strided_training=False),
    **refused("cuts examples into pieces; cut them in generate_samples", split_to_length=0),
    **refused("counts batch_size in examples; give it in tokens", use_fixed_batch_size=False),
    **refused("reads a second checkpoint; average them first", warm_start_from_second=""),
    **refused("stores weights in less than float32", weight_dtype="float32"),
    **ignored(_GRAPH, attention_variables_3d=False, daisy_chain_variables=True),
    **ignored(_GRAPH, factored_logits=False, force_full_predict=False, no_data_parallelism=False),
    **ignored(_GRAPH, optimizer_zero_grads=False, summarize_grads=False, summarize_vars=False),
    **ignored(_GRAPH, tpu_enable_host_call=False, use_custom_ops=True),
    **ignored("shuffles batches; examples are shuffled", batch_shuffle_size=512),
    **ignored("is --precision=bfloat16 here", gpu_automatic_mixed_precision=False),
    **unread(_LOSS_SCALE, mixed_precision_optimizer_init_loss_scale=32768),
    **unread(_LOSS_SCALE, mixed_precision_optimizer_loss_scaler="exponential"),
    **ignored("prints the log lines of a benchmark", mlperf_mode=False),
    **ignored("renames metrics in summaries", overload_eval_metric_name=""),
    **ignored("splits the embedding table into several variables", symbol_modality_num_shards=16),
    **ignored("skips padding in feed-forward layers", use_pad_remover=True),
}

# What to do instead of names that aren't hparams of T2T's Transformers either.
HINTS = dict.fromkeys(
    (
        *("distill_phase", "teacher_model", "teacher_hparams", "teacher_learning_rate"),
        *("student_model", "student_hparams", "student_learning_rate"),
    ),
    "it belongs to T2T's model distillation, of two networks; t2t-distill writes the data of a "
    "student, whose training has task_balance and distill_temperature",
)
HINTS |= {
    name: f"it is a flag, --{name}, and in Python an argument of train"
    for name in (
        *("random_seed", "train_steps", "eval_steps", "eval_decode", "local_eval_frequency"),
        *("precision", "warm_start_from", "keep_checkpoint_max", "worker_gpu", "model_parallel"),
        *("save_checkpoints_secs", "eval_early_stopping_steps", "eval_early_stopping_metric"),
    )
}
