"""As `tensor2tensor.utils.usr_dir`."""

from t2tlite.plugins import load_usr_dir as import_usr_dir
from t2tlite.plugins.stand_ins import absent_names

__getattr__ = absent_names(__name__)
