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

    def assign(self, kind: str, name: str, value: Any) -> None:
        """Accepts T2T's default silently, and other values of a harmless hparam with a warning.

        Raises:
          HParamsError: the value would change results.
        """
        if value == self.default:
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


_GRAPH = "controls how T2T built or placed its TF1 graph"
_MOE = "belongs to mixture-of-experts layers"
_CONV = "belongs to convolutional layers"
_MULTI = "belongs to multi-problem training"
_SCHEDULED = "belongs to scheduled sampling"
_AREA = "belongs to area attention"
_RELATIVE_V2 = "belongs to dot_product_relative_v2; use dot_product_relative"
_SPLIT_TARGETS = "trains on pieces of targets"
_LOSS_SCALE = "scales losses for float16; bfloat16 needs no loss scaling"

T2T_ONLY: dict[str, T2TOnly] = {
    **refused(_RELATIVE_V2, add_relative_to_values=False, heads_share_relative_embedding=False),
    **refused(_AREA, area_key_mode="none", area_value_mode="none", max_area_height=1),
    **refused(_AREA, max_area_width=1, memory_height=1, num_area_layers=0),
    **refused("must be true to generate text", causal_decoder_self_attention=True),
    **refused("compresses inputs of other models", compress_steps=0),
    **refused(_CONV, conv_first_kernel=3, kernel_height=3, kernel_width=1),
    **refused(
        "evaluates on decoded text; t2t-decoder with t2t-bleu does that",
        eval_run_autoregressive=False,
    ),
    **refused("selects other feed-forward layers than the paper's", ffn_layer="dense_relu_dense"),
    **refused("adds noise to attention in other models", gumbel_noise_weight=0.0),
    **refused("belongs to hard attention", hard_attention_k=0),
    **refused(_MOE, moe_hidden_sizes="2048", moe_k=2, moe_loss_coef=1e-3, moe_num_experts=16),
    **refused(_MOE, moe_overhead_eval=2.0, moe_overhead_train=1.0),
    **refused(_MOE, parameter_attention_key_channels=0, parameter_attention_value_channels=0),
    **refused(_MULTI, multiproblem_fixed_train_length=-1, multiproblem_label_weight=0.5),
    **refused(_MULTI, multiproblem_max_input_length=-1, multiproblem_max_target_length=-1),
    **refused(_MULTI, multiproblem_mixing_schedule="constant", multiproblem_per_task_threshold=""),
    **refused(_MULTI, multiproblem_reweight_label_loss=False, nbr_decoder_problems=1),
    **refused(_MULTI, multiproblem_schedule_max_examples=1e7, multiproblem_schedule_threshold=0.5),
    **refused(_MULTI, multiproblem_target_eval_only=False, multiproblem_vocab_size=-1),
    **refused("selects other normalisations than layer norm", norm_type="layer"),
    **refused("is batching=pad here", pad_batch=False),
    **refused("embeds features beside the text", position_features=""),
    **refused("feeds inputs and targets as one sequence", prepend_mode="none"),
    **refused("is the flag --warm_start_from here", pretrained_model_dir=""),
    **refused("favours near positions in attention", proximity_bias=False),
    **refused(_SCHEDULED, scheduled_sampling_method="parallel", scheduled_sampling_num_passes=1),
    **refused(_SCHEDULED, scheduled_sampling_prob=0.0, scheduled_sampling_gold_mixin_prob=0.5),
    **refused(
        _SCHEDULED, scheduled_sampling_warmup_schedule="exp", scheduled_sampling_warmup_steps=50000
    ),
    **refused(
        "shares input and target embeddings only; use shared_embedding_and_softmax_weights",
        shared_embedding=False,
    ),
    **refused(_SPLIT_TARGETS, split_targets_chunk_length=0, split_targets_max_chunks=100),
    **refused(_SPLIT_TARGETS, split_targets_strided_training=False),
    **refused("cuts examples into pieces; cut them in generate_samples", split_to_length=0),
    **refused("counts batch_size in examples; give it in tokens", use_fixed_batch_size=False),
    **refused("belongs to video models", video_num_input_frames=1, video_num_target_frames=1),
    **refused("reads a second checkpoint; average them first", warm_start_from_second=""),
    **refused("stores weights in less than float32", weight_dtype="float32"),
    **ignored(_GRAPH, attention_variables_3d=False, daisy_chain_variables=True),
    **ignored(_GRAPH, factored_logits=False, force_full_predict=False, no_data_parallelism=False),
    **ignored(_GRAPH, optimizer_zero_grads=False, summarize_grads=False, summarize_vars=False),
    **ignored(_GRAPH, tpu_enable_host_call=False, use_custom_ops=True),
    **ignored("shuffles batches; examples are shuffled", batch_shuffle_size=512),
    **ignored("is activation_dtype=bfloat16 here", gpu_automatic_mixed_precision=False),
    **ignored(_LOSS_SCALE, mixed_precision_optimizer_init_loss_scale=32768),
    **ignored(_LOSS_SCALE, mixed_precision_optimizer_loss_scaler="exponential"),
    **ignored("prints the log lines of a benchmark", mlperf_mode=False),
    **ignored("renames metrics in summaries", overload_eval_metric_name=""),
    **ignored("splits the embedding table into several variables", symbol_modality_num_shards=16),
    **ignored("skips padding in feed-forward layers", use_pad_remover=True),
}
