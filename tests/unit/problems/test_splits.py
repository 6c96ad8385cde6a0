import importlib

import pytest

from t2tlite.errors import DataError

splits = importlib.import_module("t2tlite.problems.splits")

GROUPS = {f"poem {number}": [(f"{number} a", f"{number} b")] * 3 for number in range(100)}


def test_fraction_depends_on_the_key_alone() -> None:
    # The first 48 bits of SHA-256 of "abc", which is known to start with ba7816bf 8f01.
    assert splits.fraction("abc") == 0xBA7816BF8F01 / 2**48
    shares = [splits.fraction(str(number)) for number in range(1000)]
    assert 0 <= min(shares) < 0.01 < 0.99 < max(shares) < 1


def test_groups_stay_whole() -> None:
    made = splits.split_groups(GROUPS, "poem", eval_share=0.1, test_share=0.05)
    assert {name: len(pairs) for name, pairs in made.items()} == {
        "train": 85 * 3,
        "eval": 10 * 3,
        "test": 5 * 3,
    }
    assert not set(made["train"]) & set(made["eval"])
    assert not set(made["train"]) & set(made["test"])
    assert not set(made["eval"]) & set(made["test"])


def test_order_of_groups_decides_nothing() -> None:
    backwards = dict(reversed(GROUPS.items()))
    made = splits.split_groups(GROUPS, "poem", 0.1, 0.05)
    other = splits.split_groups(backwards, "poem", 0.1, 0.05)
    assert {name: set(pairs) for name, pairs in made.items()} == {
        name: set(pairs) for name, pairs in other.items()
    }


def test_new_group_moves_one_at_most() -> None:
    before = set(splits.split_groups(GROUPS, "poem", 0.1)["eval"])
    moved = []
    for number in range(50):
        more = GROUPS | {f"new {number}": [("x", "y")]}
        moved.append(len(before - set(splits.split_groups(more, "poem", 0.1)["eval"])))
    assert max(moved) == 1
    assert sum(moved) < 20


def test_few_groups_still_have_every_split() -> None:
    three = dict(list(GROUPS.items())[:3])
    made = splits.split_groups(three, "poem", 0.05, 0.05)
    assert [len(pairs) for pairs in made.values()] == [3, 3, 3]
    with pytest.raises(DataError, match=r"found 2 poem\(s\); expected 3 or more"):
        splits.split_groups(dict(list(GROUPS.items())[:2]), "poem", 0.05, 0.05)


def test_repeats_stay_where_they_are_evaluated() -> None:
    made = splits.drop_repeats(
        {
            "train": [("Tyger! Tyger!", "burning"), ("new", "pair"), ("new", "pair"), ("o", "p")],
            "eval": [("Tyger Tyger", "Burning")],
            "test": [("tyger, tyger", "burning,"), ("O", "P")],
        }
    )
    assert made == {
        "train": [("new", "pair")],
        "eval": [("Tyger Tyger", "Burning")],
        "test": [("O", "P")],
    }


def test_neighbours() -> None:
    assert splits.neighbours(["a", "b", "c"]) == [("a", "b"), ("b", "c")]
    assert splits.neighbours(["a"]) == []
