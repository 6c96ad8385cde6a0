"""Checks of what a user's generator yields."""

import numpy as np
import pytest

from t2tlite.data.samples import checked, one_label
from t2tlite.errors import DownloadError, SampleError

BOTH = {"inputs": str, "targets": str}
GOOD = {"inputs": "a", "targets": "b"}


def check(samples):
    return checked(lambda: samples, "my_problem: generate_samples(train)", BOTH)


def test_good_samples_pass_as_they_are_made():
    yielded = []

    def samples():
        for number in range(3):
            yielded.append(number)
            yield {**GOOD, "more": number}

    stream = check(samples())
    assert next(stream) == {**GOOD, "more": 0}
    assert yielded == [0]
    assert len(list(stream)) == 2


@pytest.mark.parametrize(
    ("sample", "message"),
    [
        ("text", "found str 'text'; expected a dict of 'inputs' (str) and 'targets' (str)"),
        (None, "found NoneType None; expected a dict"),
        ({"inputs": "a", "target": "b"}, "found 'inputs', 'target'; expected 'inputs' (str) and"),
        ({}, "found no key; expected 'inputs'"),
        ({**GOOD, "targets": 3}, "'targets' is int 3; expected str"),
        ({**GOOD, "targets": b"\xe9b"}, "'targets': byte 0 of the text, 0xe9, isn't UTF-8"),
        ({**GOOD, "inputs": ["x" * 99]}, "'inputs' is list ['" + "x" * 55 + "...; expected str"),
    ],
)
def test_a_sample_that_cant_be_used(sample, message):
    stream = check([GOOD, sample])
    assert next(stream) == GOOD
    with pytest.raises(SampleError) as caught:
        next(stream)
    where, _, what = str(caught.value).partition(", sample 1: ")
    assert where == "my_problem: generate_samples(train)"
    assert what.startswith(message)


def test_utf8_bytes_and_numpys_integers():
    """As TensorFlow and pandas give them; T2T's encoders took bytes, too."""
    samples = [{"inputs": "é".encode(), "label": np.int64(3)}, {"inputs": "b", "label": True}]
    stream = list(checked(lambda: samples, "p", {"inputs": str, "label": int}))
    assert stream == [{"inputs": "é", "label": 3}, {"inputs": "b", "label": True}]
    assert type(stream[0]["label"]) is int
    with pytest.raises(SampleError, match="'label' is float 3.0; expected int"):
        list(checked(lambda: [{"label": 3.0}], "p", {"label": int}))


def test_a_map_is_a_list():
    """As in Python 2, for which many plugins were written."""
    stream = checked(lambda: [{"targets": map(int, "12"), "a": map(str, [3])}], "p", {})
    assert list(stream) == [{"targets": [1, 2], "a": ["3"]}]


def test_none_in_place_of_an_encoded_sample():
    """T2T leaves it out."""
    samples = [None, {"targets": [1]}, None, None]
    assert list(checked(lambda: samples, "p", {"targets": object}, True)) == [{"targets": [1]}]
    with pytest.raises(SampleError, match="p, sample 0: found NoneType None"):
        list(checked(lambda: samples, "p", {"targets": object}))


def test_one_label():
    good = [{"targets": [3]}, {"targets": np.array([3])}, {"targets": 3}]
    assert list(one_label(good, "p")) == good
    for labels in ([], [1, 2], list(range(39))):
        with pytest.raises(
            SampleError, match=f"^p: sample 3 has {len(labels)} labels; expected one"
        ):
            list(one_label([*good, {"targets": labels}], "p"))


def test_a_hook_that_raises_before_its_first_sample():
    def hook():
        raise LookupError("at once")

    with pytest.raises(SampleError, match="^p raised LookupError at sample 0: at once"):
        list(checked(hook, "p", BOTH))


def test_a_missing_key_is_named():
    with pytest.raises(SampleError, match="add 'targets'$"):
        list(check([{"inputs": "a"}]))


@pytest.mark.parametrize("returned", [None, 3])
def test_what_is_no_generator(returned):
    with pytest.raises(SampleError, match=r"generate_samples\(train\) returned .*: use yield$"):
        list(check(returned))


def test_a_users_exception_is_the_cause():
    error = ZeroDivisionError("mine")

    def samples():
        yield GOOD
        raise error

    with pytest.raises(SampleError) as caught:
        list(check(samples()))
    assert str(caught.value) == (
        "my_problem: generate_samples(train) raised ZeroDivisionError at sample 1: mine; mend the "
        "hook"
    )
    assert caught.value.__cause__ is error


@pytest.mark.parametrize("error", [DownloadError("no net"), KeyboardInterrupt()])
def test_errors_with_words_of_their_own_pass(error):
    def samples():
        yield GOOD
        raise error

    with pytest.raises(type(error)) as caught:
        list(check(samples()))
    assert caught.value is error


@pytest.mark.parametrize("key", ["inputs", "note"])
def test_a_lone_surrogate_names_the_sample(key):
    """Also in a text that no encoder sees."""
    sample = {"inputs": "a", "note": "ü", key: "ü\udcff"}
    samples = checked(lambda: [{"inputs": "a"}, sample], "p: hook", {"inputs": str})
    with pytest.raises(SampleError, match=f"^p: hook, sample 1: '{key}': character 1 of the text"):
        list(samples)
