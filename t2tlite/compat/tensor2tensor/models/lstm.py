"""As `tensor2tensor.models.lstm`: the built-in sets, and models that can't be subclassed."""

from typing import Any

from t2tlite.compat.t2t_hparams import sets_of
from t2tlite.plugins.absent import names_of

_SETS = {name: made for name, made in sets_of("lstm").items() if name.startswith("lstm_")}
_MODELS = [
    "LSTMSeq2seq",
    "LSTMSeq2seqAttention",
    "LSTMSeq2seqAttentionBidirectionalEncoder",
    "LSTMSeq2seqBidirectionalEncoder",
]

__all__ = [*_SETS, *_MODELS]  # noqa: PLE0604 - the names that `import *` gives


def __getattr__(name: str) -> Any:
    return _SETS[name] if name in _SETS else names_of(__name__)(name)
