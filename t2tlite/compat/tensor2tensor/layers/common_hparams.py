"""As `tensor2tensor.layers.common_hparams`."""

from t2tlite.compat.absent import names_of
from t2tlite.compat.t2t_hparams import HParams
from t2tlite.ranged_hparams import RangedHParams

__getattr__ = names_of(__name__)

__all__ = ["RangedHParams", "basic_params1", "fill_ranged_hparams_from_hparams"]


def basic_params1() -> HParams:
    """T2T's oldest set, which its models other than the Transformer start from."""
    hparams = HParams()
    hparams.hidden_size = 64
    hparams.num_hidden_layers = 4
    hparams.layer_preprocess_sequence = "none"
    hparams.layer_postprocess_sequence = "dan"
    hparams.initializer = "orthogonal"
    hparams.initializer_gain = 1.5
    hparams.weight_decay = 1e-6
    hparams.clip_grad_norm = 2.0
    hparams.optimizer_adam_beta1 = 0.85
    hparams.optimizer_adam_epsilon = 1e-6
    hparams.learning_rate_schedule = "legacy"
    hparams.learning_rate = 0.1
    hparams.learning_rate_constant = 1.0
    hparams.learning_rate_decay_scheme = "none"
    hparams.learning_rate_warmup_steps = 100
    hparams.max_length = 0
    hparams.shared_embedding_and_softmax_weights = False
    return hparams


def fill_ranged_hparams_from_hparams(hparams: HParams, ranged_hparams: RangedHParams) -> None:
    """Gave each hparam a range of its one value, before 1.7; here it keeps that by itself."""
