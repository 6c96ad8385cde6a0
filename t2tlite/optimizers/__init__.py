"""Optimizers and learning rate schedules by hparams, written once in `keras.ops`."""
