"""As `tensor2tensor.models`, which imports all models."""

from t2tlite.compat.tensor2tensor.models import lstm as lstm
from t2tlite.compat.tensor2tensor.models import research as research
from t2tlite.compat.tensor2tensor.models import transformer as transformer
