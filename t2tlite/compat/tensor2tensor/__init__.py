"""Tensor2Tensor's modules as plugins import them, as `tensor2tensor` (see plugins/alias.py).

Each file has the path of the T2T module that it replaces and defines T2T's names, most by import
from t2tlite. A name that is missing here raises a PluginError when it is used.
"""
