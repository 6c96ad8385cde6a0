"""Tensor2Tensor's modules in terms of t2tlite, for T2T's plugins and programs.

Plugins need nothing: they see `tensor2tensor` while `--t2t_usr_dir` loads. In a program of yours:

    import t2tlite.compat

    t2tlite.compat.install()
    from tensor2tensor.utils import registry

A program that can't be changed runs as `python -m t2tlite.compat script.py arguments...`.
"""

from t2tlite.plugins.alias import install as install
