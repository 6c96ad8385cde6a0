"""t2t-tpu-check: compiles training, evaluation and decoding for a TPU on a machine without one."""
