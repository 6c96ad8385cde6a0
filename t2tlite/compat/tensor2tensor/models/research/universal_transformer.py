"""As `tensor2tensor.models.research.universal_transformer`: built-in sets; absent models."""

from t2tlite.compat.t2t_hparams import built_in_sets
from t2tlite.plugins.stand_ins import absent_names

__getattr__ = absent_names(__name__)
globals().update(built_in_sets("universal_transformer"))
# `import *` gives these names, too.
UniversalTransformer = __getattr__("UniversalTransformer")
UniversalTransformerEncoder = __getattr__("UniversalTransformerEncoder")
