"""Problems without code: a table's columns are the texts, and arguments say the rest.

`t2t-datagen --problem=text2text_table --problem_name=faq` writes `faq.problem.json` beside the
shards. Whoever gets the data folder registers the problem from there (`register_folder`), so that
`--problem=faq` is enough.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from t2tlite import buckets, registry
from t2tlite.assignments import shown
from t2tlite.data import manifest
from t2tlite.data.manifest import changed_files
from t2tlite.errors import DataError, Error
from t2tlite.files import locked
from t2tlite.problem import DatasetSplit, Problem
from t2tlite.problem_files import FILE_WORD
from t2tlite.tables import filters, parts, store
from t2tlite.tables.cells import NOT_UTF8, UNREADABLE
from t2tlite.tables.rows import GivenRows
from t2tlite.tables.splits import sorted_labels
from t2tlite.tables.table import (
    COLUMNS,
    TEXT2CLASS,
    TEXT2SELF,
    TEXT2TEXT,
    Description,
    Dropped,
    Table,
    described_in,
    description_path,
    read_description,
)
from t2tlite.text_problems import (
    Text2ClassProblem,
    Text2SelfProblem,
    Text2TextProblem,
    VocabType,
)

log = logging.getLogger(__name__)

_EXAMPLES_PER_SHARD = 50_000
# Parts of the samples that Apache Beam's workers generate at the same time.
_MAX_TASKS = 64


class TableProblem(Problem):
    """What the problems of tables have in common.

    Attributes:
      table: the arguments; None: nobody has given any.
      rows: rows that were given in Python in place of files.
      description: what the data folder says, once that is known.
    """

    table: Table | None = None
    rows: GivenRows | None = None
    description: Description | None = None
    _stored = ""

    def source_sha256(self) -> str:
        said = asdict(self.table) if self.table else {}
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()

    def check_data_folder(self, data_dir: str, overwrite: bool) -> None:
        if self.table is None:
            raise DataError(
                f"{self.name} needs data, such as --data_files='pairs/*.csv', or a --data_dir "
                f"whose data were made with it"
            )
        earlier = read_description(data_dir, self.name)
        is_complete = manifest.path_of(data_dir, self.name).exists()
        vocabularies = [Path(data_dir, name) for name in self.vocabulary_filenames]
        is_begun = is_complete or any(path.exists() for path in vocabularies)
        if earlier is None or overwrite or not is_begun:
            return
        changed = self.table.differences(earlier.table)
        if not changed and is_complete and self.rows is not None:
            with self._locked(data_dir) as folder:
                stored = self.rows.stored(self.table, folder)
                shutil.rmtree(folder)
            changed = [] if stored.sha256 == earlier.sha256 else ["the rows"]
        if changed:
            raise DataError(
                f"{data_dir} has data of {self.name} that were made with other arguments: "
                f"{', '.join(changed)}; give the same, or another --problem_name or --data_dir, or "
                f"make them again with --overwrite"
            )
        if not is_complete:
            return
        self.description = earlier
        if self._folder(data_dir).exists():
            # A run was killed after the data were complete.
            with self._locked(data_dir) as folder:
                shutil.rmtree(folder)
        # The time of a copy from a URL says nothing.
        files = {name: s for name, s in earlier.sources.items() if not buckets.is_url(name)}
        if changed := changed_files("", files):
            log.warning(
                "%s: changed since the data were generated: %s; --overwrite generates them again",
                self.name,
                ", ".join(map(shown, changed[:5])) + (" and others" if changed[5:] else ""),
            )

    def _folder(self, data_dir: str) -> Path:
        """Returns the folder of stored samples, beside the data folder."""
        return manifest.working_folder(data_dir, f"{self.name}.samples")

    @contextlib.contextmanager
    def _locked(self, data_dir: str) -> Iterator[Path]:
        """Locks the folder of stored samples, and yields it."""
        folder = self._folder(data_dir)
        blocked = DataError(
            f"another t2t-datagen is reading the files of {self.name} for {data_dir}; wait until "
            f"it ends, or choose another --data_dir"
        )
        with locked(folder / "lock", blocked):
            yield folder

    @contextlib.contextmanager
    def prepared(self, data_dir: str, num_workers: int) -> Iterator[None]:
        assert self.table
        with self._locked(data_dir) as folder:
            try:
                self.description = self._describe(self.table, folder, num_workers)
            except Error:
                if not store.is_begun(folder):
                    shutil.rmtree(folder)
                raise
            self.description.write(data_dir)
            self._stored = os.fspath(folder)
            yield
            shutil.rmtree(folder)

    def _describe(self, given: Table, folder: Path, num_workers: int) -> Description:
        """Stores the samples, and describes the problem with their counts."""
        states: dict[str, list[int]] = {}
        if self.rows is not None:
            has_dev, stored = False, [self.rows.stored(given, folder)]
        else:
            found = parts.find(given)
            states = parts.states_of(found)
            has_dev = any(part.split == DatasetSplit.EVAL for part in found)
            stored = store.store_files(given, found, states, folder, num_workers)
        if given.shares(has_dev)[0] and not any(DatasetSplit.EVAL in s.counts for s in stored):
            store.hold_out(given, folder, stored)
        counts: dict[str, int] = {}
        dropped: dict[str, Dropped] = {}
        for one in stored:
            filters.add(dropped, one.dropped)
            for split, count in one.counts.items():
                counts[split] = counts.get(split, 0) + count
        if given.drop_duplicates:
            kept = store.drop_duplicates(folder, stored)
            if twice := sum(counts.values()) - sum(kept.values()):
                dropped[filters.DUPLICATE] = Dropped(twice)
            counts = kept
        self._tell(counts, dropped, sum(one.rows for one in stored))
        return Description(
            name=self.name,
            table=given,
            counts=counts,
            parts=len(stored),
            dropped=dropped,
            labels=sorted_labels({label for one in stored for label in one.labels}),
            sources={buckets.with_urls(path): state for path, state in states.items()},
            sha256=stored[0].sha256 if self.rows is not None else "",
        )

    def _tell(self, counts: dict[str, int], dropped: dict[str, Dropped], rows: int) -> None:
        """Logs how many rows became samples, and why others didn't.

        Raises:
          DataError: there is none to train or to evaluate on.
        """
        for split in (DatasetSplit.TRAIN, DatasetSplit.EVAL):
            if not counts.get(split):
                lines = ", ".join(line for _, line in filters.told(dropped, rows))
                advice = "give more rows, or change the splits or the filters"
                if NOT_UTF8 in dropped:
                    advice = "convert the files to UTF-8, with iconv for example"
                raise DataError(
                    f"{self.name}: of {rows:,} rows none is for the split "
                    f"{FILE_WORD[split]!r}{': ' if lines else ''}{lines}; {advice}"
                )
        for reason, line in filters.told(dropped, rows):
            level = logging.WARNING if reason in (UNREADABLE, NOT_UTF8) else logging.INFO
            log.log(level, "%s: %s", self.name, line)

    # The hooks, from the description.

    @property
    def vocab_type(self) -> str:
        return VocabType.SUBWORD if self._vocab_size else VocabType.CHARACTER

    @property
    def approx_vocab_size(self) -> int:
        return self._vocab_size

    @property
    def _vocab_size(self) -> int:
        return self.table.vocab_size if self.table else 8000

    @property
    def num_classes(self) -> int:
        return len(self.class_labels(None))

    def class_labels(self, data_dir: str | None) -> list[str]:
        return self.description.labels if self.description else []

    @property
    def num_generate_tasks(self) -> int:
        return min(self.description.parts, _MAX_TASKS) if self.description else 1

    @property
    def dataset_splits(self) -> list[dict[str, Any]]:
        counts = self.description.counts if self.description else {"train": 0, "eval": 0}
        return [
            {"split": split, "shards": 1 + counts[split] // _EXAMPLES_PER_SHARD}
            for split in FILE_WORD
            if split in counts
        ]

    def generate_samples(
        self, data_dir: str, tmp_dir: str, dataset_split: str, task_id: int = 0
    ) -> Iterator[dict[str, Any]]:
        if self.description is None:
            raise DataError(f"{self.name} is generated by t2t-datagen or t2tlite.generate_data")
        folder = self._stored or self._folder(data_dir)
        features = COLUMNS[self.description.table.problem]
        numbers = {label: number for number, label in enumerate(self.description.labels)}
        for part in range(task_id, self.description.parts, self.num_generate_tasks):
            for sample in store.samples_of(folder, part, dataset_split, features):
                if "label" in sample:
                    sample["label"] = numbers[sample["label"]]
                yield sample


class Text2TextTable(TableProblem, Text2TextProblem):
    """Your own pairs from tables, named by flags of t2t-datagen; see docs/data.md."""


class Text2ClassTable(TableProblem, Text2ClassProblem):
    """Your own labelled texts from tables, named by flags of t2t-datagen; see docs/data.md."""


class Text2SelfTable(TableProblem, Text2SelfProblem):
    """Your own texts from tables, named by flags of t2t-datagen; see docs/data.md."""


CLASSES: dict[str, type[TableProblem]] = {
    TEXT2TEXT: Text2TextTable,
    TEXT2CLASS: Text2ClassTable,
    TEXT2SELF: Text2SelfTable,
}


def make(given: Table, name: str = "", rows: GivenRows | None = None) -> TableProblem:
    """Returns the problem of a table.

    Args:
      given: the arguments.
      name: of the problem; "": that of its kind.
      rows: given in Python in place of files.

    Raises:
      DataError: an argument is impossible, or another problem has the name.
    """
    if given.problem not in COLUMNS:
        raise DataError(
            f"problem={shown(given.problem, quoted=True)}; expected one of {', '.join(COLUMNS)}"
        )
    given.check()
    name = name or given.problem
    check_name(name, TableProblem)
    problem = CLASSES[given.problem]()
    problem.name = name
    problem.table, problem.rows = given, rows
    return problem


def check_name(name: str, own: type[Problem]) -> None:
    """Raises DataError if a problem that a data folder will describe can't have a name.

    Args:
      name: of the problem.
      own: its class; one that this process has made under the name may be made anew.
    """
    if not re.fullmatch(r"\w[\w.-]*", name) or name.endswith(("_rev", "_copy")):
        raise DataError(
            f"problem_name={shown(name, quoted=True)}; expected letters, digits and _, and not "
            f"_rev or _copy at the end"
        )
    if name in registry.problems and not isinstance(registry.problem(name), own):
        raise DataError(
            f"problem_name={name}: {registry.problems.where(name)} is a problem of this name; "
            f"choose another"
        )


def register_folder(data_dir: str | os.PathLike[str]) -> None:
    """Registers the problems that a data folder describes; those of another folder are replaced.

    A problem whose description is damaged raises a DataError when it is looked up.
    """
    for name in described_in(data_dir):
        where = os.fspath(description_path(data_dir, name))
        try:
            description = read_description(data_dir, name)
        except DataError as error:
            registry.problems.add_found(name, damaged(error), where)
            continue
        if description is None:
            continue
        base = CLASSES[description.table.problem]
        values = {
            "__module__": __name__,
            "__doc__": f"{description.table.problem} in {data_dir}.",
            "table": description.table,
            "description": description,
        }
        registry.problems.add_found(name, type(base.__name__, (base,), values), where)


def damaged(error: DataError) -> Callable[..., Problem]:
    """Returns what is registered for a problem whose description can't be read: it raises."""

    def fail(was_reversed: bool = False, was_copy: bool = False) -> Problem:
        """Has a damaged description."""
        raise error

    return fail
