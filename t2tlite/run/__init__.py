"""Where data and model meet: devices, training, evaluation, checkpoints, decoding."""
