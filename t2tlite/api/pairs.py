"""What `fit` was given, kept as files in the data folder, and the problem that reads them."""

from __future__ import annotations

import hashlib
import itertools
import json
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from t2tlite import console
from t2tlite.api import rows as row_forms
from t2tlite.api.rows import ALONE, LABELLED, TEXTS, Column
from t2tlite.data.manifest import from_json
from t2tlite.errors import DataError
from t2tlite.files import atomic, cannot_write, make_folder, read_json
from t2tlite.problem import DatasetSplit, Problem
from t2tlite.tables.splits import hash_of, sorted_labels
from t2tlite.text_problems import (
    Text2ClassProblem,
    Text2SelfProblem,
    Text2TextProblem,
    VocabType,
)

NAME = "pairs.json"
_SPLITS = (DatasetSplit.TRAIN, DatasetSplit.EVAL)
_EXAMPLES_PER_SHARD = 50_000
# Vocabularies and data, which aren't made again.
_MADE = ("vocab.*", "*.manifest.json")


@dataclass(frozen=True)
class Pairs:
    """Pairs in a data folder; the content of pairs.json.

    Attributes:
      problem: the problem's name.
      kind: of `rows`: TEXTS, LABELLED or ALONE.
      vocab_size: about how many tokens the vocabulary has; 0: bytes.
      eval_share: the share of different inputs that is held out; 0: the caller gave the eval pairs.
      counts: numbers of pairs by split.
      sha256: of the pairs, by split.
      labels: all labels, sorted; numbers by value.
    """

    problem: str
    kind: str
    vocab_size: int
    eval_share: float
    counts: dict[str, int]
    sha256: dict[str, str]
    labels: list[str] = field(default_factory=list)

    def are_in(self, data_dir: Path) -> bool:
        """Whether `data_dir` has the same pairs.

        Raises:
          DataError: it has others, and what was made from them.
        """
        path = data_dir / NAME
        if not path.exists():
            return False
        try:
            earlier: Pairs = from_json(Pairs, read_json(path))
        except (ValueError, TypeError, OSError) as error:
            raise DataError(f"{path} is damaged ({error}); delete {data_dir}") from None
        changed = [
            f"{name} ({getattr(earlier, name)} then, {value} now)"
            for name, value in asdict(self).items()
            if value != getattr(earlier, name) and name != "sha256"
        ]
        if not changed and self.sha256 != earlier.sha256:
            changed = ["texts, or their order"]
        if changed and not any(any(data_dir.glob(made)) for made in _MADE):
            return False
        if changed:
            raise DataError(
                f"{data_dir} was made from other pairs: changed since: {', '.join(changed)}; give "
                f"the same pairs to continue, or choose a new output_dir, where warm_start_from "
                f"starts from the earlier weights, if the vocabulary is the same"
            )
        return True


def store(
    pairs: Any,
    data_dir: str,
    problem: str,
    vocab_size: int,
    *,
    columns: tuple[Column | None, Column | None, Column | None],
    eval_pairs: Any = None,
    eval_share: float = 0.0,
) -> Problem:
    """Writes pairs to files in a data folder, unless they are there, and returns their problem.

    Args:
      pairs, eval_pairs: rows in all forms of `rows.iterate`.
      data_dir: the data folder.
      problem: the problem's name.
      vocab_size: about how many tokens the vocabulary gets; 0: bytes.
      columns: those of inputs, targets and label, as far as the caller named them.
      eval_share: share of different inputs to hold out, unless there are `eval_pairs`.

    Raises:
      DataError: the pairs can't be used, or the folder has others.
    """
    folder = make_folder(data_dir)
    read = _Reader(columns)
    with tempfile.TemporaryDirectory(prefix=".pairs.", dir=folder) as drafts:
        given = _draft(read.texts(pairs, "pairs"), Path(drafts, "pairs"))
        if eval_pairs is None:
            parts = _split(given, eval_share)
        else:
            eval_share = 0.0
            rest = _draft(read.texts(eval_pairs, "eval_pairs"), Path(drafts, "eval_pairs"))
            parts = {DatasetSplit.TRAIN: given.lines, DatasetSplit.EVAL: rest.lines}
        measured = {split: _measure(lines()) for split, lines in parts.items()}
        described = Pairs(
            problem=problem,
            kind=read.kind,
            vocab_size=vocab_size,
            eval_share=eval_share,
            counts={split: count for split, (count, _) in measured.items()},
            sha256={split: digest for split, (_, digest) in measured.items()},
            labels=sorted_labels(read.labels),
        )
        if not described.counts[DatasetSplit.TRAIN]:
            raise DataError(
                f"no pairs are left to train on: eval_share={eval_share:g}, and at least one "
                f"input, is held out; give more different inputs, or eval_pairs"
            )
        are_there = described.are_in(folder)
        for split, lines in parts.items():
            if not (are_there and _file(folder, split).exists()):
                with atomic(_file(folder, split), "w") as file:
                    file.writelines(lines())
    with atomic(folder / NAME, "w") as file:
        json.dump(asdict(described), file, ensure_ascii=False, indent=1)
    made: Problem = _CLASSES[described.kind](described)
    return made


class _Reader:
    """Reads rows, each table of them by the layout of its first row.

    Attributes:
      kind: of the rows that were read; "" before.
      labels: those that occurred.
    """

    def __init__(self, columns: tuple[Column | None, Column | None, Column | None]):
        self._columns = columns
        self.kind = ""
        self.labels: set[str] = set()

    def texts(self, rows: Any, what: str) -> Iterator[dict[str, str]]:
        """Yields the texts of rows by feature; messages call the rows `what`."""
        source = row_forms.iterate(rows)
        first = list(itertools.islice(source, 1))
        if not first:
            raise DataError(f"there are no {what} at all")
        of = "" if what == "pairs" else f" of {what}"
        layout = row_forms.layout_of(first[0], *self._columns, f"row 1{of}")
        if self.kind not in ("", layout.kind):
            raise DataError(f"the {what} have {layout.kind}; expected {self.kind}, as the pairs")
        self.kind = layout.kind
        label_text = row_forms.label_names(rows, layout.columns.get("label"))
        with console.meter(f"reading {what}", "pairs") as advance:
            for number, row in enumerate(itertools.chain(first, source), 1):
                texts = layout.read(row, f"row {number}{of}")
                if "label" in texts:
                    texts["label"] = label_text(texts["label"])
                    self.labels.add(texts["label"])
                advance(1, sum(map(len, texts.values())))
                yield texts


@dataclass(frozen=True)
class _Draft:
    """Rows as JSON lines; `lowest` is the lowest hash of an input."""

    path: Path
    lowest: int

    def lines(self) -> Iterator[str]:
        with open(self.path, encoding="utf-8") as file:
            yield from file


def _draft(rows: Iterable[dict[str, str]], path: Path) -> _Draft:
    lowest = 2**64
    with open(path, "w", encoding="utf-8") as file:
        for texts in rows:
            lowest = min(lowest, hash_of(texts))
            try:
                file.write(json.dumps(texts) + "\n")
            except OSError as error:
                raise cannot_write(path.parent.parent, error) from error
    return _Draft(path, lowest)


def _split(draft: _Draft, share: float) -> dict[str, Callable[[], Iterator[str]]]:
    """Returns functions that return the lines of each split: for evaluation at least one input."""
    if not 0 < share < 1:
        raise DataError(f"eval_share={share!r}; expected a share of the inputs, such as 0.05")
    limit = max(int(share * 2**64), draft.lowest + 1)

    def lines(held_out: bool) -> Iterator[str]:
        return (line for line in draft.lines() if held_out == (hash_of(json.loads(line)) < limit))

    return {DatasetSplit.TRAIN: lambda: lines(False), DatasetSplit.EVAL: lambda: lines(True)}


def _measure(lines: Iterable[str]) -> tuple[int, str]:
    """Returns the number and the sha256 of lines."""
    count, digest = 0, hashlib.sha256()
    for line in lines:
        count += 1
        digest.update(line.encode())
    return count, digest.hexdigest()


def _file(folder: str | Path, split: str) -> Path:
    return Path(folder) / f"pairs.{split}.jsonl"


class _FromPairs:
    """The hooks of a problem of given pairs."""

    def __init__(self, pairs: Pairs, was_reversed: bool = False, was_copy: bool = False) -> None:
        super().__init__(was_reversed, was_copy)  # type: ignore[call-arg]
        self.name = pairs.problem
        self.pairs = pairs

    @property
    def vocab_type(self) -> str:
        return VocabType.SUBWORD if self.pairs.vocab_size else VocabType.CHARACTER

    @property
    def approx_vocab_size(self) -> int:
        return self.pairs.vocab_size

    @property
    def num_classes(self) -> int:
        return len(self.pairs.labels)

    def class_labels(self, data_dir: str | None) -> list[str]:
        return self.pairs.labels

    @property
    def dataset_splits(self) -> list[dict[str, Any]]:
        return [
            {"split": split, "shards": 1 + self.pairs.counts[split] // _EXAMPLES_PER_SHARD}
            for split in _SPLITS
        ]

    def generate_samples(
        self, data_dir: str, tmp_dir: str, dataset_split: str
    ) -> Iterator[dict[str, Any]]:
        numbers = {label: number for number, label in enumerate(self.pairs.labels)}
        with open(_file(tmp_dir, dataset_split), encoding="utf-8") as file:
            for line in file:
                sample = json.loads(line)
                if "label" in sample:
                    sample["label"] = numbers[sample["label"]]
                yield sample


class PairsProblem(_FromPairs, Text2TextProblem):
    """Pairs of texts that `fit` was given."""


class TextsProblem(_FromPairs, Text2SelfProblem):
    """Texts that `fit` was given."""


class LabelledProblem(_FromPairs, Text2ClassProblem):
    """Labelled texts that `fit` was given."""


_CLASSES: dict[str, Any] = {TEXTS: PairsProblem, ALONE: TextsProblem, LABELLED: LabelledProblem}
