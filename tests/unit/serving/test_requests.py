"""Decoding parameters of a request, and the limits that they keep."""

import dataclasses

import pytest

from t2tlite.serving.limits import Limits
from t2tlite.serving.requests import RequestError, parse_parameters
from tests.unit.serving.conftest import SERVED

LIMITS = Limits(max_beam_size=8, max_extra_length=50)


def parse(parameters, stream=False, served=SERVED):
    return parse_parameters(parameters, served, LIMITS, stream)


def test_settings_are_those_of_the_server_with_changes():
    assert parse({}).settings == SERVED.settings
    found = parse({"beam_size": 4, "alpha": 1, "extra_length": 50})
    assert found.settings == dataclasses.replace(
        SERVED.settings, beam_size=4, alpha=1.0, extra_length=50
    )
    # Equal settings share a batch.
    assert hash(parse({"alpha": 0.6}).settings) == hash(SERVED.settings)


def test_a_cut_means_sampling():
    for cut in ({"sampling_temp": 0.5}, {"sampling_keep_top_k": 3}, {"sampling_top_p": 0.5}):
        found = parse({**cut, "n": 3})
        assert found.settings.samples
        assert found.repeated(["a", "b"]) == ["a", "a", "a", "b", "b", "b"]
    assert not parse({"sampling_temp": 0.5, "sampling_method": "argmax"}).settings.samples


def test_a_seed_gives_each_sample_its_own():
    found = parse({"sampling_temp": 0.5, "random_seed": 3, "n": 2})
    rows = found.repeated(["a", "b"])
    assert [row.line for row in rows] == ["a", "a", "b", "b"]
    assert rows[0].seed != rows[1].seed
    # A line's samples depend on the line and the seed alone, and other seeds may share its batch.
    assert [row.seed for row in rows[:2]] == [row.seed for row in rows[2:]]
    other = parse({"sampling_temp": 0.5, "random_seed": 4, "n": 2})
    assert other.settings == found.settings
    assert not {row.seed for row in rows} & {row.seed for row in other.repeated(["a"])}


def test_n_raises_the_default_beam_size():
    assert parse({"n": 5}).settings.beam_size == 5
    assert parse({"n": 1}).settings.beam_size == 2


def test_a_stream_is_greedy_unless_it_samples():
    assert parse({}, stream=True).settings.beam_size == 1
    assert parse({"sampling_temp": 0.5}, stream=True).settings.samples
    for refused in ({"beam_size": 2}, {"n": 2}, {"sampling_temp": 0.5, "n": 2}):
        with pytest.raises(RequestError, match="be streamed; leave out"):
            parse(refused, stream=True)


def test_a_server_that_chooses_among_beams():
    settings = dataclasses.replace(SERVED.settings, mbr="chrf", beam_size=4)
    served = dataclasses.replace(SERVED, settings=settings)
    assert parse({"n": 2}, served=served).settings.mbr == "chrf"
    for parameters in ({"beam_size": 1}, {"sampling_temp": 0.5}):
        assert parse(parameters, served=served).settings.mbr == ""
    assert parse({}, stream=True, served=served).settings.mbr == ""


def test_a_large_default_is_no_limit_for_the_server():
    settings = dataclasses.replace(SERVED.settings, extra_length=500)
    large = dataclasses.replace(SERVED, settings=settings)
    assert parse({}, served=large).settings.extra_length == 500
    assert parse({"extra_length": 400}, served=large).settings.extra_length == 400


def test_a_beam_size_asks_a_model_that_samples_for_a_search():
    sampling = dataclasses.replace(SERVED.settings, sampling_method="random")
    sampled = dataclasses.replace(SERVED, settings=sampling)
    assert parse({}, served=sampled).settings.samples
    assert not parse({"beam_size": 2}, served=sampled).settings.samples


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ([], "must be an object of"),
        ({"temperature": 1}, "must be an object of"),
        ({"num_samples": 1}, "must be an object of"),
        ({"beam_size": 9}, '"beam_size" is outside 1 to 8'),
        ({"beam_size": 0}, '"beam_size" is outside 1 to 8'),
        ({"beam_size": 2.5}, '"beam_size" is 2.5; expected an integer'),
        ({"beam_size": "4"}, "expected an integer"),
        ({"n": 3, "beam_size": 2}, 'is 3, more than "beam_size", 2'),
        ({"extra_length": 101}, '"extra_length" is outside 0 to 100'),
        ({"no_repeat_ngram_size": 3}, "must be an object of"),
        ({"alpha": "1"}, "\"alpha\" is '1'; expected a number"),
        ({"alpha": True}, '"alpha" is True; expected a number'),
        ({"alpha": None}, "expected a number"),
        ({"alpha": float("nan")}, "is not a finite number"),
        ({"alpha": -1}, "alpha=-1.0 is outside"),
        ({"sampling_temp": -1}, "sampling_temp=-1.0 is outside"),
        ({"sampling_temp": 1e9}, "sampling_temp=1000000000.0 is outside"),
        ({"sampling_top_p": 0}, "sampling_top_p=0.0 is outside"),
        ({"sampling_keep_top_k": -2}, "sampling_keep_top_k=-2 is outside"),
        ({"sampling_keep_top_k": 10**5000}, "sampling_keep_top_k="),
        ({"sampling_method": "beam"}, "sampling_method="),
        ({"sampling_method": 1}, "expected a string"),
        ({"random_seed": -1}, "random_seed=-1 is outside"),
        ({"random_seed": 1.5}, "random_seed"),
        ({"sampling_temp": 1, "beam_size": 2}, '"beam_size" has no effect on sampling'),
    ],
)
def test_what_is_refused(parameters, message):
    with pytest.raises(RequestError) as caught:
        parse(parameters)
    assert caught.value.status == 400
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_tag_chooses_the_problem_of_a_mixture():
    found = parse({"decode_tag": "<2de>"}).settings
    assert found.decode_tag == "<2de>"
    # Lines of other tags have batches of their own.
    assert found != parse({"decode_tag": "<2fr>"}).settings
    with pytest.raises(RequestError, match='"decode_tag" is 3; expected a string'):
        parse({"decode_tag": 3})
