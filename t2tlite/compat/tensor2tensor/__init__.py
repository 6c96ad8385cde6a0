"""Tensor2Tensor's modules as plugins import them; `t2tlite.plugins.alias` gives them that name.

Each file has the place and name of the T2T module that it stands for, and holds T2T's names: those
of t2tlite where there is one, else a short one of its own. What isn't here raises when it is used.
"""
