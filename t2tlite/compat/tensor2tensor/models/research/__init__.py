"""As `tensor2tensor.models.research`."""

from t2tlite.compat.tensor2tensor.models.research import (
    universal_transformer as universal_transformer,
)
