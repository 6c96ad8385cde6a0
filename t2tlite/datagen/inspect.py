"""Prints a problem's data: examples and tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from t2tlite import buckets, console, registry
from t2tlite.data.statistics import FEATURES, Ids, SplitSummary, summarize
from t2tlite.mixtures.mixture import Mixture
from t2tlite.problem import FILE_WORD, Problem
from t2tlite.text import ClassLabelEncoder, RealEncoder
from t2tlite.text.encoder import text_ids

_HEADER = ["", "", "examples", "tokens", "50 %", "90 %", "99 %", "longest", "fallback", "empty"]


def inspect_data(name: str | Problem, data_dir: str, split: str = "", shown: int = 5) -> None:
    """Prints examples, lengths and shares of a data folder that t2tlite or T2T generated.

    Args:
      name: the registered problem, or a problem; for NAME_rev, the data is shown as it is on disk.
      data_dir: the data folder.
      split: "train", "dev" or "test"; "": all splits, compared with each other.
      shown: number of examples of each kind.

    Raises:
      Error: a shard or the vocabulary is missing or damaged.
    """
    problem = registry.problem(name) if isinstance(name, str) else name
    if isinstance(problem, Mixture):
        for member in problem.distinct_members:
            console.output().print(f"{problem.name}: {member.name}", style="bold")
            inspect_data(member, data_dir, split, shown)
        return
    shards = _find_shards(problem, data_dir, split)
    encoders = problem.feature_encoders(data_dir)
    prefixes = {name: getattr(problem, f"{name}_prefix", "") for name in FEATURES}
    summaries = summarize(shards, encoders, prefixes, shown)
    output = console.output()
    for word, summary in summaries.items():
        _print_examples(output, f"{word}: first examples", summary.first, encoders)
        _print_examples(output, f"{word}: empty examples", summary.empty, encoders)
        for other, shared in summary.shared.items():
            _print_examples(output, f"{word}: also in {other}", shared.shown, encoders)
    _print_table(output, _HEADER, _rows(summaries))
    rows = [
        [f"{word} also in {other}"]
        + [_share(n, summary.examples) for n in (shared.pairs, shared.inputs) if n is not None]
        for word, summary in summaries.items()
        for other, shared in summary.shared.items()
    ]
    if rows:
        _print_table(output, ["", "examples", "inputs alone"][: len(rows[0])], rows)


def _find_shards(problem: Problem, data_dir: str, only: str) -> dict[str, list[str]]:
    """Returns the shards of one split, or of all that are declared or exist, train first."""
    declared = {split["split"] for split in problem.dataset_splits}
    stem = problem.dataset_filename()
    buckets.fetch(data_dir, f"{stem}-*-[0-9]*-of-*")
    return {
        word: problem.shards(data_dir, split)
        for split, word in FILE_WORD.items()
        if (
            word == only
            if only
            else split in declared or any(Path(data_dir).glob(f"{stem}-{word}-[0-9]*-of-*"))
        )
    }


def _print_examples(
    output: Any, title: str, examples: Iterable[Ids], encoders: Mapping[str, Any]
) -> None:
    for number, example in enumerate(examples):
        if not number:
            output.print(title, style="bold")
        for name, ids in example.items():
            encoder = encoders[name]
            has_text = not isinstance(encoder, (ClassLabelEncoder, RealEncoder))
            text = encoder.decode(text_ids(ids) if has_text else ids)
            output.print(f"  {name:8}{len(ids):5}  {_visible(str(text))}", soft_wrap=True)
            if hasattr(encoder, "decode_list"):
                pieces = "|".join(map(_visible, encoder.decode_list(ids)))
                output.print(f"{'':17}{pieces}", soft_wrap=True)
        output.print()


def _visible(text: str) -> str:
    """Returns `text` on one line, with line ends and control characters escaped as in Python."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def _rows(summaries: Mapping[str, SplitSummary]) -> Iterator[list[str]]:
    for word, summary in summaries.items():
        for name, feature in summary.features.items():
            lengths = [f"{feature.percentile(percent):,}" for percent in (50, 90, 99, 100)]
            fallback = "-" if feature.fallback is None else _share(feature.fallback, feature.tokens)
            empty = _share(feature.empty, summary.examples)
            sizes = [f"{summary.examples:,}", f"{feature.tokens:,}"]
            yield [word, name, *sizes, *lengths, fallback, empty]


def _share(count: int, total: int) -> str:
    return f"{count:,} of {total:,} ({100 * count / max(total, 1):.3g} %)" if count else "0"


def _print_table(output: Any, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for number, title in enumerate(header):
        table.add_column(title, justify="right" if title else "left", no_wrap=number > 0)
    for row in rows:
        table.add_row(*row)
    output.print(table)
    output.print()
