"""Compiles a training, evaluation and decoding for a TPU, without one."""
