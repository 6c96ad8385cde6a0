"""T2T's hparams that have no field in `HParams`, and why."""

from __future__ import annotations

import logging
from typing import Any, NamedTuple

from t2tlite.errors import HParamsError

log = logging.getLogger(__name__)


class T2TOnly(NamedTuple):
    """An hparam of T2T that t2tlite knows by name only.

    Attributes:
      default: T2T's default.
      reason: why there is no field for it; continues a sentence that starts with its name.
      harmless: whether results are the same without it.
    """

    default: Any
    reason: str
    harmless: bool = False

    def assign(self, kind: str, name: str, value: Any) -> None:
        """Accepts T2T's default silently, and other values of a harmless hparam with a warning.

        Raises:
          HParamsError: the value would change results.
        """
        if value == self.default:
            return
        if not self.harmless:
            raise HParamsError(f"{kind} {name}={value} is not supported: it {self.reason}")
        log.warning("%s %s=%s is ignored: it %s", kind, name, value, self.reason)


_GRAPH = "controls how T2T built or placed its TF1 graph"
_MOE = "belongs to mixture-of-experts layers"
_CONV = "belongs to convolutional layers"
_MULTI = "belongs to multi-problem training"
_SCHEDULED = "belongs to scheduled sampling"
_AREA = "belongs to area attention"
_VIDEO = "belongs to video models"
_RELATIVE_V2 = "belongs to dot_product_relative_v2; use dot_product_relative"
_SPLIT_TARGETS = "trains on pieces of targets"
_LOSS_SCALE = "scales losses for float16; bfloat16 needs no loss scaling"

T2T_ONLY: dict[str, T2TOnly] = {
    "add_relative_to_values": T2TOnly(False, _RELATIVE_V2),
    "area_key_mode": T2TOnly("none", _AREA),
    "area_value_mode": T2TOnly("none", _AREA),
    "attention_variables_3d": T2TOnly(False, _GRAPH, harmless=True),
    "batch_shuffle_size": T2TOnly(512, "shuffles batches; examples are shuffled", harmless=True),
    "causal_decoder_self_attention": T2TOnly(True, "must be true to generate text"),
    "compress_steps": T2TOnly(0, "compresses inputs of other models"),
    "conv_first_kernel": T2TOnly(3, _CONV),
    "daisy_chain_variables": T2TOnly(True, _GRAPH, harmless=True),
    "eval_run_autoregressive": T2TOnly(
        False, "evaluates on decoded text; t2t-decoder with t2t-bleu does that"
    ),
    "factored_logits": T2TOnly(False, _GRAPH, harmless=True),
    "ffn_layer": T2TOnly("dense_relu_dense", "selects other feed-forward layers than the paper's"),
    "force_full_predict": T2TOnly(False, _GRAPH, harmless=True),
    "gpu_automatic_mixed_precision": T2TOnly(
        False, "is activation_dtype=bfloat16 here", harmless=True
    ),
    "gumbel_noise_weight": T2TOnly(0.0, "adds noise to attention in other models"),
    "hard_attention_k": T2TOnly(0, "belongs to hard attention"),
    "heads_share_relative_embedding": T2TOnly(False, _RELATIVE_V2),
    "kernel_height": T2TOnly(3, _CONV),
    "kernel_width": T2TOnly(1, _CONV),
    "max_area_height": T2TOnly(1, _AREA),
    "max_area_width": T2TOnly(1, _AREA),
    "memory_height": T2TOnly(1, _AREA),
    "mixed_precision_optimizer_init_loss_scale": T2TOnly(32768, _LOSS_SCALE, harmless=True),
    "mixed_precision_optimizer_loss_scaler": T2TOnly("exponential", _LOSS_SCALE, harmless=True),
    "mlperf_mode": T2TOnly(False, "prints the log lines of a benchmark", harmless=True),
    "moe_hidden_sizes": T2TOnly("2048", _MOE),
    "moe_k": T2TOnly(2, _MOE),
    "moe_loss_coef": T2TOnly(1e-3, _MOE),
    "moe_num_experts": T2TOnly(16, _MOE),
    "moe_overhead_eval": T2TOnly(2.0, _MOE),
    "moe_overhead_train": T2TOnly(1.0, _MOE),
    "multiproblem_fixed_train_length": T2TOnly(-1, _MULTI),
    "multiproblem_label_weight": T2TOnly(0.5, _MULTI),
    "multiproblem_max_input_length": T2TOnly(-1, _MULTI),
    "multiproblem_max_target_length": T2TOnly(-1, _MULTI),
    "multiproblem_mixing_schedule": T2TOnly("constant", _MULTI),
    "multiproblem_per_task_threshold": T2TOnly("", _MULTI),
    "multiproblem_reweight_label_loss": T2TOnly(False, _MULTI),
    "multiproblem_schedule_max_examples": T2TOnly(1e7, _MULTI),
    "multiproblem_schedule_threshold": T2TOnly(0.5, _MULTI),
    "multiproblem_target_eval_only": T2TOnly(False, _MULTI),
    "multiproblem_vocab_size": T2TOnly(-1, _MULTI),
    "nbr_decoder_problems": T2TOnly(1, _MULTI),
    "no_data_parallelism": T2TOnly(False, _GRAPH, harmless=True),
    "norm_type": T2TOnly("layer", "selects other normalisations than layer norm"),
    "num_area_layers": T2TOnly(0, _AREA),
    "optimizer_zero_grads": T2TOnly(False, _GRAPH, harmless=True),
    "overload_eval_metric_name": T2TOnly("", "renames metrics in summaries", harmless=True),
    "pad_batch": T2TOnly(False, "is batching=pad here"),
    "parameter_attention_key_channels": T2TOnly(0, _MOE),
    "parameter_attention_value_channels": T2TOnly(0, _MOE),
    "position_features": T2TOnly("", "embeds features beside the text"),
    "prepend_mode": T2TOnly("none", "feeds inputs and targets as one sequence"),
    "pretrained_model_dir": T2TOnly("", "is the flag --warm_start_from here"),
    "proximity_bias": T2TOnly(False, "favours near positions in attention"),
    "scheduled_sampling_gold_mixin_prob": T2TOnly(0.5, _SCHEDULED),
    "scheduled_sampling_method": T2TOnly("parallel", _SCHEDULED),
    "scheduled_sampling_num_passes": T2TOnly(1, _SCHEDULED),
    "scheduled_sampling_prob": T2TOnly(0.0, _SCHEDULED),
    "scheduled_sampling_warmup_schedule": T2TOnly("exp", _SCHEDULED),
    "scheduled_sampling_warmup_steps": T2TOnly(50000, _SCHEDULED),
    "shared_embedding": T2TOnly(
        False, "shares input and target embeddings only; use shared_embedding_and_softmax_weights"
    ),
    "split_targets_chunk_length": T2TOnly(0, _SPLIT_TARGETS),
    "split_targets_max_chunks": T2TOnly(100, _SPLIT_TARGETS),
    "split_targets_strided_training": T2TOnly(False, _SPLIT_TARGETS),
    "split_to_length": T2TOnly(0, "cuts examples into pieces; cut them in generate_samples"),
    "summarize_grads": T2TOnly(False, _GRAPH, harmless=True),
    "summarize_vars": T2TOnly(False, _GRAPH, harmless=True),
    "symbol_modality_num_shards": T2TOnly(
        16, "splits the embedding table into several variables", harmless=True
    ),
    "tpu_enable_host_call": T2TOnly(False, _GRAPH, harmless=True),
    "use_custom_ops": T2TOnly(True, _GRAPH, harmless=True),
    "use_fixed_batch_size": T2TOnly(False, "counts batch_size in examples; give it in tokens"),
    "use_pad_remover": T2TOnly(True, "skips padding in feed-forward layers", harmless=True),
    "video_num_input_frames": T2TOnly(1, _VIDEO),
    "video_num_target_frames": T2TOnly(1, _VIDEO),
    "warm_start_from_second": T2TOnly("", "reads a second checkpoint; average them first"),
    "weight_dtype": T2TOnly("float32", "stores weights in less than float32"),
}
