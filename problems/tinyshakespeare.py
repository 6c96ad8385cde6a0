"""The million characters of Shakespeare that small language models are compared on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from t2tlite import problem, registry

from . import char_lm, known_files, text_files

_FILE = known_files.KnownFile(
    "input.txt", 1115394, "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"
)
_SOURCE = "karpathy/char-rnn on GitHub, data/tinyshakespeare"
_TRAIN_SHARE = 0.9


@registry.register_problem
class CharLmTinyshakespeare(char_lm.CharLmText):
    """A character language model of tinyshakespeare.

    The first nine tenths train and the rest evaluates: nanoGPT's split, too. A sample is the next
    256 characters. Put input.txt into --tmp_dir.
    """

    def generate_samples(
        self, data_dir: str, tmp_dir: str, dataset_split: str
    ) -> Iterator[dict[str, Any]]:
        path = _FILE.find(self.name, tmp_dir, _SOURCE)
        train = dataset_split == problem.DatasetSplit.TRAIN
        stretch = (0.0, _TRAIN_SHARE) if train else (_TRAIN_SHARE, 1.0)
        for chunk in text_files.chunks(path, *stretch, char_lm.CHUNK_BYTES):
            yield {"targets": chunk}
