"""Searching for hparams: trials of `t2t-trainer`, each in a folder and a process of its own.

`search` says what is searched, `space` turns ranges into what Optuna draws from, `journal` keeps
trials in a file that several machines share by `locks`, `processes` runs them, `results` shows
them, and `tune` is the loop over all that.

Nothing here imports TensorFlow: that is for the trials.
"""
