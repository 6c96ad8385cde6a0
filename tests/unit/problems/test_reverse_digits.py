from collections.abc import Callable


def test_targets_are_inputs_backwards(generated: Callable) -> None:
    samples = generated("reverse_digits")
    assert {split: len(many) for split, many in samples.items()} == {"train": 20_000, "eval": 500}
    for split, shortest in [("train", 1), ("eval", 3)]:
        lengths = set()
        for one in samples[split]:
            assert one["targets"] == one["inputs"][::-1]
            lengths.add(len(one["inputs"].split()))
        assert lengths == set(range(shortest, 11))


def test_evaluation_is_unseen(generated: Callable) -> None:
    samples = generated("reverse_digits")
    seen = {one["inputs"] for one in samples["train"]}
    assert not seen & {one["inputs"] for one in samples["eval"]}
    # What is too short to be evaluated is all there to be learned.
    assert len([inputs for inputs in seen if len(inputs.split()) <= 2]) == 110
