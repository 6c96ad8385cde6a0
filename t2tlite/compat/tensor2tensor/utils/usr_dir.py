"""As `tensor2tensor.utils.usr_dir`."""

from t2tlite import plugins
from t2tlite.plugins.stand_ins import absent_names

__getattr__ = absent_names(__name__)


def import_usr_dir(usr_dir: str | None) -> None:
    """Imports the plugin in a folder, as `--t2t_usr_dir` does; without one, does nothing."""
    if usr_dir:
        plugins.load_usr_dir(usr_dir)
