"""SCAN: commands to actions, a test of generalisation (Lake and Baroni 2018)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from t2tlite import problem, registry, text_problems

from . import splits, token_vocabulary, verified_files

_SOURCE = "brendenlake/SCAN on GitHub"
_TOKENS = (
    *("I_JUMP", "I_LOOK", "I_RUN", "I_TURN_LEFT", "I_TURN_RIGHT", "I_WALK", "after", "and"),
    *("around", "jump", "left", "look", "opposite", "right", "run", "thrice", "turn", "twice"),
    "walk",
)


class Scan(token_vocabulary.KnownTokensProblem):
    """A command such as "jump twice and look left" -> its actions.

    A subclass names the training and the test file. Put both into --tmp_dir; evaluation is on the
    test file. Inputs and targets share a TOKEN vocabulary.
    """

    train_file: verified_files.KnownFile
    test_file: verified_files.KnownFile

    dataset_splits = splits.TRAIN_EVAL

    def tokens(self) -> tuple[str, ...]:
        return _TOKENS

    def generate_samples(
        self, data_dir: str, tmp_dir: str, dataset_split: str
    ) -> Iterator[dict[str, Any]]:
        train = dataset_split == problem.DatasetSplit.TRAIN
        file = self.train_file if train else self.test_file
        for line in text_problems.txt_line_iterator(file.find(self.name, tmp_dir, _SOURCE)):
            command, actions = line.removeprefix("IN: ").split(" OUT: ")
            yield {"inputs": command, "targets": actions}


@registry.register_problem
class ScanSimple(Scan):
    """SCAN's random split: commands like those of training."""

    train_file = verified_files.KnownFile(
        "tasks_train_simple.txt",
        3267938,
        "941bb8a088c5f53ceff12fde902dc008933cf0c4203cc672c47b5f79d73262dd",
    )
    test_file = verified_files.KnownFile(
        "tasks_test_simple.txt",
        812450,
        "1fe1c8f5a19d0dc40e41bab94278f45f66f3dc415a978bd29855a23440610fc6",
    )


@registry.register_problem
class ScanLength(Scan):
    """SCAN's length split: the test's actions are longer than all of training."""

    train_file = verified_files.KnownFile(
        "tasks_train_length.txt",
        2723418,
        "b034212dc7cf87ce62f3a067dd6ad49c4d5cd18d51d615d13825516bcb1ebbc2",
    )
    test_file = verified_files.KnownFile(
        "tasks_test_length.txt",
        1356970,
        "0760752ed34a75116ae11dcc1ee17526b7500060da1366540730fa24894d7db3",
    )


@registry.register_problem
class ScanAddprimJump(Scan):
    """SCAN's add-jump split: training has "jump" alone, the test has it in commands."""

    train_file = verified_files.KnownFile(
        "tasks_train_addprim_jump.txt",
        2579619,
        "e3c78485692e028eed4205e1b8b3fd0e785ef2c12d45b5b89204dadf5b239e23",
    )
    test_file = verified_files.KnownFile(
        "tasks_test_addprim_jump.txt",
        1531555,
        "8147ae2651422c701162e174d9d66158daa57858a26b30317ac61797118ac7a5",
    )
