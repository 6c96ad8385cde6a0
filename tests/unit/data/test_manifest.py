"""The manifest of a data folder."""

import json

import pytest

from t2tlite.data import manifest
from t2tlite.data.manifest import Manifest, Split
from t2tlite.errors import DataError

MADE = Manifest(
    problem="p",
    seed=3,
    splits={"train": Split(2, 10, {"targets": 30}, {"targets": 5}, {"p-train-00000-of-00002": 9})},
    vocabularies={"vocab.p": "abc"},
    source="def",
    versions={"t2tlite": "1"},
)


def test_round_trip(tmp_path):
    assert manifest.read(tmp_path, "p") is None
    MADE.write(manifest.path_of(tmp_path, "p"))
    assert [path.name for path in tmp_path.iterdir()] == ["p.manifest.json"]
    assert manifest.read(tmp_path, "p") == MADE
    assert manifest.read(tmp_path, "q") is None


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"format": 1, "splits": {"a": {"x": 1}}}'])
def test_a_damaged_one(tmp_path, text):
    (tmp_path / "p.manifest.json").write_text(text)
    with pytest.raises(DataError, match="p.manifest.json is damaged .*; run t2t-datagen"):
        manifest.read(tmp_path, "p")


def test_a_later_format(tmp_path):
    MADE.write(manifest.path_of(tmp_path, "p"))
    path = manifest.path_of(tmp_path, "p")
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 2}))
    with pytest.raises(DataError, match="has format 2, .* reads formats up to 1; upgrade"):
        manifest.read(tmp_path, "p")
