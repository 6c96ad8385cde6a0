"""Names that Tensor2Tensor registered and t2tlite hasn't: why, and what to use instead."""

from __future__ import annotations

import re

from t2tlite.registry import Registry, hparams_sets

# By what they are for: T2T's models and sets. Patterns, since T2T has hundreds of them.
_FAMILIES = {
    "images": r"autoencoder|basic_(conv|fc)|bluenet|cycle_gan|glow|image_?transformer|img2img|"
    r"invertible|mtf_(image|resnet)|resnet|revnet|shake_?shake|transformer_(ae_|cifar|imagenet)|vqa|"
    r"xception",
    "sketches": r"transformer_sketch",
    "speech": r"lstm_asr|transformer_(librispeech|common_voice)",
    "videos and games": r"dense_bitwise|dqn|feed_forward_|next_frame|ppo|rlmb",
    "series of numbers": r"gene_expression|residual_shuffle|shuffle_network|transformer_timeseries",
    "mixtures of experts": r"attention_lm_moe|moe|multi_?model|super_lm|transformer_moe",
    "models that aren't part of t2tlite": r"afx|aligned|attention_lm|bytenet|diagonal_neural_gpu|"
    r"evolved_transformer|lmx|lstm_area|mqp|mtf|nas_|neural_(gpu|stack|queue)|r_transformer|"
    r"similarity|slice_?net|transformer_(aux|base_vq|fairseq|memory|nat|revnet|scorer|supervised|"
    r"symshard|topk|vae|vq|wikitext103_l\d+k_memory)",
    "experiments on its own machines": r"transformer_(base_bs|big_bs|tiny_bs|tpu_1b|tpu_with_conv|"
    r"tall_pretrain)",
}
_NO_TEXT = re.compile(
    r"allen_brain|audio|celeb|cifar|common_voice|fsns|gene_expression|gym|image|img2img|librispeech|"
    r"mnist|mscoco|ocr|speech|timeseries|video|vqa"
)


def family(name: str) -> str:
    """Returns what a model or set of T2T is for that isn't here; "" if it isn't one."""
    return next((what for what, names in _FAMILIES.items() if re.match(names, name)), "")


def nearest_set(name: str) -> str:
    """Returns the registered hparams set that a set of T2T is a variant of, by their names."""
    parts = name.split("_")
    shorter = ("_".join(parts[:end]) for end in range(len(parts) - 1, 0, -1))
    default = "lstm_attention" if name.startswith("lstm") else "transformer_base"
    return next((each for each in shorter if each in hparams_sets), default)


def explain(kind: str, name: str) -> str:
    """Returns why a name isn't registered, as a part of a sentence; "" if T2T has none like it.

    Args:
      kind: of the name: "problem", "model", "hparams set" or "hparams range".
      name: that isn't registered.
    """
    if kind == "problem":
        found = _NO_TEXT.match(name)
        return (
            "T2T's problems of this kind aren't text, and t2tlite only has those" if found else ""
        )
    what = family(name)
    if not what:
        return ""
    if kind == "model":
        return (
            f"T2T's is for {what}; train with --model=transformer, or write a keras.Model and "
            f"register it"
        )
    start = "transformer_base_range" if kind == "hparams range" else nearest_set(name)
    return f"T2T's is for {what}; start from {start}"


Registry.explain = staticmethod(explain)
