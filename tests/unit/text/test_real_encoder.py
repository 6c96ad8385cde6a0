import numpy as np

from t2tlite.text import RealEncoder


def test_numbers():
    encoder = RealEncoder()
    assert encoder.encode(" 1.5 -2e3  4") == [1.5, -2000.0, 4.0]
    # A float32 has no more digits.
    assert encoder.decode([np.float32(0.1).item(), 3.0]) == "0.1 3"
    assert encoder.encode(encoder.decode([1 / 3])) == [0.3333333]
    assert encoder.encode("") == []
