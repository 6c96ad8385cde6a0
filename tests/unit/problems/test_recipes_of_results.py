"""The problems of docs/results.md, on published data that the user provides."""

import gzip
import importlib
from collections.abc import Callable
from pathlib import Path

import pytest

from t2tlite import registry
from t2tlite.errors import DataError

KnownFile = importlib.import_module("t2tlite.problems.verified_files").KnownFile

RECIPES = {
    "g2p_g014b2b": ("cmudict_g2p", {"train": 110788, "eval": 2650}),
    "translate_ende_multi30k": ("multi30k_en_de/tok", {"train": 29000, "eval": 1014}),
    "scan_simple": ("scan", {"train": 16728, "eval": 4182}),
    "scan_length": ("scan", {"train": 16990, "eval": 3920}),
    "scan_addprim_jump": ("scan", {"train": 14670, "eval": 7706}),
    "char_lm_tinyshakespeare": ("tinyshakespeare", {"train": 3922, "eval": 436}),
    "poetry_clean": ("gutenberg_poetry/clean", {"train": 40915, "eval": 2394, "test": 1863}),
}


@pytest.mark.parametrize("name", RECIPES)
def test_the_data_itself(name: str, shared: Path) -> None:
    folder, sizes = RECIPES[name]
    made = registry.problem(name)
    splits = {
        split: list(made.generate_samples("", str(shared / "data" / folder), split))
        for split in sizes
    }
    assert {split: len(samples) for split, samples in splits.items()} == sizes
    if made.has_inputs and not name.startswith("translate"):
        # What is evaluated is never trained.
        train = {(one["inputs"], one["targets"]) for one in splits["train"]}
        assert not train & {(one["inputs"], one["targets"]) for one in splits["eval"]}


@pytest.mark.parametrize("name", RECIPES)
def test_without_the_data_the_error_says_what_to_get(name: str, generate: Callable) -> None:
    with pytest.raises(
        DataError, match=rf"^{name}: .* doesn't exist; get it \([\d,]+ bytes\) from"
    ):
        generate(name)


def test_another_file_of_the_name_is_refused(tmp_path: Path) -> None:
    known = KnownFile("a", 3, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    (tmp_path / "a").write_text("abc")
    assert known.find("p", tmp_path, "x") == tmp_path / "a"
    (tmp_path / "a").write_text("abd")
    with pytest.raises(DataError, match="has the SHA-256 a52d.*expected ba78"):
        known.find("p", tmp_path, "x")
    (tmp_path / "a").write_text("abcd")
    with pytest.raises(DataError, match="has 4 bytes; expected 3"):
        known.find("p", tmp_path, "x")


@pytest.mark.parametrize("level", [1, 9])
def test_a_packed_file_is_known_by_what_it_holds(tmp_path: Path, level: int) -> None:
    known = KnownFile("a", 3, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    packed = tmp_path / "a.gz"
    packed.write_bytes(gzip.compress(b"abc", level))
    assert known.find("p", tmp_path, "x") == packed
    packed.write_bytes(gzip.compress(b"abd", level))
    with pytest.raises(DataError, match="has the SHA-256 a52d.*expected ba78"):
        known.find("p", tmp_path, "x")
    packed.write_bytes(gzip.compress(b"abcd" * 100, level))
    with pytest.raises(DataError, match="has 400 bytes; expected 3"):
        known.find("p", tmp_path, "x")
    packed.write_bytes(gzip.compress(b"abc", level)[:-3])
    with pytest.raises(DataError, match="a.gz isn't a whole gzip file"):
        known.find("p", tmp_path, "x")
    (tmp_path / "a").write_text("abc")
    assert known.find("p", tmp_path, "x") == tmp_path / "a"
