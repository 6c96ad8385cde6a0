"""As `tensor2tensor.utils.misc_utils`: names and printing."""

import pprint
from typing import Any

from t2tlite.plugins.stand_ins import absent_names
from t2tlite.registry import snake_case as camelcase_to_snakecase

__getattr__ = absent_names(__name__)


def snakecase_to_camelcase(name: str) -> str:
    """Returns `MyProblem` for `my_problem`."""
    return "".join(word[:1].upper() + word[1:] for word in name.split("_"))


def pprint_hparams(hparams: Any) -> str:
    """Returns a line break, and the hparams with one value on a line."""
    return f"\n{pprint.pformat(hparams.values(), width=1)}"
