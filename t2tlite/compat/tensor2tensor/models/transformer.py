"""As `tensor2tensor.models.transformer`: the built-in sets, and models that can't be subclassed."""

from t2tlite.compat.t2t_hparams import built_in_sets
from t2tlite.plugins.stand_ins import absent_names

__getattr__ = absent_names(__name__)
globals().update(
    built_in_sets("transformer", "transformer_relative", "transformer_tpu", "transformer_variants")
)
# `import *` gives these names, too.
Transformer = __getattr__("Transformer")
TransformerEncoder = __getattr__("TransformerEncoder")
TransformerScorer = __getattr__("TransformerScorer")
