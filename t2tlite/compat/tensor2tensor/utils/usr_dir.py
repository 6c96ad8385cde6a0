"""As `tensor2tensor.utils.usr_dir`."""

from t2tlite.plugins import load_usr_dir as import_usr_dir
from t2tlite.plugins.absent import names_of

__getattr__ = names_of(__name__)

__all__ = ["import_usr_dir"]
