"""For authors of problems: three lines test a plugin.

from t2tlite.testing import check_problem

def test_my_problem(tmp_path):
    check_problem("my_poetry_lines", tmp_path, usr_dir="examples/poetry")
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

from t2tlite import plugins, registry
from t2tlite.data import inputs, manifest
from t2tlite.errors import DataError
from t2tlite.text import EOS_ID


def check_problem(
    name: str,
    folder: str | Path,
    usr_dir: str = "",
    tmp_dir: str | Path = "",
    samples: int = 200,
) -> dict[str, int]:
    """Takes a problem through datagen and back on its first samples.

    Generates, builds the vocabulary, writes and reads shards, and compares every example that was
    read with the text that was generated.

    Args:
      name: the registered problem.
      folder: an empty folder to work in.
      usr_dir: the plugin's folder, unless it is installed.
      tmp_dir: where the problem's own files are; by default `folder`.
      samples: samples of each split to take.

    Returns:
      Examples by split.

    Raises:
      Error: what t2t-datagen would say.
      DataError: what was read isn't what was generated.
    """
    if usr_dir:
        plugins.load_usr_dir(usr_dir)
    problem = registry.problem(name)
    data_dir = str(Path(folder) / "data")
    Path(data_dir).mkdir(parents=True, exist_ok=True)
    generated: list[dict[str, Any]] = []
    original = problem.generate_samples

    def first_samples(*args: Any, **task: Any) -> Any:
        for sample in itertools.islice(original(*args, **task), samples):
            generated.append(dict(sample))
            yield sample

    problem.generate_samples = first_samples
    problem.generate_data(data_dir, str(tmp_dir or folder))
    made = manifest.read(data_dir, problem.dataset_filename())
    if made is None:
        raise DataError(f"{name}: generate_data wrote no manifest; let the recipe write the shards")
    _compare(problem, data_dir, generated, list(made.splits))
    return {split: sizes.examples for split, sizes in made.splits.items()}


def _compare(
    problem: Any, data_dir: str, generated: list[dict[str, Any]], splits: list[str]
) -> None:
    """Raises unless each example that is read decodes to a text that was generated."""
    from t2tlite.config import HParams

    hparams = HParams()
    told = problem.get_hparams(hparams, data_dir)
    encoders = told.vocabulary
    # A class problem's label is no text, so its targets aren't compared.
    sides = [side for side in ("inputs", "targets") if told.modality.get(side) == "symbol"]
    prefixes = {"inputs": problem.inputs_prefix, "targets": problem.targets_prefix}
    texts = {tuple(prefixes[side] + one[side] for side in sides) for one in generated}
    batching = inputs.evaluation_batching(hparams, static=False)
    for split in splits:

        def examples(records: Any, split: str = split) -> Any:
            return problem.examples(records, split, hparams)

        shards = problem.shards(data_dir, split)
        for batch in inputs.evaluation_batches(shards, examples, batching).as_numpy_iterator():
            for row in range(len(batch["targets"])):
                ids = {side: [one for one in batch[side][row].tolist() if one] for side in sides}
                read = tuple(encoders[side].decode(ids[side][:-1]) for side in sides)
                if any(ids[side][-1:] != [EOS_ID] for side in sides) or read not in texts:
                    raise DataError(
                        f"{problem.name}: {split} holds {read!r}, which generate_samples didn't "
                        f"yield; the vocabulary or generate_encoded_samples loses text"
                    )
