"""`TrainResult`: what a training has reached."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from t2tlite.api.arguments import PathLike
from t2tlite.checkpoint import eval_log
from t2tlite.console import html_table
from t2tlite.errors import DataError
from t2tlite.files import folder_path
from t2tlite.metrics import minimizes, strip_problem
from t2tlite.training import curves


@dataclass(frozen=True, repr=False)
class TrainResult:
    """What a training has reached; in a notebook it shows its curves.

    >>> result = TrainResult.read("model")
    >>> result.metrics[-1]["step"], result.best_step, result.output_dir.name
    (2, 2, 'model')
    >>> axes = result.plot()
    >>> axes[0].figure.savefig("curves.pdf")

    Attributes:
      output_dir: the model folder.
      metrics: of each evaluation, oldest first: a dict of "step", "loss" in nats a token, and the
        problem's metrics by name. `pandas.DataFrame(result.metrics)` is a table of them.
      best_step: step of the best checkpoint, which `Decoder(output_dir, "best")` loads; None if
        there was no evaluation.
    """

    output_dir: Path
    metrics: list[dict[str, Any]]
    best_step: int | None

    @classmethod
    def read(
        cls, output_dir: PathLike, metric: str = "loss", minimize: bool | None = None
    ) -> TrainResult:
        """Returns the result of the training in a model folder.

        Args:
          output_dir: the model folder.
          metric, minimize: what makes a checkpoint the best one; None: as the metric is meant.

        Raises:
          DataError: the folder doesn't exist, or its log of evaluations is damaged.
        """
        path = Path(folder_path(output_dir, "output_dir"))
        if not path.is_dir():
            raise DataError(f"{path} doesn't exist; give the model folder of a training")
        rows = eval_log.read_evaluations(path)
        lowest = minimizes(strip_problem(metric), minimize)
        best = eval_log.best_weights(rows, metric, lowest)
        return cls(path, rows, best[0] if best else None)

    @property
    def last(self) -> dict[str, Any]:
        """The metrics of the last evaluation; empty if there was none."""
        return self.metrics[-1] if self.metrics else {}

    def plot(self) -> list[Any]:
        """Draws the curves of losses and metrics in a new figure of matplotlib's pyplot.

        Returns:
          The axes. A notebook shows the figure; elsewhere call `pyplot.show()`, or
          `axes[0].figure.savefig(...)`.

        Raises:
          DataError: nothing is logged yet.
        """
        from matplotlib import pyplot

        figure = curves.draw_on(pyplot.figure, self.output_dir)
        if figure is None:
            raise DataError(f"{self.output_dir} has no losses and no evaluations to draw yet")
        return list(figure.axes)

    def __repr__(self) -> str:
        values = [f"{name}={value:g}" for name, value in self.last.items() if name != "step"]
        reached = f"step {self.last['step']}: {', '.join(values)}" if values else "no evaluation"
        best = f"; best at step {self.best_step}" if values else ""
        return f"TrainResult({str(self.output_dir)!r}, {reached}{best})"

    def _repr_html_(self) -> str:
        from matplotlib.figure import Figure

        last = {name: f"{value:g}" for name, value in self.last.items()}
        shown = {"last evaluation": "", **last, "best step": self.best_step}
        table = html_table(str(self.output_dir), shown if self.last else {"no evaluation": ""})
        figure = curves.draw_on(Figure, self.output_dir)
        if figure is None:
            return table
        image = io.BytesIO()
        figure.savefig(image, format="png", dpi=72)
        data = base64.b64encode(image.getvalue()).decode()
        return f'{table}<img alt="curves" src="data:image/png;base64,{data}">'
