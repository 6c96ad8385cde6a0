"""DecodeHParams: bounds, conversion, and that any assignment is valid or one line of error."""

import dataclasses
import math
from typing import Literal, get_origin

import pytest
from hypothesis import given
from hypothesis import strategies as st

from t2tlite import DecodeHParams
from t2tlite.assignments import field_hints
from t2tlite.errors import HParamsError
from t2tlite.t2t_names.decode_hparams import T2T_ONLY

HINTS = field_hints(DecodeHParams)


def test_every_field_has_a_range():
    free = {name for name, hint in HINTS.items() if hint is bool}
    assert free == {
        *("force_decode_length", "return_beams", "write_beam_scores", "decode_in_memory")
    }
    choices = {name for name, hint in HINTS.items() if get_origin(hint) is Literal}
    assert all(hasattr(HINTS[name], "__metadata__") for name in HINTS.keys() - free - choices)
    DecodeHParams().check()


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("alpha=nan", "decode hparam alpha='nan' is not a finite number"),
        ("alpha=inf", "decode hparam alpha='inf' is not a finite number"),
        ("alpha=-1", "alpha=-1.0 is outside 0.0 to 10.0"),
        ("sampling_temp=nan", "decode hparam sampling_temp='nan' is not a finite number"),
        ("sampling_temp=1e-30", "sampling_temp=1e-30 is outside 0.001 to 1000.0, and not 0.0"),
        ("sampling_top_p=0", "sampling_top_p=0.0 is outside"),
        ("sampling_keep_top_k=-2", "sampling_keep_top_k=-2 is outside -1 to"),
        ("batch_size=-1", "batch_size=-1 is outside 0 to 100000"),
        ("num_samples=-7", "num_samples=-7 is outside -1 to"),
        ("max_input_size=-2", "max_input_size=-2 is outside -1 to"),
        ("beam_size=1000000", "beam_size=1000000 is outside 1 to 1000"),
        ("beam_size=99999999999999999999", "beam_size=99999999999999999999 is outside 1 to"),
        ("beam_size=4.5", "decode hparam beam_size='4.5' is not an integer"),
        ("extra_length=2000000000", "extra_length=2000000000 is outside 0 to 100000"),
        ("min_length=1e9", "min_length=1000000000 is outside 0 to 100000"),
        ("random_seed=-1", "random_seed=-1 is outside 0 to 4294967295"),
        ("sampling_method=greedy", "sampling_method=greedy is not one of: argmax, random"),
        ("beam\nsize=3", "no decode hparam is named 'beam\\nsize': did you mean beam_size"),
    ],
)
def test_values_out_of_bounds(assignment, message):
    with pytest.raises(HParamsError) as caught:
        DecodeHParams().override(assignment).check()
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("value", [4, 4.0, "4", "4.0", " 4 "])
def test_whole_numbers_in_any_spelling(value):
    """An argument, an attribute and an assignment give the same."""
    assigned = DecodeHParams()
    assigned.beam_size = value
    for hparams in (
        DecodeHParams(beam_size=value),
        dataclasses.replace(DecodeHParams(), beam_size=value),
        DecodeHParams().override(f"beam_size={value}"),
        assigned,
    ):
        assert (hparams.beam_size, type(hparams.beam_size)) == (4, int)


def test_a_misspelt_attribute_is_an_error():
    with pytest.raises(HParamsError, match="no field beamsize: did you mean beam_size"):
        DecodeHParams().beamsize = 2
    with pytest.raises(HParamsError, match="alpha=nan is not a finite number"):
        DecodeHParams(alpha=math.nan)


@given(
    st.sampled_from([*HINTS, *T2T_ONLY]) | st.text(max_size=8),
    st.text(max_size=12) | st.floats().map(repr) | st.integers().map(str) | st.none().map(str),
)
def test_any_assignment(name, value):
    try:
        hparams = DecodeHParams().override(f"{name}={value}").check()
    except HParamsError as error:
        assert len(str(error).splitlines()) == 1
    else:
        assert hparams.override(f"{name}={value}") == hparams.check()


def test_defaults_of_a_model():
    defaults = DecodeHParams.defaults_of_model("beam_size=2,alpha=0.6", {"extra_length": 7})
    assert defaults == {"beam_size": 2, "extra_length": 7}
    assert DecodeHParams.of("", defaults) == DecodeHParams(beam_size=2, extra_length=7)
    assert DecodeHParams.of("beam_size=3", defaults).beam_size == 3
    assert DecodeHParams.of({"beam_size": 3}, defaults).extra_length == 7
    # One that is complete stays as it is.
    assert DecodeHParams.of(DecodeHParams(), defaults) == DecodeHParams()


@pytest.mark.parametrize("name", ["num_samples", "delimiter", "return_beams", "batch_size"])
def test_a_model_does_not_change_what_is_read_or_written(name):
    with pytest.raises(HParamsError, match=f"decode hparam {name} is no default of a model"):
        DecodeHParams.of("", {name: 1})
    with pytest.raises(HParamsError, match="is no default of a model: .* give it when you decode"):
        DecodeHParams.defaults_of_model(f"{name}=1", {})


def test_a_beam_size_asks_a_model_that_samples_for_a_search():
    sampling = {"sampling_method": "random", "sampling_temp": 0.7}
    for how in ("beam_size=4,alpha=1", {"beam_size": 4}):
        assert DecodeHParams.of(how, sampling).sampling_method == "argmax"
        assert DecodeHParams.defaults_of_model(how, sampling)["sampling_method"] == "argmax"
        assert DecodeHParams.of("", sampling).for_call(how, {}).sampling_method == "argmax"
    assert DecodeHParams.of("alpha=1", sampling).sampling_method == "random"
    for how in ("beam_size=1,sampling_method=random", "sampling_method=random,beam_size=1"):
        assert DecodeHParams.of(how, sampling).sampling_method == "random"
    # Where nothing was said, the model's hparams decide.
    assert DecodeHParams.of("beam_size=4", {}) == DecodeHParams()


def test_a_choice_among_beams():
    sampling = {"sampling_method": "random"}
    assert DecodeHParams.of("mbr=chrf", sampling).sampling_method == "argmax"
    assert DecodeHParams.of("mbr=", sampling).sampling_method == "random"
    # An earlier choice ends where there is nothing to choose from.
    chooses = DecodeHParams.of("mbr=chrf", {}).check()
    assert chooses.for_call(None, {"beam_size": 2}).mbr == "chrf"
    assert chooses.for_call("beam_size=1", {}).mbr == ""
    assert chooses.for_call({"sampling_method": "random"}, {}).mbr == ""
    with pytest.raises(HParamsError, match="beam_size is 1"):
        chooses.for_call(DecodeHParams(beam_size=1, mbr="chrf"), {})
    # The compiled search is the same.
    assert chooses.of_search() == DecodeHParams().of_search()


def test_what_is_about_files_has_no_effect_on_texts():
    with pytest.raises(HParamsError, match="return_beams is about files, as decode_file reads"):
        DecodeHParams().for_call(None, {"return_beams": True})
    assert DecodeHParams().for_call("num_samples=3", {"batch_size": 2}).batch_size == 2


def test_a_default_that_is_impossible():
    with pytest.raises(HParamsError, match="no decode hparam is named beams"):
        DecodeHParams.of("", {"beams": 1})
    with pytest.raises(HParamsError, match="beam_size=.* is not an integer"):
        DecodeHParams.of("", {"beam_size": [1]})
