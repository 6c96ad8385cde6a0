from collections.abc import Callable
from pathlib import Path

import pytest

from t2tlite.errors import DataError


def test_nine_tenths_and_the_rest(generate: Callable, tmp_path: Path) -> None:
    texts = {"a.txt": "All's well that ends wëll.\n" * 400, "b.txt": "€uro\t" * 1000}
    for name, text in texts.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    samples = generate("char_lm_text")
    chunks = {split: [one["targets"] for one in many] for split, many in samples.items()}
    for split in chunks.values():
        assert all(len(chunk.encode()) <= 256 for chunk in split)
        # All but the last of each file are full, but for a character that didn't fit.
        assert sum(len(chunk.encode()) < 253 for chunk in split) <= len(texts)
    train, evaluation = "".join(chunks["train"]), "".join(chunks["eval"])
    for text in texts.values():
        cut = round(0.9 * len(text))
        assert text[: cut - 3] in train
        assert text[cut + 3 :] in evaluation
    assert len(train + evaluation) == sum(map(len, texts.values()))


def test_no_text(generate: Callable, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=rf"found no \*\.txt in {tmp_path}; put UTF-8 text"):
        generate("char_lm_text")
