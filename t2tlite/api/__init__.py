"""The commands as functions: `train`, `fit` and others, whose keywords are the commands' flags."""
