"""curves.png: loss and metrics of a run against steps, without TensorBoard."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from t2tlite.checkpoint import eval_log, run_record
from t2tlite.files import atomic
from t2tlite.metrics import is_decoded, raw_metric, split_member

NAME = "curves.png"

Row = Mapping[str, Any]


def draw(output_dir: str | Path) -> Path | None:
    """Draws losses, metrics between 0 and 1 and those of answers to curves.png in `output_dir`.

    Returns:
      The file's path, or None if nothing is logged yet.

    Raises:
      CheckpointError: run.json is missing or damaged.
      DataError: eval.jsonl is damaged.
      OutputError: the file can't be written.
    """
    # The import takes a second. Not pyplot, which has global state.
    from matplotlib.figure import Figure

    figure = draw_on(Figure, output_dir)
    if figure is None:
        return None
    path = Path(output_dir) / NAME
    with atomic(path) as file:
        figure.savefig(file, format="png", dpi=120)
    return path


def draw_on(make_figure: Callable[..., Any], output_dir: str | Path) -> Any:
    """Draws what `draw` does on a new figure.

    Args:
      make_figure: matplotlib's Figure, or pyplot.figure.
      output_dir: the model folder.

    Returns:
      The figure, or None if nothing is logged yet.

    Raises:
      Error: as `draw`.
    """
    training = training_losses(output_dir)
    evaluations = eval_log.read_evaluations(output_dir)
    if not training and not evaluations:
        return None
    run = run_record.read(output_dir)
    every = dict.fromkeys(name for row in evaluations for name in row)
    losses = {"loss": "evaluation", raw_metric("loss"): "evaluation, weights not averaged"}
    names = [n for n in every if n not in ("step", *losses) and not split_member(n)[0]]
    decoded = {name: name for name in names if is_decoded(name)}
    shares = {
        name: name
        for name in names
        if name not in decoded and all(0 <= row.get(name, 0) <= 1 for row in evaluations)
    }
    right = [(decoded, 100, "decoded answers"), (shares, 1, "evaluation metric")]
    right = [one for one in right if one[0]]
    figure = make_figure(figsize=(7 + 5 * len(right), 4.5), layout="constrained")
    figure.suptitle(f"{run.problem} with {run.model}")
    left, *others = figure.subplots(1, 1 + len(right), squeeze=False)[0]
    if training:
        # Shown because the evaluation loss is without label smoothing.
        smoothing = run.hparams.get("label_smoothing", 0.0)
        name = f"training, label smoothing {smoothing:g}" if smoothing else "training"
        left.plot(list(training), list(training.values()), label=name, linewidth=0.8)
    labels = {name: label for name, label in losses.items() if name in every}
    labels.update({n: split_member(n)[0] for n in every if n.endswith(":loss")})
    _plot_evaluations(left, evaluations, labels, "loss (nats a token)")
    for axes, (plotted, highest, what) in zip(others, right, strict=True):
        axes.set_ylim(0, highest)
        _plot_evaluations(axes, evaluations, plotted, f"{what} (0 to {highest})")
    return figure


def training_losses(output_dir: str | Path) -> dict[int, float]:
    """Reads the training losses by step from the TensorBoard events of a run.

    Where a later run resumed from an earlier step, its losses replace those after that step.
    """
    if not any(Path(output_dir).glob("events.out.tfevents.*")):
        return {}
    from tensorboard.backend.event_processing.plugin_event_accumulator import EventAccumulator
    from tensorboard.util.tensor_util import make_ndarray

    # 0: all events. The accumulator finds restarts by an event that `reports` doesn't write.
    events = EventAccumulator(str(output_dir), {"tensors": 0}, purge_orphaned_data=False)
    events.Reload()
    if "loss" not in events.Tags()["tensors"]:
        return {}
    losses: dict[int, float] = {}
    for event in events.Tensors("loss"):
        while losses and next(reversed(losses)) >= event.step:
            losses.popitem()
        losses[event.step] = make_ndarray(event.tensor_proto).item()
    return losses


def _plot_evaluations(axes: Any, rows: Sequence[Row], labels: dict[str, str], y_label: str) -> None:
    """Plots metrics, given by name with their labels, and labels the axes."""
    steps = [row["step"] for row in rows]
    for name, label in labels.items():
        values = [row.get(name, math.nan) for row in rows]
        axes.plot(steps, values, label=label, marker="o", markersize=3)
    axes.set_xlabel("step")
    axes.set_ylabel(y_label)
    axes.grid(alpha=0.3)
    axes.legend()
