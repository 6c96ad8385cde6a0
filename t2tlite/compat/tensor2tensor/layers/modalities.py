"""As `tensor2tensor.layers.modalities`: modalities in the forms of all T2T versions."""

from typing import Any

from t2tlite.plugins.stand_ins import absent_names

__getattr__ = absent_names(__name__)


class ModalityType:
    """Kinds of features, as `p.modality` names them."""

    SYMBOL = "symbol"
    CLASS_LABEL = "class_label"
    GENERIC_L2_LOSS = "generic"
    IDENTITY = "identity"
    IDENTITY_SYMBOL = "identity_symbol"
    IMAGE = "image"
    AUDIO = "audio"
    VIDEO = "video"
    REAL = "real"
    REAL_L2_LOSS = "real_l2"
    REAL_LOG_POISSON_LOSS = "real_log_poisson"
    MULTI_LABEL = "multi_label"
    ONE_HOT_CLASS_LABEL = "one_hot_class_label"
    SYMBOL_WEIGHTS_ALL = "symbol_weights_all"
    SYMBOL_ONE_HOT = "symbol_one_hot"

    @staticmethod
    def get_choices() -> list[str]:
        """Returns all modalities."""
        return [value for name, value in vars(ModalityType).items() if name.isupper()]


class _Modality:
    """A modality before T2T 1.12: a class."""

    t2t_modality = ""

    def __init__(self, model_hparams: Any = None, vocab_size: int | None = None) -> None:
        self.vocab_size = vocab_size


class SymbolModality(_Modality):
    """A sequence of tokens."""

    t2t_modality = ModalityType.SYMBOL


class ClassLabelModality(_Modality):
    """One label."""

    t2t_modality = ModalityType.CLASS_LABEL
