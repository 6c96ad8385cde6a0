"""As `tensor2tensor.bin.t2t_trainer`."""

from typing import Any

from t2tlite.compat.absent import AbsentName


def main(argv: Any = None) -> None:
    """Does what t2t-trainer does with the flags of the command line."""
    # Here, for the commands' flags may be defined only once.
    from t2tlite.cli import trainer

    trainer.main()


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    return AbsentName(f"tensor2tensor.bin.t2t_trainer.{name}")
