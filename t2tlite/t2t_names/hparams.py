"""T2T hparams that t2tlite knows by name but does without, and why.

An hparam of this table may be assigned: while its value is T2T's default that changes nothing; any
other value is told in one warning line if the result stays the same (`harmless`), and is an error
if the effect would be missed.
"""

from __future__ import annotations

from typing import Any, NamedTuple


class Foreign(NamedTuple):
    """A T2T hparam without a field here.

    Attributes:
      default: the value in T2T's transformer_base.
      reason: why there is no field for it, as the end of a sentence that starts with its name.
      harmless: whether results stay the same without it.
    """

    default: Any
    reason: str
    harmless: bool = False


_GRAPH = "steers how T2T built or placed its TF1 graph"
_MOE = "belongs to mixture-of-experts layers, which are not part of t2tlite"
_CONV = "belongs to convolutional layers, which are not part of t2tlite"
_MULTI = "belongs to multi-problem training, which is not part of t2tlite"
_SCHEDULED = "belongs to scheduled sampling, which is not part of t2tlite"
_AREA = "belongs to area attention, which is not part of t2tlite"
_VIDEO = "belongs to video models, which are not part of t2tlite"
_RELATIVE_V2 = "belongs to dot_product_relative_v2; dot_product_relative is what there is here"
_LOSS_SCALE = "scales losses for float16; bfloat16 needs no scaling"

FOREIGN: dict[str, Foreign] = {
    "add_relative_to_values": Foreign(False, _RELATIVE_V2),
    "area_key_mode": Foreign("none", _AREA),
    "area_value_mode": Foreign("none", _AREA),
    "attention_variables_3d": Foreign(False, _GRAPH, harmless=True),
    "batch_shuffle_size": Foreign(512, "is covered by the shuffle of examples", harmless=True),
    "causal_decoder_self_attention": Foreign(True, "has no other value for generating text"),
    "compress_steps": Foreign(0, "compresses inputs of models that are not part of t2tlite"),
    "conv_first_kernel": Foreign(3, _CONV),
    "daisy_chain_variables": Foreign(True, _GRAPH, harmless=True),
    "eval_run_autoregressive": Foreign(
        False, "evaluates on decoded text; t2t-decoder with t2t-bleu does that"
    ),
    "factored_logits": Foreign(False, _GRAPH, harmless=True),
    "ffn_layer": Foreign("dense_relu_dense", "names other feed-forward layers than the paper's"),
    "force_full_predict": Foreign(False, _GRAPH, harmless=True),
    "gpu_automatic_mixed_precision": Foreign(
        False, "is activation_dtype=bfloat16 here", harmless=True
    ),
    "gumbel_noise_weight": Foreign(0.0, "adds noise to attention in models that are not here"),
    "hard_attention_k": Foreign(0, "belongs to hard attention, which is not part of t2tlite"),
    "heads_share_relative_embedding": Foreign(False, _RELATIVE_V2),
    "kernel_height": Foreign(3, _CONV),
    "kernel_width": Foreign(1, _CONV),
    "max_area_height": Foreign(1, _AREA),
    "max_area_width": Foreign(1, _AREA),
    "memory_height": Foreign(1, _AREA),
    "mixed_precision_optimizer_init_loss_scale": Foreign(32768, _LOSS_SCALE, harmless=True),
    "mixed_precision_optimizer_loss_scaler": Foreign("exponential", _LOSS_SCALE, harmless=True),
    "mlperf_mode": Foreign(False, "prints the log lines of a benchmark", harmless=True),
    "moe_hidden_sizes": Foreign("2048", _MOE),
    "moe_k": Foreign(2, _MOE),
    "moe_loss_coef": Foreign(1e-3, _MOE),
    "moe_num_experts": Foreign(16, _MOE),
    "moe_overhead_eval": Foreign(2.0, _MOE),
    "moe_overhead_train": Foreign(1.0, _MOE),
    "multiproblem_fixed_train_length": Foreign(-1, _MULTI),
    "multiproblem_label_weight": Foreign(0.5, _MULTI),
    "multiproblem_max_input_length": Foreign(-1, _MULTI),
    "multiproblem_max_target_length": Foreign(-1, _MULTI),
    "multiproblem_mixing_schedule": Foreign("constant", _MULTI),
    "multiproblem_per_task_threshold": Foreign("", _MULTI),
    "multiproblem_reweight_label_loss": Foreign(False, _MULTI),
    "multiproblem_schedule_max_examples": Foreign(1e7, _MULTI),
    "multiproblem_schedule_threshold": Foreign(0.5, _MULTI),
    "multiproblem_target_eval_only": Foreign(False, _MULTI),
    "multiproblem_vocab_size": Foreign(-1, _MULTI),
    "nbr_decoder_problems": Foreign(1, _MULTI),
    "no_data_parallelism": Foreign(False, _GRAPH, harmless=True),
    "norm_type": Foreign("layer", "names other normalisations than layer norm"),
    "num_area_layers": Foreign(0, _AREA),
    "optimizer_zero_grads": Foreign(False, _GRAPH, harmless=True),
    "overload_eval_metric_name": Foreign("", "renames metrics in summaries", harmless=True),
    "pad_batch": Foreign(False, "is batching=pad here"),
    "parameter_attention_key_channels": Foreign(0, _MOE),
    "parameter_attention_value_channels": Foreign(0, _MOE),
    "position_features": Foreign("", "embeds features beside the text, which no recipe here has"),
    "prepend_mode": Foreign("none", "feeds inputs and targets as one sequence; not built here"),
    "pretrained_model_dir": Foreign("", "is the flag --warm_start_from here"),
    "proximity_bias": Foreign(False, "favours near positions in attention; not built here"),
    "scheduled_sampling_gold_mixin_prob": Foreign(0.5, _SCHEDULED),
    "scheduled_sampling_method": Foreign("parallel", _SCHEDULED),
    "scheduled_sampling_num_passes": Foreign(1, _SCHEDULED),
    "scheduled_sampling_prob": Foreign(0.0, _SCHEDULED),
    "scheduled_sampling_warmup_schedule": Foreign("exp", _SCHEDULED),
    "scheduled_sampling_warmup_steps": Foreign(50000, _SCHEDULED),
    "shared_embedding": Foreign(
        False, "shares input and target embeddings only; use shared_embedding_and_softmax_weights"
    ),
    "split_targets_chunk_length": Foreign(0, "trains on pieces of targets; not built here"),
    "split_targets_max_chunks": Foreign(100, "trains on pieces of targets; not built here"),
    "split_targets_strided_training": Foreign(False, "trains on pieces of targets; not built here"),
    "split_to_length": Foreign(0, "cuts examples into pieces; cut them in generate_samples"),
    "summarize_grads": Foreign(False, _GRAPH, harmless=True),
    "summarize_vars": Foreign(False, _GRAPH, harmless=True),
    "symbol_modality_num_shards": Foreign(
        16, "splits the embedding into several variables; here it is one", harmless=True
    ),
    "tpu_enable_host_call": Foreign(False, _GRAPH, harmless=True),
    "use_custom_ops": Foreign(True, _GRAPH, harmless=True),
    "use_fixed_batch_size": Foreign(False, "counts batch_size in examples; give it in tokens"),
    "use_pad_remover": Foreign(True, "skips padding in feed-forward layers", harmless=True),
    "video_num_input_frames": Foreign(1, _VIDEO),
    "video_num_target_frames": Foreign(1, _VIDEO),
    "warm_start_from_second": Foreign("", "reads a second checkpoint; average them first"),
    "weight_dtype": Foreign("float32", "keeps weights in less than float32; never done here"),
}
