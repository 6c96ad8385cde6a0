"""Back-translation (Sennrich et al. 2016): text of the target language becomes training pairs.

A model of the other direction writes the inputs. The pairs are a problem of their own, which a
mixture tells from real pairs by a tag (Caswell et al. 2019) and may weigh less:

    t2t-trainer --problem='translate_ende:1+news<BT>:1*0.5' ...
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

from t2tlite import table_problems
from t2tlite.bulk.files import decode_file, digest_of_file
from t2tlite.data import manifest
from t2tlite.datagen.generate_data import generate_data
from t2tlite.decode.decoder import Decoder
from t2tlite.errors import DataError
from t2tlite.files import atomic, make_folder
from t2tlite.tables.table import TEXT2TEXT, Table

log = logging.getLogger(__name__)

# The usual tag of pairs whose inputs a model wrote.
TAG = "<BT>"


def back_translate(
    decoder: Decoder,
    source: str | os.PathLike[str],
    data_dir: str | os.PathLike[str],
    problem_name: str,
    *,
    dev_share: float = 0.01,
    max_ratio: float = 0.0,
    num_workers: int = 1,
) -> dict[str, int]:
    """Translates text back and makes a problem of the pairs, in a data folder.

    >>> made = back_translate(Decoder("model"), "lines.txt", "back", "more_digits")
    >>> sum(made.values())
    2

    Called again after an interruption, it goes on where it was; complete, it does nothing. The
    pairs of a line without an answer are left out.

    Args:
      decoder: of the model that translates from the target language to that of the inputs.
      source: lines of text in the target language, UTF-8.
      data_dir: gets the translations, PROBLEM_NAME.inputs.txt, and the data of the problem.
      problem_name: of the new problem, which any command finds in `data_dir`.
      dev_share: share of the different inputs for evaluation.
      max_ratio: pairs of which one text has this many times as many characters as the other are
        left out; 0: none.
      num_workers: processes that encode.

    Returns:
      The numbers of examples by split.

    Raises:
      DataError: the file is missing or isn't UTF-8, or the name isn't possible.
      OutputError: the folder can't be written.
    """
    _check(decoder)
    folder = make_folder(data_dir)
    data_dir = os.fspath(data_dir)
    texts = Path(os.path.abspath(source))
    inputs = Path(os.path.abspath(folder)) / f"{problem_name}.inputs.txt"
    table = Table(
        TEXT2TEXT,
        data_files=[f"{inputs}+{texts}"],
        dev_share=dev_share,
        max_ratio=max_ratio,
        vocab_size=0,  # The mixture's is what counts.
    )
    problem = table_problems.make(table, problem_name)
    _translate(decoder, texts, inputs, folder, problem_name)
    generate_data(problem, data_dir, num_workers=num_workers)
    written = manifest.read(data_dir, problem_name)
    return {split: one.examples for split, one in written.splits.items()} if written else {}


def _translate(
    decoder: Decoder, texts: Path, inputs: Path, folder: Path, problem_name: str
) -> None:
    """Writes the translations of `texts` to `inputs`, unless they are there."""
    mark, digest = inputs.with_name(f".{inputs.name}.made"), digest_of_file(decoder, texts)
    if inputs.exists() and mark.exists() and mark.read_text(encoding="utf-8") == digest:
        log.info("%s is there already", inputs)
        return
    # Pairs of other translations are out of date.
    shards = folder.glob(f"{problem_name}-*-[0-9]*-of-[0-9]*")
    for path in [mark, manifest.path_of(folder, problem_name), *shards]:
        path.unlink(missing_ok=True)
    decode_file(decoder, texts, inputs)
    with atomic(mark, "w") as file:
        file.write(digest)


def _check(decoder: Decoder) -> None:
    """Raises DataError if a model doesn't translate."""
    if not (decoder.folder.generates and decoder.problem.has_inputs):
        raise DataError(
            f"{decoder.run.problem} doesn't translate texts; give a model from the target language "
            f"to that of the inputs"
        )
