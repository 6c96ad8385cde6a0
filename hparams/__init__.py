"""Built-in hparams sets, one file per family."""
