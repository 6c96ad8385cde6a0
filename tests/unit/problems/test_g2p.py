from collections.abc import Callable
from pathlib import Path

from t2tlite import registry


def test_pronunciations(generated: Callable) -> None:
    samples = generated("g2p_cmudict")
    pronounced: dict[str, set[str]] = {}
    for many in samples.values():
        for one in many:
            pronounced.setdefault(one["inputs"], set()).add(one["targets"])
    assert pronounced["h e l l o"] == {"HH AH0 L OW1", "HH EH0 L OW1"}
    assert len(pronounced["t o m a t o"]) == 2


def test_all_pronunciations_of_a_word_are_in_one_split(generated: Callable) -> None:
    words = {
        split: {one["inputs"] for one in many} for split, many in generated("g2p_cmudict").items()
    }
    total = sum(map(len, words.values()))
    assert total == len(set.union(*words.values()))
    assert len(words["eval"]) == len(words["test"]) == round(0.05 * total)


def test_vocabulary(tmp_path: Path) -> None:
    encoder = registry.problem("g2p_cmudict").get_or_create_vocab(str(tmp_path), None)
    # An unknown letter has an id of its own; letters and phonemes don't mix.
    assert encoder.decode(encoder.encode("n a ï v e")) == "n a <UNK> v e"
    assert encoder.encode("b") != encoder.encode("B")
