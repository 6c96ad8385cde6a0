"""The manifest of a data folder."""

import json
import tempfile

import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st

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


@pytest.mark.parametrize(
    "change",
    [
        {"vocabularies": {"../vocab": "abc"}},
        {"vocabularies": ["vocab"]},
        {"vocabularies": {"vocab": 3}},
        {"splits": {"train": {"bytes": {"../p-train-00000-of-00001": 3}}}},
        {"splits": {"train": {"bytes": {"/p-train-00000-of-00001": 3}}}},
        {"splits": {"train": {"bytes": {"p-train-00000-of-00001": "3"}}}},
        {"splits": {"train": []}},
        {"splits": []},
        {"problem": "../p"},
        {"problem": 3},
        {"seed": "3"},
        {"sources": {"a": 3}},
        {"line\nbreak": 1},
        {"format": None},
        {"format": True},
    ],
)
def test_values_of_another_kind(tmp_path, change):
    MADE.write(manifest.path_of(tmp_path, "p"))
    path = manifest.path_of(tmp_path, "p")
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(DataError, match="p.manifest.json is damaged") as caught:
        manifest.read(tmp_path, "p")
    assert len(str(caught.value).splitlines()) == 1


def test_sources_that_are_no_paths(tmp_path):
    assert manifest.changed_files(str(tmp_path), {"a\0b": [1, 2], "x" * 5000: [1, 2]})


KEYS = st.sampled_from([*json.loads(json.dumps(vars(MADE), default=vars)), "bytes", "train"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(KEYS | st.text(), inner),
    max_leaves=12,
)


@seed(0)
@settings(max_examples=120, deadline=None)
@given(
    st.binary(max_size=80)
    | VALUES.map(lambda value: json.dumps(value).encode())
    | st.dictionaries(KEYS, VALUES).map(
        lambda changes: json.dumps({**vars(MADE), **changes}, default=vars).encode()
    )
)
def test_any_bytes_are_a_manifest_or_one_line(content):
    with tempfile.TemporaryDirectory() as folder:
        path = manifest.path_of(folder, "p")
        path.write_bytes(content)
        try:
            read = manifest.read(folder, "p")
        except DataError as error:
            assert len(str(error).splitlines()) == 1
            assert str(path) in str(error)
            return
        read.write(path)
        assert manifest.read(folder, "p") == read
        assert all("/" not in name for name in (*read.sizes, *read.vocabularies))
