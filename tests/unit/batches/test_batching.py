"""Which batching the hparams and the device make, and its bucket bounds."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from t2tlite.batches.batching import Batching, choose_batching
from t2tlite.config import HParams
from t2tlite.errors import HParamsError


@given(st.integers(2, 30), st.floats(1.0001, 3), st.integers(2, 600))
def test_bucket_bounds_are_t2ts(first, step, longest):
    bounds = Batching("bucket", 1000, longest, first_bucket=first, bucket_step=step).bounds
    assert all(bound < longest for bound in bounds)
    assert bounds[:1] == ([first] if first < longest else [])
    for bound, following in itertools.pairwise(bounds):
        assert following == max(bound + 1, int(bound * step))
    if bounds:
        assert max(bounds[-1] + 1, int(bounds[-1] * step)) >= longest


def test_bucket_bounds_of_the_defaults():
    bounds = Batching("bucket", 4096, 256).bounds
    assert bounds[:12] == [8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19]
    assert bounds[-3:] == [196, 215, 236]


class TestChoice:
    """Which batching the hparams and the device make."""

    @pytest.mark.parametrize(
        ("assignments", "static", "can_pack", "kind"),
        [
            ("", False, True, "bucket"),
            ("", True, True, "pack"),
            ("", True, False, "bucket"),
            ("batching=pad", False, True, "pad"),
            ("batching=bucket", True, True, "bucket"),
            ("pack_dataset=true", False, True, "pack"),
        ],
    )
    def test_kind(self, assignments, static, can_pack, kind):
        hparams = HParams().override(assignments)
        assert choose_batching(hparams, static=static, can_pack=can_pack).kind == kind

    def test_sizes(self):
        hparams = HParams().override("batch_size=100,max_length=50,min_length=3")
        batching = choose_batching(hparams, static=False, replicas=4)
        assert (batching.batch_tokens, batching.max_length, batching.min_length) == (400, 50, 3)
        hparams.max_length = 0
        assert choose_batching(hparams, static=False).max_length == 100
        hparams.batching = "pack"
        assert choose_batching(hparams, static=False, packed_length=80).max_length == 80

    def test_static_buckets_are_few(self):
        hparams = HParams().override("batching=bucket")
        assert choose_batching(hparams, static=True).bounds == [8, 16, 32, 64, 128]
        on_tpu = choose_batching(hparams, static=True, length_multiple=128)
        assert (on_tpu.bounds, on_tpu.row_length) == ([128], 256)

    @pytest.mark.parametrize("kind", ["bucket", "pad", "pack"])
    def test_an_example_may_be_longer_than_a_batch(self, kind):
        """As in T2T, it is a batch of one row."""
        hparams = HParams().override(f"batching={kind},batch_size=100,max_length=256")
        batching = choose_batching(hparams, static=False)
        assert (batching.rows(256), batching.rows(50)) == (1, 2)

    @pytest.mark.parametrize(
        ("assignments", "message"),
        [
            ("batching=pack", "batching=pack needs a model and a problem"),
            ("min_length=300", "min_length=300 exceeds max_length=256; lower it"),
        ],
    )
    def test_what_cant_be_had(self, assignments, message):
        hparams = HParams().override(assignments)
        with pytest.raises(HParamsError, match=message):
            choose_batching(hparams, static=False, can_pack=False)
