"""Rows are packed first-fit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from t2tlite.batches import packing
from t2tlite.batches.packing import pack_rows


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 12), st.integers(1, 12)), min_size=1, max_size=40),
    st.integers(1, 16),
)
def test_packing_is_first_fit(lengths, window):
    table = np.array(lengths, np.int32)
    order = np.arange(len(table))[::-1]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packing, "WINDOW", window)
        members, starts = pack_rows(table, order, 12)
    rows = [row.tolist() for row in np.split(members, starts[1:-1])]
    expected = []
    for first in range(0, len(order), window):
        group = order[first : first + window].tolist()
        open_rows = []
        for example in group:
            for row in open_rows:
                if (table[[*row, example]].sum(axis=0) <= 12).all():
                    row.append(example)
                    break
            else:
                open_rows.append([example])
        expected += open_rows
    assert rows == expected
