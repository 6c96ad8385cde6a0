"""Data generated with Apache Beam: the same bytes, resuming, errors in one line."""

import os
import random

import pytest

from t2tlite import plugins, registry, text_problems
from t2tlite.data import streams
from t2tlite.data.chunks import ShardJob
from t2tlite.data.manifest import working_folder
from t2tlite.datagen.exchange import Exchange
from t2tlite.datagen.generate_data import generate_data, generate_data_with_beam
from t2tlite.errors import DataError, OutputError, SampleError

pytest.importorskip("apache_beam", reason="needs the extra [beam], which [dev] leaves out")
from t2tlite.datagen import apache_beam  # noqa: E402

pytestmark = pytest.mark.usefixtures("own_names")


@pytest.fixture
def several_chunks(monkeypatch):
    monkeypatch.setattr(streams, "CHUNK_SAMPLES", 10)


class Bytes(text_problems.Text2TextProblem):
    vocab_type = text_problems.VocabType.CHARACTER
    is_generate_per_split = False
    dataset_splits = [{"split": "train", "shards": 3}, {"split": "eval", "shards": 2}]

    def generate_samples(self, data_dir, tmp_dir, dataset_split):
        for number in range(57):
            # Draws must be those of a run without Beam; some texts are empty, some in both splits.
            yield {"inputs": str(random.randrange(30)), "targets": "x" * (number % 3)}


class Tasks(Bytes):
    num_generate_tasks = 4

    def generate_samples(self, data_dir, tmp_dir, dataset_split, task_id=0):
        with open(os.path.join(tmp_dir, f"{task_id}.txt")) as file:
            for line in file:
                yield {"inputs": line.strip(), "targets": str(random.random())}


class Subwords(Bytes):
    vocab_type = text_problems.VocabType.SUBWORD
    is_generate_per_split = True
    approx_vocab_size = 300


class OwnEncoder(Bytes):
    """Ids that only a process with the plugin can make."""

    def get_or_create_vocab(self, data_dir, tmp_dir, force_get=False):
        class Lengths:
            def encode(self, text):
                return [len(text) + 2]

        return Lengths()


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def fails(*args):
    raise LookupError("of the pipeline's own")


def about_samples(warned):
    """The warnings about leaks and empty texts."""
    return sorted(line for line in warned if "t2t-inspect shows them" in line)


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "source"
    folder.mkdir()
    for task in range(4):
        (folder / f"{task}.txt").write_text("".join(f"{task} {i}\n" for i in range(13 * task + 1)))
    return str(folder)


@pytest.mark.usefixtures("several_chunks")
@pytest.mark.parametrize("problem", [Bytes, Tasks, Subwords, OwnEncoder])
def test_the_bytes_are_those_of_a_local_run(tmp_path, source, warned, problem):
    registry.register_problem("p")(problem)
    generate_data("p", str(tmp_path / "local"), source, 3)
    local_warnings = about_samples(warned)
    warned.clear()
    # Left by an earlier run that was killed.
    (tmp_path / "beam").mkdir()
    left = working_folder(tmp_path / "beam", "p")
    (left / "beam-0").mkdir(parents=True)
    (left / "0-000000-000000-aa.chunk").touch()
    generate_data_with_beam("p", str(tmp_path / "beam"), source, 3)
    assert files(tmp_path / "beam") == files(tmp_path / "local")
    assert about_samples(warned) == local_warnings
    assert any("are in train too" in line for line in local_warnings) == (problem is not Tasks)


@pytest.mark.usefixtures("several_chunks")
def test_a_stopped_run_is_resumed(tmp_path, source, monkeypatch):
    registry.register_problem("p")(Tasks)
    generate_data("p", str(tmp_path / "local"), source)
    data_dir = str(tmp_path / "beam")
    with monkeypatch.context() as patch:
        patch.setattr(apache_beam, "write_merged_shard", fails)
        with pytest.raises(DataError, match="^the Beam pipeline failed"):
            generate_data_with_beam("p", data_dir, source)
    # All chunks exist, so no generator runs again.
    monkeypatch.setattr(Tasks, "generate_samples", fails)
    generate_data_with_beam("p", data_dir, source)
    assert files(tmp_path / "beam") == files(tmp_path / "local")


def test_a_hook_that_raises(tmp_path, source):
    @registry.register_problem("p")
    class Raises(Tasks):
        def generate_samples(self, data_dir, tmp_dir, dataset_split, task_id=0):
            yield from super().generate_samples(data_dir, tmp_dir, dataset_split, task_id)
            if task_id > 1:
                raise ZeroDivisionError(f"in task {task_id}")

    with pytest.raises(SampleError) as caught:
        generate_data_with_beam("p", str(tmp_path / "data"), source)
    assert str(caught.value) == (
        "p: generate_samples(train), task 2 raised ZeroDivisionError at sample 27: in task 2; "
        "mend the hook"
    )
    shown = caught.value.users_traceback
    assert "raise ZeroDivisionError" in shown and "/apache_beam" not in shown
    assert not list((tmp_path / "data").glob("p*"))


@pytest.mark.usefixtures("several_chunks")
def test_a_text_that_cant_be_encoded(tmp_path):
    @registry.register_problem("p")
    class Surrogate(Bytes):
        def generate_samples(self, data_dir, tmp_dir, dataset_split):
            for number in range(57):
                yield {"inputs": "a\ud800" if number in (17, 31) else "a", "targets": "b"}

    with pytest.raises(SampleError, match="^p: generate_samples.train., sample 17: 'inputs': "):
        generate_data_with_beam("p", str(tmp_path))
    assert not list(tmp_path.glob("p*"))


def test_a_split_without_samples(tmp_path):
    @registry.register_problem("p")
    class Few(Bytes):
        def generate_samples(self, data_dir, tmp_dir, dataset_split):
            yield {"inputs": "a", "targets": "b"}

    with pytest.raises(SampleError, match="too few samples: split 'eval' is empty"):
        generate_data_with_beam("p", str(tmp_path))
    assert not list(tmp_path.glob("p*"))


def test_what_beam_itself_raises(tmp_path, monkeypatch):
    registry.register_problem("p")(Bytes)
    monkeypatch.setattr(apache_beam, "write_chunk", fails)
    with pytest.raises(DataError, match="^the Beam pipeline failed with .*of the pipeline's own"):
        generate_data_with_beam("p", str(tmp_path))
    assert not os.listdir(tmp_path)


def test_ctrl_c_in_a_local_worker(tmp_path):
    @registry.register_problem("p")
    class Stopped(Bytes):
        def generate_samples(self, data_dir, tmp_dir, dataset_split):
            yield {"inputs": "a", "targets": "b"}
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        generate_data_with_beam("p", str(tmp_path))
    assert not os.listdir(tmp_path)


def test_a_problem_that_writes_its_shards_itself(tmp_path):
    @registry.register_problem("p")
    class Own(Bytes):
        def generate_data(self, data_dir, tmp_dir, task_id=-1):
            raise AssertionError

    with pytest.raises(DataError, match="p overrides generate_data.*--task_id"):
        generate_data_with_beam("p", str(tmp_path))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--direct_num_workers=x", "argument --direct_num_workers: invalid int value: 'x'"),
        ("--flink_masterr=x", "Beam has no option --flink_masterr"),
        ("--runner=Flunk", "Unexpected pipeline runner: Flunk"),
        ("--runner=no.such.Runner", r"--runner=no.such.Runner can't be imported \(No module"),
    ],
)
def test_options_that_beam_doesnt_know(words, message):
    with pytest.raises(DataError, match=f"^--beam_options: {message}"):
        apache_beam.parse_options([words], 1)


def test_a_worker_without_the_shared_folder(tmp_path):
    exchange = Exchange(str(tmp_path / "data" / "beam-0"))
    kind, (_, error) = apache_beam._write_shard(ShardJob("shard", [], 0, 1), exchange)
    assert (kind, type(error)) == ("failed", OutputError)
    assert str(error).endswith(
        "beam-0; all workers must share the folder that --data_dir is in, or --data_dir must be in "
        "a bucket"
    )
    assert not (tmp_path / "data").exists()


PLUGIN = """
from t2tlite import registry, text_problems


@registry.register_problem
class OfTwoProcesses(text_problems.Text2TextProblem):
    vocab_type = "character"
    num_generate_tasks = 3
    dataset_splits = [{"split": "train", "shards": 2}]

    def generate_samples(self, data_dir, tmp_dir, dataset_split, task_id=0):
        for number in range(40):
            yield {"inputs": f"{task_id} {number}", "targets": str(number)}
"""


@pytest.mark.slow
def test_two_processes(tmp_path):
    (tmp_path / "beam_plugin").mkdir()
    (tmp_path / "beam_plugin" / "__init__.py").write_text(PLUGIN)
    plugins.load_usr_dir(tmp_path / "beam_plugin")
    generate_data("of_two_processes", str(tmp_path / "local"))
    generate_data_with_beam("of_two_processes", str(tmp_path / "beam"), num_workers=2)
    assert files(tmp_path / "beam") == files(tmp_path / "local")
