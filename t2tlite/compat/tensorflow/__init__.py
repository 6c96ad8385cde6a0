"""The part of TF1's `tensorflow` that `tensorflow.compat.v1` lacks and T2T's users need."""
