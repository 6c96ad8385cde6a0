"""Properties of all built-in problems."""

import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from t2tlite import registry

OFFLINE = ["psalm_line_problem", "modernize_kjv", "g2p_cmudict", "reverse_digits"]
OWN_TEXT = ["char_lm_text", "poetry_line_problem"]
POEMS = Path(__file__).resolve().parents[3] / "examples" / "poetry" / "poems.txt"


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object) -> None:
        raise AssertionError("a problem wants the network")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.mark.parametrize("name", OFFLINE + OWN_TEXT)
def test_is_registered_and_described(name: str) -> None:
    assert name in registry.list_problems()
    assert registry.problems.describe(name).endswith(".")


def check(name: str, samples: dict) -> None:
    keys = ["inputs", "targets"] if registry.problem(name).has_inputs else ["targets"]
    for split in samples.values():
        assert split
        for sample in split:
            assert list(sample) == keys
            assert all(type(text) is str and text for text in sample.values())
    pairs = {split: {tuple(one.values()) for one in many} for split, many in samples.items()}
    assert sum(map(len, pairs.values())) == len(set.union(*pairs.values())), "the splits overlap"


@pytest.mark.parametrize("name", OFFLINE)
def test_offline_samples(name: str, generated: Callable) -> None:
    check(name, generated(name))
    again = registry.problem(name).generate_samples("", "", "eval")
    assert list(again) == generated(name)["eval"], "another call, other samples"


@pytest.mark.parametrize("name", OWN_TEXT)
def test_samples_of_own_text(name: str, generate: Callable, tmp_path: Path) -> None:
    (tmp_path / "poems.txt").write_bytes(POEMS.read_bytes())
    samples = generate(name)
    check(name, samples)
    assert generate(name) == samples, "another call, other samples"


def test_only_verse_and_characters_are_sampled_by_default() -> None:
    sampled = {name for name in registry.list_problems() if registry.problem(name).decode_defaults}
    verse = {"poetry_line_problem", "psalm_line_problem"}
    verse |= {f"poetry_clean{size}" for size in ("", "2k", "4k", "8k")}
    assert sampled == verse | {"char_lm_text", "char_lm_tinyshakespeare"}


@pytest.mark.parametrize("name", ["g2p_cmudict", "reverse_digits"])
def test_token_vocabulary_knows_every_token(name: str, generated: Callable, tmp_path: Path) -> None:
    problem = registry.problem(name)
    encoder = problem.get_or_create_vocab(str(tmp_path), None)
    # Without a token for unknown ones the encoder raises.
    unknown = encoder.encode(problem.oov_token) if problem.oov_token else []
    for sample in generated(name)["train"][::97]:
        for text in sample.values():
            ids = encoder.encode(text)
            assert encoder.decode(ids) == text
            assert not set(ids) & set(unknown)


@pytest.mark.parametrize("name", ["g2p_cmudict", "reverse_digits"])
def test_token_vocabulary_is_never_overwritten(name: str, tmp_path: Path) -> None:
    problem = registry.problem(name)
    problem.get_or_create_vocab(str(tmp_path), None)
    path = tmp_path / problem.vocab_filename
    mine = [*path.read_text().splitlines(), "mine"]
    path.write_text("\n".join(mine))
    assert problem.get_or_create_vocab(str(tmp_path), None).vocab_size == len(mine)
    assert path.read_text().endswith("mine")
