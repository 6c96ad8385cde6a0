"""README.md of a model folder: what the model is, how good it is and how to use it.

The part between two markers is made from run.json, eval.jsonl and checkpoint.json. Its marker has a
hash of it, so that a part that somebody edited is never overwritten; text outside is kept.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import math
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from t2tlite.checkpoint import checkpoints, encoder_kinds, eval_log, tensor_files
from t2tlite.checkpoint.data_size import DataSize
from t2tlite.checkpoint.description import DECODING, Feature
from t2tlite.checkpoint.run_record import RunRecord
from t2tlite.errors import CheckpointError
from t2tlite.files import atomic

log = logging.getLogger(__name__)

NAME = "README.md"
_CURVES = "curves.png"
_BEGIN = "<!-- t2tlite: training rewrites what is between this line and the last one ({}) -->"
_END = "<!-- t2tlite: text from here on is yours -->"
_GENERATED = re.compile(
    f"{re.escape(_BEGIN).replace(re.escape('{}'), '([0-9a-f]+)')}\n(.*?)\n{re.escape(_END)}",
    re.DOTALL,
)
_LICENCE = """
## Licence

Fill in: the licence of this model, and that of the data that it was trained on.
"""
# Of a list in a cell, and of evaluations.
_MOST_SHOWN = 20
_MOST_ROWS = 10


def write(output_dir: str | os.PathLike[str], run: RunRecord) -> None:
    """Writes README.md, or its generated part if nobody has edited that.

    Args:
      output_dir: the model folder.
      run: its record.

    Raises:
      Error: a file of the folder is damaged, or README.md can't be written.
    """
    path = Path(output_dir) / NAME
    new = text(output_dir, run)
    part = f"{_BEGIN.format(_hash(new))}\n{new}\n{_END}"
    try:
        old = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        old, content = "", f"{part}\n{_LICENCE}"
    except (OSError, UnicodeDecodeError) as error:
        log.info("%s isn't updated: %s", path, error)
        return
    else:
        match = _GENERATED.search(old)
        if match is None or _hash(match[2]) != match[1]:
            log.info("%s isn't updated: its generated part was edited", path)
            return
        content = old[: match.start()] + part + old[match.end() :]
    if content != old:
        with atomic(path, "w") as file:
            file.write(content)


def _hash(generated: str) -> str:
    return hashlib.sha256(generated.encode()).hexdigest()[:16]


def text(output_dir: str | os.PathLike[str], run: RunRecord) -> str:
    """Returns the generated part, as Markdown.

    Args:
      output_dir, run: as for `write`.

    Raises:
      CheckpointError: checkpoint.json is damaged.
      DataError: eval.jsonl is damaged.
    """
    folder = Path(output_dir)
    kind = run.description.kind if run.description else ""
    lines = [f"# {_plain(run.problem)}", ""]
    lines += [f"A model `{_plain(run.model)}` of t2tlite {_plain(run.versions.get('t2tlite', ''))}"]
    lines[-1] += f" for the problem `{_plain(run.problem)}`{f' ({kind})' if kind else ''}."
    lines += ["", "| | |", "| --- | --- |"]
    lines += [f"| {name} | {value} |" for name, value in _facts(folder, run) if value]
    rows = eval_log.read_evaluations(folder)
    if rows:
        lines += ["", "## Evaluations", "", *_evaluations(rows)]
    if (folder / _CURVES).exists():
        lines += ["", f"![Loss and metrics by step]({_CURVES})"]
    lines += ["", "## Use", "", *_use(run)]
    return "\n".join(lines)


def _facts(folder: Path, run: RunRecord) -> Iterator[tuple[str, str]]:
    """Yields the rows of the first table."""
    for split, size in run.data.items():
        yield f"data, {_plain(split)}", _size(size)
    for name, feature in (run.description.features if run.description else {}).items():
        yield _plain(name), _feature(feature)
    for name, labels in run.class_labels().items():
        yield f"labels of the {_plain(name)}", _listed(labels)
    yield "hparams set", _plain(run.hparams_set)
    changes = [f"{name}={value}" for name, value in run.changed_hparams.items()]
    yield "hparams that differ", _listed(changes)
    defaults = [f"{name}={value}" for name, value in run.decode_hparams.items()]
    yield "decode hparams", _listed(defaults)
    yield "precision", _plain(run.precision)
    steps = checkpoints.steps(folder)
    if steps:
        best = checkpoints.best(folder)
        # Training resumes although the newest checkpoint is damaged.
        with contextlib.suppress(CheckpointError):
            count = tensor_files.parameter_count(checkpoints.weights_path(folder, steps[-1]))
            yield "parameters", f"{count:,}"
        yield "steps", f"{steps[-1]:,}{f', best {best:,}' if best is not None else ''}"
    yield "made with", _listed([f"{name} {number}" for name, number in run.versions.items()])
    yield "code that is needed", "; ".join(map(_plain, run.explain_needs()))


def _feature(feature: Feature) -> str:
    kind = feature.encoder.get("kind", "an encoder of the plugin's own")
    file = encoder_kinds.file_of(feature.encoder)
    about = [f"{kind}{f' of the file `{_plain(file)}`' if file else ''}"]
    about += [f"{feature.vocab_size:,} ids"] if feature.vocab_size else []
    about += [f"each text after `{_plain(feature.prefix)}`"] if feature.prefix else []
    return ", ".join(about)


def _size(size: DataSize) -> str:
    parts = [f"{size.examples:,} examples"]
    for name, tokens in size.tokens.items():
        longest = size.max_length.get(name, 0)
        parts.append(f"{_plain(name)} {tokens:,} tokens (longest {longest:,})")
    return ", ".join(parts)


def _evaluations(rows: list[dict[str, Any]]) -> Iterator[str]:
    """Yields a table of the newest evaluations."""
    names = list(dict.fromkeys(name for row in rows for name in row if name != "step"))
    yield " | ".join(["| step", *map(_plain, names)]) + " |"
    yield "| ---: " * (len(names) + 1) + "|"
    for row in rows[-_MOST_ROWS:]:
        values = [row.get(name, math.nan) for name in names]
        shown = [f"{value:.4f}" if math.isfinite(value) else "-" for value in values]
        yield " | ".join([f"| {row['step']}", *shown]) + " |"


def _use(run: RunRecord) -> list[str]:
    """Returns how to decode."""
    usr_dirs = ', usr_dirs=["PLUGIN_FOLDER"]' if run.needs(DECODING) else ""
    return [
        "```python",
        "import t2tlite  # pip install t2tlite",
        f'decoder = t2tlite.Decoder("."{usr_dirs})  # this folder',
        'print(decoder.decode("a text"))',
        "```",
    ]


def _listed(values: list[str]) -> str:
    more = f", and {len(values) - _MOST_SHOWN:,} more" if len(values) > _MOST_SHOWN else ""
    return ", ".join(f"`{_plain(value)}`" for value in values[:_MOST_SHOWN]) + more


def _plain(value: str) -> str:
    """Returns a text for a cell: one line, which neither Markdown nor a terminal interprets."""
    escaped = "".join(char if char.isprintable() else repr(char)[1:-1] for char in value[:500])
    return escaped.replace("|", "\\|").replace("`", "'").replace("<", "&lt;")
