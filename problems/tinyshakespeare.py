"""tinyshakespeare: a million characters, a common benchmark of small language models."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from t2tlite import registry

from . import char_lm, verified_files

_FILE = verified_files.KnownFile(
    "input.txt", 1115394, "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"
)
_SOURCE = "karpathy/char-rnn on GitHub, data/tinyshakespeare"


@registry.register_problem
class CharLmTinyshakespeare(char_lm.CharLmText):
    """A character language model of tinyshakespeare.

    The first nine tenths are for training, the rest for evaluation, as in nanoGPT. A sample is the
    next 256 characters. Put input.txt into --tmp_dir.
    """

    def generate_samples(
        self, data_dir: str, tmp_dir: str, dataset_split: str
    ) -> Iterator[dict[str, Any]]:
        yield from char_lm.samples_of(_FILE.find(self.name, tmp_dir, _SOURCE), dataset_split)
