"""As `tensor2tensor.bin.t2t_trainer`."""

from typing import Any

from t2tlite.plugins.stand_ins import absent_names

__getattr__ = absent_names(__name__)


def main(argv: Any = None) -> None:
    """Runs t2t-trainer with the flags of the command line."""
    # Imported here, because importing a command defines its flags.
    from t2tlite.cli import trainer

    trainer.main()
