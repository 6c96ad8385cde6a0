"""Trap 19: TensorFlow as T2T itself imported it in its last versions, in two modules."""

from . import lines
