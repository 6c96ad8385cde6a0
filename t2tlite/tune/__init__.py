"""Hyperparameter search: each trial is a `t2t-trainer` process with a model folder of its own.

`search` says what is searched, `space` has its dimensions, `journal` keeps the trials in an
Optuna study, `processes` runs them, `results` reports them, and `tune` is the loop. Import it only
where Optuna is installed. Nothing here imports TensorFlow.
"""
