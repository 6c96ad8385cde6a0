"""Modalities in the forms of older T2T versions, in `hparams(defaults, model_hparams)`.

p.input_modality = {"inputs": (registry.Modalities.SYMBOL, 8192)}     # before 1.10
p.target_modality = (registry.Modalities.CLASS_LABEL, 2)
p.modality = {"targets": modalities.SymbolModality}                   # before 1.12
p.modality["targets"] = modalities.ModalityType.SYMBOL                # since
"""

from __future__ import annotations

from typing import Any

from t2tlite.errors import DataError

MODALITIES = ("symbol", "class_label", "real_l2")


def translate(filled: Any) -> None:
    """Converts the older forms to `modality` and `vocab_size`, in place.

    Args:
      filled: a ProblemHParams that a problem's hook has filled.

    Raises:
      DataError: the modality of inputs or targets isn't one of text.
    """
    old: dict[str, Any] = dict(vars(filled).pop("input_modality", None) or {})
    target = vars(filled).pop("target_modality", None)
    if isinstance(target, dict):
        old.update(target)
    elif target is not None:
        old["targets"] = target
    for feature, modality in {**filled.modality, **old}.items():
        if isinstance(modality, tuple):
            modality, size = modality[0], modality[1] if len(modality) > 1 else None
            if size is not None:
                filled.vocab_size[feature] = size
        filled.modality[feature] = _name(feature, modality)


def _name(feature: str, modality: Any) -> str:
    name = getattr(modality, "t2t_modality", modality)
    if isinstance(name, str):
        # "symbol:default" is an implementation of "symbol", and "symbol_weights_all" the same here.
        name = name.partition(":")[0].removesuffix("_weights_all")
    if name not in MODALITIES and feature in ("inputs", "targets"):
        raise DataError(
            f"modality of {feature!r} is {modality}; t2tlite has {', '.join(MODALITIES)}: correct "
            f"hparams() of the problem"
        )
    return str(name)
