"""Would it run on a TPU, and how well: compiles the steps of a training for one that isn't here.

`tpu_topology.set_variables` must be called before anything imports jax or keras.
"""

from __future__ import annotations

import dataclasses
import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from t2tlite.checkpoint import run_record
from t2tlite.decode.decoder import DecodeHParams
from t2tlite.devices import devices
from t2tlite.errors import DeviceError
from t2tlite.tpu_check import advice, steps, tables
from t2tlite.tpu_check.program import DoesNotFit, Program, Step, compile_step
from t2tlite.tpu_check.topology import Topology, describe, require_compiler
from t2tlite.training.setup import TrainingSetup
from t2tlite.training.train_args import TrainArgs

log = logging.getLogger(__name__)

# Programs that the search for the largest batch_size may compile, besides the first.
SEARCHED = 3


@dataclass
class Check:
    """What was compiled.

    Attributes:
      place: problem, model and data.
      topology: the TPU.
      programs: those that compiled and fit, by the step's name.
      failures: what each step that is too large said.
      batch_sizes: bytes of a core's memory that training takes, by batch_size; None: too many.
    """

    place: TrainingSetup
    topology: Topology
    programs: dict[str, Program] = field(default_factory=dict)
    failures: list[DoesNotFit] = field(default_factory=list)
    batch_sizes: dict[int, float | None] = field(default_factory=dict)

    @property
    def training(self) -> Program | None:
        """The compiled training step."""
        return self.programs.get("training")


def workplace(run: run_record.RunRecord, data_dir: str, topology: Topology) -> TrainingSetup:
    """Returns problem, data and model as training on the TPU would have them.

    Raises:
      Error: data, vocabulary or hparams don't fit.
    """
    devices.import_tensorflow()
    device = devices.Devices("jax", "TPU", topology.cores)
    return TrainingSetup(run, data_dir, TrainArgs(), device)


def check(
    run: run_record.RunRecord,
    data_dir: str,
    topology_name: str,
    *,
    search_batch_size: bool = True,
    dollars_per_chip_hour: float = 0.0,
) -> None:
    """Compiles training, evaluation and decoding for a TPU and reports what the programs tell.

    Args:
      run: what would be trained on what.
      data_dir: what t2t-datagen wrote.
      topology_name: as "v5e:2x4".
      search_batch_size: whether to look for the largest batch_size that fits.
      dollars_per_chip_hour: what a chip costs; 0: not told.

    Raises:
      DeviceError: something doesn't compile or doesn't fit; the message says what.
      Error: data, vocabulary or hparams don't fit.
    """
    require_compiler()
    topology = describe(topology_name)
    place = workplace(run, data_dir, topology)
    found = Check(place, topology)
    programs: list[Callable[[], Step]] = [
        lambda: steps.training(place),
        lambda: steps.evaluation(place),
    ]
    if place.problem_hparams.modality["targets"] == "class_label":
        beams = [1]
    else:
        beams = [1, DecodeHParams().beam_size]
    for beam_size in beams:
        how = DecodeHParams(beam_size=beam_size)
        programs.append(lambda how=how: steps.decoding(place, how))  # type: ignore[misc]
    tables.show_task(place, topology)
    for step in programs:
        _compile(found, step)
    if search_batch_size:
        search(found)
    tables.show(found, dollars_per_chip_hour)
    if found.failures:
        fits = [size for size, taken in found.batch_sizes.items() if taken is not None]
        hint = f"; training fits with batch_size={max(fits)}" if fits else ""
        raise DeviceError("; ".join(map(str, found.failures)) + hint)


def _compile(found: Check, make: Callable[[], Step]) -> None:
    try:
        step = make()
        rows, length = step.shape
        log.info("compiling %s for %d rows of %d tokens ...", step.name, rows, length)
        program = compile_step(step, found.topology)
    except DoesNotFit as error:
        found.failures.append(error)
        return
    found.programs[step.name] = program


def search(found: Check) -> None:
    """Compiles training with other batch_sizes, to find the largest that fits."""
    place, topology, sizes = found.place, found.topology, found.batch_sizes
    step = found.training.step if found.training else steps.training(place)
    sizes[place.hparams.batch_size] = found.training.memory.total if found.training else None
    available = topology.a_core(topology.chip.hbm_bytes)
    for _ in range(SEARCHED):
        size = advice.next_batch_size(sizes, step.shape[1], available, epoch_tokens(place))
        if size is None:
            return
        log.info("compiling training with batch_size=%s ...", f"{size:,}")
        try:
            sizes[size] = compile_step(steps.resized(step, place, size), topology).memory.total
        except DoesNotFit:
            sizes[size] = None


def epoch_tokens(place: TrainingSetup) -> int:
    """Padded tokens that a core gets in an epoch; a larger batch_size makes no sense."""
    return place.sizes.batches * place.batching.batch_tokens // place.device.count


def scaling(run: run_record.RunRecord, data_dir: str, topology_names: Sequence[str]) -> None:
    """Compiles training for several TPUs and shows how a core's work changes with their size.

    Raises:
      Error: something doesn't compile or doesn't fit.
    """
    require_compiler()
    programs = []
    for name in topology_names:
        topology = describe(name)
        place = workplace(dataclasses.replace(run), data_dir, topology)
        log.info("compiling training for %s ...", topology)
        programs.append((topology, compile_step(steps.training(place), topology)))
    tables.show_scaling(programs)


def sizes_of(topology: str) -> list[str]:
    """Returns the topologies of 8, 64 and 256 cores of a generation."""
    flat = ["2x4", "8x8", "16x16"]
    shapes = {"v5e": flat, "v6e": flat, "v4": ["2x2x1", "4x4x2", "4x4x8"]}
    shapes["v5p"] = ["2x2x2", "4x4x4", "4x8x8"]
    generation = re.split(":", topology)[0]
    if generation not in shapes:
        describe(topology)
    return [f"{generation}:{shape}" for shape in shapes[generation]]
