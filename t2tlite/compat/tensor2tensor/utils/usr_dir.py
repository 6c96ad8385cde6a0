"""As `tensor2tensor.utils.usr_dir`."""

from t2tlite.plugins import load_usr_dir as import_usr_dir

__all__ = ["import_usr_dir"]
