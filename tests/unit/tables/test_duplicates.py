import numpy as np

from t2tlite.tables.duplicates import Seen


def test_it_finds_what_a_set_finds():
    generator = np.random.default_rng(0)
    seen, known = Seen(), set()
    for size in (1, 500, 3, 2000, 0, 700, 700, 5000):
        hashes = generator.integers(0, 6000, size).astype(np.uint64) << np.uint64(50)
        expected = []
        for number in hashes.tolist():
            expected.append(number not in known)
            known.add(number)
        assert seen.add(hashes).tolist() == expected
    assert sum(map(len, seen._sorted)) == len(known)
    assert len(seen._sorted) < 8
