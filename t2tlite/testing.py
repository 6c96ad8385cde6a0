"""For authors of problems: three lines test a plugin.

from t2tlite.testing import check_problem

def test_my_problem(tmp_path):
    check_problem("my_poetry_lines", tmp_path, usr_dir="examples/poetry")
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from t2tlite import plugins, registry
from t2tlite.batches.examples import each_row
from t2tlite.data import manifest
from t2tlite.errors import DataError
from t2tlite.text import EOS_ID


def check_problem(
    name: str, folder: str | Path, usr_dir: str = "", tmp_dir: str | Path = "", samples: int = 200
) -> dict[str, int]:
    """Generates data from a problem's first samples and checks that they can be read back.

    The vocabulary is made, shards are written and read, and every example is decoded and compared
    with the generated texts.

    Args:
      name: the registered problem.
      folder: an empty folder to work in.
      usr_dir: the plugin's folder, unless it is installed.
      tmp_dir: where the problem's own files are; by default `folder`.
      samples: samples of each split to take.

    Returns:
      Numbers of examples by split.

    Raises:
      Error: as t2t-datagen.
      DataError: an example isn't among the generated samples.
    """
    if usr_dir:
        plugins.load_usr_dir(usr_dir)
    problem = registry.problem(name)
    data_dir = str(Path(folder) / "data")
    Path(data_dir).mkdir(parents=True, exist_ok=True)
    generated: list[dict[str, Any]] = []
    generate_samples = problem.generate_samples

    def first_samples(*args: Any, **task: Any) -> Any:
        for sample in itertools.islice(generate_samples(*args, **task), samples):
            generated.append(dict(sample))
            yield sample

    problem.generate_samples = first_samples
    problem.generate_data(data_dir, str(tmp_dir or folder))
    written = manifest.read(data_dir, problem.dataset_filename())
    if written is None:
        raise DataError(
            f"{name}: generate_data wrote no manifest; don't override it, so that the shards are "
            f"written by t2tlite"
        )
    _compare(problem, data_dir, generated, written.splits)
    return {split: counts.examples for split, counts in written.splits.items()}


def _compare(
    problem: Any, data_dir: str, generated: list[dict[str, Any]], splits: Iterable[str]
) -> None:
    """Raises DataError unless each example in the shards decodes to a generated text."""
    from t2tlite.config import HParams

    hparams = HParams()
    problem_hparams = problem.get_hparams(hparams, data_dir)
    encoders = problem_hparams.vocabulary
    modality = problem_hparams.modality
    # The targets of a class problem are labels, which aren't compared.
    features = [name for name in ("inputs", "targets") if modality.get(name) == "symbol"]
    prefixes = {"inputs": problem.inputs_prefix, "targets": problem.targets_prefix}
    texts = {tuple(prefixes[name] + sample[name] for name in features) for sample in generated}
    for split in splits:
        shards = problem.shards(data_dir, split)
        for row in each_row(problem.read_examples(shards, split, hparams, for_training=False)):
            decoded = tuple(encoders[name].decode(row[name][:-1]) for name in features)
            if any(row[name][-1:] != [EOS_ID] for name in features) or decoded not in texts:
                raise DataError(
                    f"{problem.name}: {split} holds {decoded!r}, which generate_samples didn't "
                    f"yield; the vocabulary or generate_encoded_samples loses text"
                )
