"""As `tensor2tensor.bin.t2t_trainer`."""

from typing import Any

from t2tlite.plugins.absent import names_of

__getattr__ = names_of(__name__)


def main(argv: Any = None) -> None:
    """Does what t2t-trainer does with the flags of the command line."""
    # Here, for the commands' flags may be defined only once.
    from t2tlite.cli import trainer

    trainer.main()
