"""Decodes a file or a split of the data, and prints the scores: of t2t-decoder and t2t-trainer."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from t2tlite.decode.decoder import Decoder

log = logging.getLogger("t2tlite.cli")


def decode_file(
    decoder: Decoder, source: str, target: str = "", prefix_file: str = "", reference: str = ""
) -> None:
    """Decodes a file, and compares the answers with `reference` unless it is empty."""
    from t2tlite.bulk import files

    _report(decoder, files.decode_file(decoder, source, target, prefix_file), reference)


def decode_dataset(decoder: Decoder, data_dir: str, split: str, target: str = "") -> None:
    """Decodes a split of the problem's data, and compares the answers with its targets."""
    from t2tlite.bulk import dataset

    _report(decoder, *dataset.decode_dataset(decoder, data_dir, split, target))


def _report(decoder: Decoder, path: Path, reference: str | Sequence[Path]) -> None:
    from t2tlite.bulk import bleu, classification

    log.info("wrote %s", path)
    decode_hparams = decoder.decode_hparams
    if reference and decoder.classifies:
        print(classification.answers_report(path, reference, decode_hparams, decoder.labels))
    elif reference and not decoder.folder.generates:
        print(classification.numbers_report(path, reference, decode_hparams))
    elif reference:
        print(bleu.file_bleu(path, reference, decode_hparams=decode_hparams).text, flush=True)
