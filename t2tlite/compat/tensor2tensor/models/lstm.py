"""As `tensor2tensor.models.lstm`: the built-in sets, and models that can't be subclassed."""

from t2tlite.compat.t2t_hparams import built_in_sets
from t2tlite.plugins.stand_ins import absent_names

__getattr__ = absent_names(__name__)
globals().update(built_in_sets("lstm"))
# `import *` gives these names, too.
LSTMSeq2seq = __getattr__("LSTMSeq2seq")
LSTMSeq2seqAttention = __getattr__("LSTMSeq2seqAttention")
LSTMSeq2seqAttentionBidirectionalEncoder = __getattr__("LSTMSeq2seqAttentionBidirectionalEncoder")
LSTMSeq2seqBidirectionalEncoder = __getattr__("LSTMSeq2seqBidirectionalEncoder")
