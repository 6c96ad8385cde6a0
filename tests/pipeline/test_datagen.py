"""The command t2t-datagen: killed, stopped by Ctrl-C, and with any number of processes."""

import contextlib
import os
import random
import shutil
import signal
import subprocess
import time

import pytest

from t2tlite.data.manifest import working_folder
from tests.pipeline.conftest import BIN

PLUGIN = '''
import random
import time

from t2tlite import registry, text_problems


@registry.register_problem
class ManyNumbers(text_problems.Text2TextProblem):
    """Draws from the random module, whose state a second run must reproduce."""

    approx_vocab_size = 400
    is_generate_per_split = False
    dataset_splits = [{"split": "train", "shards": 5}, {"split": "eval", "shards": 1}]

    def generate_samples(self, data_dir, tmp_dir, dataset_split):
        for _ in range(60_000):
            number = random.randrange(10**12)
            yield {"inputs": f"the number {number}", "targets": f"{number:b}"}
'''


@pytest.fixture
def words(tmp_path):
    """A function of a data folder and flags that returns the command line."""
    plugin = tmp_path / "many_numbers"
    plugin.mkdir()
    (plugin / "__init__.py").write_text(PLUGIN)

    def words(folder, *flags):
        return [
            *("t2t-datagen", f"--t2t_usr_dir={plugin}", "--problem=many_numbers"),
            *(f"--data_dir={folder}", *flags),
        ]

    return words


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_ten_kills_at_random_moments_change_no_byte(command, words, tmp_path):
    command(*words(tmp_path / "whole", "--num_workers=1"))
    folder = tmp_path / "killed"
    draw = random.Random(3)
    stages = set()
    for _ in range(10):
        name, *flags = words(folder, "--num_workers=2")
        process = subprocess.Popen([BIN / name, *flags], stderr=subprocess.DEVNULL)
        # Half of the kills follow an event, the others a random time.
        before = _stage(folder)
        if draw.random() < 0.5:
            while process.poll() is None and _stage(folder) == before:
                time.sleep(0.005)
        else:
            time.sleep(draw.uniform(0.0, 4.0))
        process.send_signal(signal.SIGKILL)
        process.wait()
        stages.add(_stage(folder))
        if (folder / "many_numbers.manifest.json").exists():
            # The run finished before the kill; the next kill must interrupt work.
            assert files(folder) == files(tmp_path / "whole")
            shutil.rmtree(folder)
    # The kills interrupted different stages.
    assert len(stages) > 3, stages
    command(*words(folder, "--num_workers=2"))
    assert files(folder) == files(tmp_path / "whole")
    assert all(path.is_file() for path in folder.iterdir())
    stderr = command(*words(folder)).stderr
    assert "many_numbers is complete" in stderr


def _stage(folder):
    """Returns the number of files of each kind."""
    folders = folder, working_folder(folder, "many_numbers")
    names = [name for folder in folders for _, _, names in os.walk(folder) for name in names]
    return tuple(
        sum(end in name for name in names)
        for end in (".chunk", "-of-", ".model", "index.json", "manifest.json")
    )


def test_a_change_since_the_killed_run_is_logged(command, words, tmp_path):
    folder = tmp_path / "data"
    command(*words(folder))
    before = files(folder)
    stderr = command(*words(folder, "--random_seed=5")).stderr
    assert "changed since the data was generated: the seed, 0 then and 5 now" in stderr
    assert files(folder) == before
    (vocabulary,) = folder.glob("*.model")
    vocabulary.rename(tmp_path / "elsewhere.model")
    stderr = command(*words(folder), status=1).stderr
    assert "was removed since the data of many_numbers was generated with it; restore it" in stderr
    assert files(folder).keys() == before.keys() - {vocabulary.name}
    command(*words(folder, "--random_seed=5", "--overwrite"))
    assert files(folder).keys() == before.keys()
    assert all(content != before[name] for name, content in files(folder).items())


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--beam_options=--x"], "--beam_options needs --runner=beam"),
        (["--runner=beam", "--task_id=1"], "--task_id can't be used with --runner=beam"),
        (["--runner=beam", "--num_workers=2", "--beam_options=--x"], "--num_workers can't be used"),
    ],
)
def test_conflicting_flags(command, words, tmp_path, flags, message):
    assert message in command(*words(tmp_path / "data", *flags), status=2).stderr


def test_ctrl_c_leaves_no_process_and_the_next_run_resumes(command, words, tmp_path):
    # On a busy machine it may be finished before the signal: another one is stopped.
    for attempt in range(10):
        folder = tmp_path / f"data{attempt}"
        name, *flags = words(folder, "--num_workers=2")
        process = subprocess.Popen(
            [BIN / name, *flags], stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        while _stage(folder)[0] < 2 and process.poll() is None:
            time.sleep(0.01)
        with contextlib.suppress(ProcessLookupError):
            # To all processes, as a terminal does.
            os.killpg(process.pid, signal.SIGINT)
        _, stderr = process.communicate(timeout=60)
        assert "Traceback" not in stderr
        if "stopped by Ctrl-C" in stderr:
            break
    assert "stopped by Ctrl-C" in stderr
    deadline = time.monotonic() + 30
    with pytest.raises(ProcessLookupError):
        while time.monotonic() < deadline:
            os.killpg(process.pid, 0)
            time.sleep(0.05)
    command(*words(folder))
    command(*words(tmp_path / "whole"))
    assert files(folder) == files(tmp_path / "whole")
