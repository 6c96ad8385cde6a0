"""Which hparams have an effect beside which others."""

from __future__ import annotations

from typing import Any

from t2tlite.t2t_names.hparams import T2T_ONLY

# The factors of learning_rate_schedule that read an hparam.
_SCHEDULE_FACTORS = {
    "learning_rate": {"legacy"},
    "learning_rate_constant": {"constant"},
    "learning_rate_decay_scheme": {"legacy"},
    "learning_rate_decay_rate": {"legacy", "exp_decay"},
    "learning_rate_decay_steps": {"legacy", "exp_decay", "linear_decay", "cosdecay"},
    "learning_rate_cooldown_share": {"linear_cooldown"},
    "learning_rate_warmup_share": {"linear_warmup", "legacy"},
}
# The optimizers that read the hparams of a prefix; T2T has several names for Adam.
_OPTIMIZERS = {
    "optimizer_adam_": ("adam", "trueadam", "multistepadam", "adamw", "muon"),
    "optimizer_adafactor_": ("adafactor",),
    "optimizer_momentum_": ("momentum",),
    "optimizer_muon_": ("muon",),
}


def without_effect(name: str, hparams: Any) -> str:
    """Returns why assigning an hparam has no effect beside these `HParams`; "" if it has one."""
    reason = _reason(name, hparams)
    return f"hparam {name} has no effect: {reason}" if reason else ""


def _reason(name: str, hparams: Any) -> str:
    if name in T2T_ONLY and T2T_ONLY[name].unread:
        return f"it {T2T_ONLY[name].reason}"
    attention = hparams.self_attention_type
    if name == "max_relative_position" and attention != "dot_product_relative":
        return f"self_attention_type={attention}"
    layers = ("num_hidden_layers", "num_encoder_layers", "num_decoder_layers")
    if name in layers and (kind := hparams.extra.get("recurrence_type")):
        steps = "act_max_steps" if kind == "act" else "num_rec_steps"
        return f"recurrence_type={kind} reads {steps}"
    if name == "weight_decay_cautious" and not hparams.weight_decay:
        return f"weight_decay={hparams.weight_decay}"
    if name == "distill_temperature" and hparams.task_balance == 1:
        return "task_balance=1.0 leaves the teacher out"
    optimizer = hparams.optimizer.replace("_", "").lower()
    for prefix, readers in _OPTIMIZERS.items():
        if name.startswith(prefix) and optimizer not in readers:
            return f"optimizer={hparams.optimizer} doesn't read it"
    schedule = hparams.learning_rate_schedule
    factors = _SCHEDULE_FACTORS.get(name)
    if not factors or factors & {factor.strip() for factor in schedule.split("*")}:
        return ""
    advice = "; set learning_rate_constant instead" if name == "learning_rate" else ""
    return f"learning_rate_schedule={schedule} doesn't read it{advice}"
