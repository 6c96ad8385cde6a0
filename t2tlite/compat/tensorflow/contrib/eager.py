"""As `tensorflow.contrib.eager`: TensorFlow 2 is eager without being asked."""

from typing import Any

from t2tlite.plugins.stand_ins import absent_names

__getattr__ = absent_names(__name__)


def enable_eager_execution(*args: Any, **kwargs: Any) -> None:
    """Does nothing."""
