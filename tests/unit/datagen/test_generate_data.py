"""generate_data: parts of a problem's samples, and Beam if it isn't installed."""

import random
import sys

import pytest

from t2tlite import registry
from t2tlite.data import manifest, streams
from t2tlite.datagen.generate_data import generate_data, generate_data_with_beam
from t2tlite.errors import DataError, SampleError
from t2tlite.testing import check_problem
from t2tlite.text_problems import Text2TextProblem, VocabType

pytestmark = pytest.mark.usefixtures("own_names")


class Parts(Text2TextProblem):
    """Three parts of 5, 6 and 7 samples, which draw at random."""

    vocab_type = VocabType.CHARACTER
    is_generate_per_split = False
    num_generate_tasks = 3
    dataset_splits = [{"split": "train", "shards": 2}, {"split": "eval", "shards": 1}]

    def generate_samples(self, data_dir, tmp_dir, dataset_split, task_id=0):
        for number in range(5 + task_id):
            yield {"inputs": f"{task_id} {number}", "targets": str(random.random())}


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_all_parts_are_made(tmp_path, monkeypatch):
    registry.register_problem("parts")(Parts)
    assert check_problem("parts", tmp_path / "checked", samples=50) == {"train": 12, "eval": 6}
    generate_data("parts", str(tmp_path / "once"))
    # Each part begins with the next shard, so that small parts fill all.
    assert manifest.read(tmp_path / "once", "parts").splits["eval"].examples == 6
    monkeypatch.setattr(streams, "CHUNK_SAMPLES", 4)
    for workers in (1, 2):
        generate_data("parts", str(tmp_path / str(workers)), num_workers=workers)
    assert files(tmp_path / "1") == files(tmp_path / "2")


def test_errors_name_the_part(tmp_path):
    @registry.register_problem("parts")
    class Wrong(Parts):
        def generate_samples(self, data_dir, tmp_dir, dataset_split, task_id=0):
            yield {"inputs": "a", "targets": "\ud800" if task_id == 2 else "b"}

    with pytest.raises(SampleError, match="^parts: generate_samples.train., task 2, sample 0: "):
        generate_data("parts", str(tmp_path))

    @registry.register_problem("whole")
    class Whole(Parts):
        def generate_samples(self, data_dir, tmp_dir, dataset_split):
            yield {"inputs": "a", "targets": "b"}

    with pytest.raises(SampleError, match="unexpected keyword argument 'task_id'; mend the hook"):
        generate_data("whole", str(tmp_path))


def test_without_beam(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "apache_beam", None)
    monkeypatch.delitem(sys.modules, "t2tlite.datagen.apache_beam", raising=False)
    # Another test may have imported it where Beam is installed.
    monkeypatch.delattr("t2tlite.datagen.apache_beam", raising=False)
    with pytest.raises(DataError, match=r"pip install 't2tlite\[beam\]'"):
        generate_data_with_beam("parts", str(tmp_path))
