"""Checkpoints as they appear, with a clock that stands still but for sleeping."""

import json
import os
from types import SimpleNamespace

import pytest

from t2tlite.bulk.all_checkpoints import translate_all, translations
from t2tlite.checkpoint import checkpoints, run_record, waiting
from t2tlite.errors import CheckpointError


class Folder:
    """A model folder whose checkpoints come at given seconds."""

    def __init__(self, path):
        self.path, self.now, self.coming = path, 0.0, {}

    def checkpoint(self, *steps):
        listed = [*checkpoints.steps(self.path), *steps]
        for step in steps:
            checkpoints.weights_path(self.path, step).write_bytes(b"")
        (self.path / run_record.NAME).write_text('{"problem": "p", "model": "m", "hparams": {}}')
        (self.path / checkpoints.LIST).write_text(json.dumps({"steps": listed}))

    def sleep(self, seconds):
        assert 0 < seconds <= waiting.POLL_SECONDS
        self.now += seconds
        for second in [one for one in self.coming if one <= self.now]:
            self.checkpoint(self.coming.pop(second))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "model").mkdir()
    folder = Folder(tmp_path / "model")
    # Not the module's own functions: servers of other tests keep time by them.
    clock = SimpleNamespace(monotonic=lambda: folder.now, sleep=folder.sleep)
    monkeypatch.setattr(waiting, "time", clock)
    return folder


@pytest.fixture
def translated():
    return []


@pytest.fixture
def translate(translated):
    def translate(step, weights, target):
        translated.append((step, weights.name))
        target.parent.mkdir(exist_ok=True)
        target.write_text(f"by {step}\n")

    return translate


def test_all_checkpoints_lowest_first(folder, translate, translated, tmp_path):
    folder.checkpoint(200, 1000, 300)
    os.utime(checkpoints.weights_path(folder.path, 300), (5, 7))
    found = translate_all(folder.path, tmp_path / "out", translate, min_steps=250)
    assert found == [tmp_path / "out" / "p-300", tmp_path / "out" / "p-1000"]
    assert translated == [
        (300, "model.ckpt-300.safetensors"),
        (1000, "model.ckpt-1000.safetensors"),
    ]
    assert found[0].read_text() == "by 300\n"
    assert found[0].stat().st_mtime == 7
    assert folder.now == 0


def test_those_that_are_there_are_left_alone(folder, translate, translated, tmp_path):
    folder.checkpoint(1, 2)
    (tmp_path / "p-1").write_text("mine\n")
    assert translate_all(folder.path, tmp_path, translate) == [tmp_path / "p-2"]
    assert translate_all(folder.path, tmp_path, translate) == []
    assert (tmp_path / "p-1").read_text() == "mine\n"
    assert len(translated) == 1


def test_waits_for_the_next(folder, translate, translated, tmp_path):
    folder.coming = {100: 10, 130: 20, 500: 30}
    found = translate_all(folder.path, tmp_path, translate, wait_minutes=2)
    # The third came later than two minutes after the second.
    assert [step for step, _ in translated] == [10, 20]
    assert len(found) == 2
    assert 250 <= folder.now <= 260


def test_one_that_came_while_another_was_translated(folder, translate, translated, tmp_path):
    folder.checkpoint(1)

    def slow(step, weights, target):
        translate(step, weights, target)
        if step == 1:
            folder.checkpoint(2)

    translate_all(folder.path, tmp_path, slow)
    assert [step for step, _ in translated] == [1, 2]


def test_one_that_the_trainer_has_removed_is_passed_over(folder, translate, warned, tmp_path):
    folder.checkpoint(1, 2)

    def gone(step, weights, target):
        if step == 1:
            weights.unlink()
            raise CheckpointError("gone")
        translate(step, weights, target)

    assert translate_all(folder.path, tmp_path, gone) == [tmp_path / "p-2"]
    assert "model.ckpt-1.safetensors is gone" in warned[0]


def test_a_damaged_one_is_an_error(folder, tmp_path):
    folder.checkpoint(1)

    def damaged(step, weights, target):
        raise CheckpointError("damaged")

    with pytest.raises(CheckpointError, match="damaged"):
        translate_all(folder.path, tmp_path, damaged)


def test_no_checkpoint(folder, translate, tmp_path):
    folder.checkpoint(5)
    with pytest.raises(CheckpointError, match="model has no checkpoint of 6 steps or more"):
        translate_all(folder.path, tmp_path, translate, min_steps=6)


def test_translations_of_a_folder(tmp_path):
    for name in ("p-20", "p-3", "p-flags.txt", ".p-4.part", "notes"):
        (tmp_path / name).write_text("")
    (tmp_path / "folder-5").mkdir()
    assert translations(tmp_path) == {3: tmp_path / "p-3", 20: tmp_path / "p-20"}
    assert translations(tmp_path / "none") == {}
