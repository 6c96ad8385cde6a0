"""Built-in hparams sets, one file a family."""
