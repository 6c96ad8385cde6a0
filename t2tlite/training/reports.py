"""What training shows: the start-up panel, the live line, TensorBoard events, evaluations."""

from __future__ import annotations

import contextlib
import functools
import logging
import shlex
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

from t2tlite import buckets, console
from t2tlite.batches.mixed_examples import MixedExamples
from t2tlite.checkpoint import checkpoints, model_card
from t2tlite.checkpoint.description import DECODING
from t2tlite.checkpoint.eval_log import EVALUATIONS, best_weights
from t2tlite.checkpoint.events import EventWriter
from t2tlite.devices import free_memory
from t2tlite.metrics import Metrics, split_member, strip_problem
from t2tlite.training import curves, memory_estimate
from t2tlite.training.setup import TrainingSetup

log = logging.getLogger(__name__)

# Steps between the points of TensorBoard's curves.
EVENT_STEPS = 100
# Seconds between lines of progress where there is no terminal.
LOG_SECONDS = 30.0
# Rows of the table of evaluations, so that it fits on a screen.
EVALUATION_ROWS = 12
# Between the parts of the live line.
SEPARATOR = "  "


def startup_panel(setup: TrainingSetup, output_dir: str, products: str, origin: str) -> None:
    """Shows what is about to be trained, and warns if it may run out of memory.

    Args:
      setup: the training.
      output_dir: the model folder.
      products: the precision of matrix products, from `precision.settle`.
      origin: where the weights come from.
    """
    sizes, batching, job = setup.sizes, setup.batching, setup.job
    unit = {"bucket": "buckets by length", "pack": "packed rows", "pad": "padded rows"}
    dropped = sizes.examples - sizes.kept
    accumulated = setup.hparams.optimizer_multistep_accumulate_steps
    updates = f"; {accumulated} batches an update" if accumulated > 1 else ""
    outside = f", about {dropped:,} outside the length limits" if dropped > 0 else ""
    data, output = buckets.shown(setup.data_dir), buckets.shown(Path(output_dir).resolve())
    console.panel(
        f"{setup.run.problem} with {setup.run.model}",
        {
            "device": str(setup.device),
            "model": f"{job.parameters:,} parameters; {origin}",
            "precision": products,
            "data": f"{sizes.examples:,} training examples in {data}{outside}",
            **_mixture(setup),
            "batch": f"up to {batching.batch_tokens:,} tokens in {unit[batching.kind]}: about "
            f"{sizes.rows:,.0f} examples, {sizes.tokens:,.0f} target tokens, "
            f"{sizes.padded_share:.0%} padding{updates}",
            "memory": memory_estimate.describe(job, setup.memory_found),
            "epoch": f"about {sizes.batches:,} steps; training ends at step "
            f"{setup.train_args.train_steps:,}",
            "output": f"{output} (checkpoints, eval.jsonl; tensorboard --logdir={output_dir})",
        },
    )
    if advice := memory_estimate.advice(job, setup.memory_found):
        log.warning("training may run out of memory: %s", advice)


def _mixture(setup: TrainingSetup) -> dict[str, str]:
    """Returns the line about the members of a mixture: their numbers of examples and shares."""
    examples = setup.training_examples
    if not isinstance(examples, MixedExamples):
        return {}
    begins, ends = examples.mixing.shares[0], examples.mixing.shares[-1]
    each = [
        f"{name} {begin:.0%}{f' to {end:.0%}' if end != begin else ''} ({len(part.lengths):,})"
        for (name, part), begin, end in zip(examples.parts.items(), begins, ends, strict=True)
    ]
    return {"mixture": ", ".join(each)}


class LiveLine:
    """Step, loss, speed and time left: a progress bar on a terminal, log lines elsewhere."""

    def __init__(self, step: int, train_steps: int):
        self._train_steps = train_steps
        self._last_log = time.monotonic()
        self._bar = contextlib.ExitStack()
        self._show: Callable[[int, console.Parts], None] | None = None
        if console.is_watched():
            bar = console.bar("starting", train_steps, step, SEPARATOR)
            self._show = self._bar.enter_context(bar)

    def update(
        self,
        step: int,
        values: Mapping[str, float],
        force: bool = False,
        shares: Mapping[str, float] = MappingProxyType({}),
    ) -> None:
        """Shows what `TrainingCallback` measured over the last steps.

        Args:
          step: the last one.
          values: by name.
          force: whether to log a line even if the last one is less than LOG_SECONDS ago.
          shares: of the examples, by the member of a mixture.
        """
        seconds = (self._train_steps - step) / max(values["steps_per_second"], 1e-9)
        left = timedelta(seconds=round(seconds))
        parts = [
            (f"step {step}/{self._train_steps}", 0),
            (f"loss {values['loss']:.3f}", 0),
            (f"{values['tokens_per_second']:,.0f} tokens/s", 1),
            (f"lr {values['learning_rate']:.2e}", 2),
            (f"{values['padded_share']:.0%} padding", 4),
        ]
        if "data_wait_share" in values:
            parts.append((f"{values['data_wait_share']:.0%} waiting for data", 3))
        if shares:
            parts.append((" ".join(f"{name} {part:.0%}" for name, part in shares.items()), 2))
        parts.append((f"{left} left", 0))
        now = time.monotonic()
        if self._show:
            self._show(step, parts)
        elif force or now - self._last_log >= LOG_SECONDS:
            self._last_log = now
            log.info("%s", console.fitted(parts, SEPARATOR))

    def say(self, line: str) -> None:
        """Prints a line that stays, above the progress bar.

        Of a line whose parts are separated as those of the live line, the last are left out where a
        terminal is too narrow.
        """
        if self._show:
            parts = [(part, rank) for rank, part in enumerate(line.split(SEPARATOR))]
            line = console.fitted(parts, SEPARATOR, console.console().width)
            console.console().print(line, highlight=False)
        else:
            log.info("%s", line)

    def close(self) -> None:
        """Ends the progress bar."""
        self._bar.close()


class Events:
    """TensorBoard events in T2T's places: training in output_dir, evaluation in a folder of it.

    Args:
      output_dir: the model folder.
      problem: the problem's name, which is part of the names of metrics.
      eval_folder: name of the folder of evaluations.
    """

    def __init__(self, output_dir: str | Path, problem: str, eval_folder: str = "eval"):
        self._prefix = f"metrics-{problem}/"
        self._output_dir, self._eval_dir = Path(output_dir), Path(output_dir, eval_folder)

    @functools.cached_property
    def _train_writer(self) -> EventWriter:
        return EventWriter(self._output_dir)

    @functools.cached_property
    def _eval_writer(self) -> EventWriter:
        return EventWriter(self._eval_dir)

    def train(
        self,
        step: int,
        values: Mapping[str, float],
        shares: Mapping[str, float] = MappingProxyType({}),
    ) -> None:
        """Writes training scalars, and as share/MEMBER those of the examples in a mixture."""
        named = {f"share/{name}": value for name, value in shares.items()}
        self._train_writer.write(step, {**values, **named})

    def evaluation(self, step: int, metrics: Mapping[str, float]) -> None:
        """Writes evaluation scalars under T2T's names, `metrics-PROBLEM/NAME`.

        Those of a member of a mixture get that problem's name.
        """
        named = {}
        for name, value in metrics.items():
            member, plain = split_member(name)
            prefix = f"metrics-{member}/" if member else self._prefix
            named["loss" if name == "loss" else prefix + plain] = value
        self._eval_writer.write(step, named)


def shown(metrics: Mapping[str, float]) -> str:
    """Returns metrics as a line; of the members of a mixture their losses alone."""
    return "  ".join(f"{name} {metrics[name]:.4f}" for name in _shown_names(metrics))


def _shown_names(names: Iterable[str]) -> list[str]:
    return [name for name in names if not split_member(name)[0] or name.endswith(":loss")]


def evaluation_table(
    rows: Sequence[Mapping[str, Any]], metric: str = "loss", minimize: bool = True
) -> None:
    """Shows a table of a run's evaluations with the best one marked; nothing if there are none.

    The arguments are those of `eval_log.best_weights`.
    """
    if not rows:
        return
    metric = strip_problem(metric)
    found, best = best_weights(rows, metric, minimize), None
    if found:
        # The last row of a step counts.
        best = max(i for i, row in enumerate(rows) if row["step"] == found[0])
    shown = _thin_out(len(rows), best)
    names = list(dict.fromkeys(name for row in rows for name in row if name != "step"))
    names = _shown_names(names)
    left_out = len(rows) - len(shown)
    console.table(
        "evaluations" if best is None else f"evaluations, the best by {metric} marked",
        {"step": "right", **{name: "right" for name in names}, "": "left"},
        [
            [
                f"{rows[i]['step']:,}",
                *(f"{rows[i][name]:.4f}" if name in rows[i] else "-" for name in names),
                "best" if i == best else "",
            ]
            for i in shown
        ],
        f"{left_out} of {len(rows)} left out; all are in {EVALUATIONS}" if left_out else "",
        # The first says what the loss says.
        [Metrics.NEG_LOG_PERPLEXITY, *(name for name in names[:0:-1] if name != metric)],
    )


def _thin_out(count: int, best: int | None) -> list[int]:
    """Indices of at most EVALUATION_ROWS rows: the best one and others at equal distances."""
    if count <= EVALUATION_ROWS:
        return list(range(count))
    # One row is left for the best, which may fall between the others.
    last = EVALUATION_ROWS - 2
    indices = {round(i * (count - 1) / last) for i in range(last + 1)}
    return sorted(indices if best is None else indices | {best})


def summary(
    setup: TrainingSetup, output_dir: str, rows: Sequence[Mapping[str, Any]], best: int | None
) -> None:
    """Shows all evaluations of a run, draws its curves, writes its card and says how to decode.

    Args:
      setup: the training.
      output_dir: the model folder.
      rows: the evaluations.
      best: the step of the best checkpoint that still exists; None if there is none.
    """
    if peak := free_memory.peak(setup.device):
        log.info("peak memory of the %s: %.1f GB", setup.device.kind, peak / 1e9)
    evaluation_table(rows, setup.train_args.stop_metric, setup.train_args.minimizes)
    flags = f"--output_dir={shlex.quote(buckets.shown(output_dir))}"
    if best is not None:
        raw = ", its weights without averaging" if checkpoints.best_is_raw(output_dir) else ""
        log.info("--checkpoint_path=best is step %d%s", best, raw)
        flags += " --checkpoint_path=best"
    if setup.run.needs(DECODING):
        flags += f" --t2t_usr_dir={shlex.quote(','.join(setup.run.usr_dirs))}"
    if path := curves.draw(output_dir):
        log.info("curves of loss and metrics: %s", path)
    model_card.write(output_dir, setup.run)
    if checkpoints.steps(output_dir):
        log.info("to decode: t2t-decoder %s --decode_interactive", flags)
