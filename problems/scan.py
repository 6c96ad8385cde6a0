"""Commands to actions, a test of generalisation: SCAN (Lake and Baroni 2018)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from t2tlite import problem, registry, text_problems

from . import known_files, token_vocabulary

_SOURCE = "brendenlake/SCAN on GitHub, gzipped"
_TOKENS = (
    *("I_JUMP", "I_LOOK", "I_RUN", "I_TURN_LEFT", "I_TURN_RIGHT", "I_WALK", "after", "and"),
    *("around", "jump", "left", "look", "opposite", "right", "run", "thrice", "turn", "twice"),
    "walk",
)


class Scan(text_problems.Text2TextProblem):
    """A command such as "jump twice and look left" -> the actions that it stands for.

    A subclass names its files; both go into --tmp_dir, and evaluation is on the test file. Inputs
    and targets share a TOKEN vocabulary.
    """

    train_file: known_files.KnownFile
    test_file: known_files.KnownFile

    @property
    def vocab_type(self) -> str:
        return text_problems.VocabType.TOKEN

    @property
    def dataset_splits(self) -> list[dict[str, Any]]:
        return [
            {"split": problem.DatasetSplit.TRAIN, "shards": 10},
            {"split": problem.DatasetSplit.EVAL, "shards": 1},
        ]

    def get_or_create_vocab(
        self, data_dir: str, tmp_dir: str | None, force_get: bool = False
    ) -> Any:
        if not force_get:
            token_vocabulary.write_once(os.path.join(data_dir, self.vocab_filename), _TOKENS)
        return super().get_or_create_vocab(data_dir, tmp_dir, force_get)

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

    train_file = known_files.KnownFile(
        "tasks_train_simple.txt.gz",
        151735,
        "8e0061ff764df7d0eace2f3112e6b4a10f89d5a1cd92bbddb37a4aba61cfb4d2",
    )
    test_file = known_files.KnownFile(
        "tasks_test_simple.txt.gz",
        38317,
        "39ad070514b562eb8b0a1a6cfd56dab521fe0b550e53eadecbec808689a9ff1d",
    )


@registry.register_problem
class ScanLength(Scan):
    """SCAN's length split: the test's actions are longer than all of training."""

    train_file = known_files.KnownFile(
        "tasks_train_length.txt.gz",
        128782,
        "d8f66d634c0bb3c5c3c9029299ac31f407efd49e66286305cb4fcdfc51dbf6c3",
    )
    test_file = known_files.KnownFile(
        "tasks_test_length.txt.gz",
        33074,
        "b61c6bdbbd0ad1a88cbf946f823161b1f0a8f09fc247392659b472ec3c497ecb",
    )


@registry.register_problem
class ScanAddprimJump(Scan):
    """SCAN's add-jump split: training has "jump" alone, the test has it in commands."""

    train_file = known_files.KnownFile(
        "tasks_train_addprim_jump.txt.gz",
        114965,
        "a093d139dd9d8b4fab8d13ac9c99b814f56b3a65a01baafb0971c880aed45cd7",
    )
    test_file = known_files.KnownFile(
        "tasks_test_addprim_jump.txt.gz",
        66751,
        "db9c50a9043d2d9eb92bffed5f1074471c98cabbdb18f5b8de54488c01c80e0a",
    )
