"""T2T's decode hparams without a field in DecodeHParams."""

import pytest

from t2tlite.decode.decoder import DecodeHParams
from t2tlite.errors import HParamsError
from t2tlite.t2t_names.decode_hparams import T2T_ONLY


def test_t2ts_defaults_change_nothing(warned):
    text = ",".join(f"{name}={hparam.default}" for name, hparam in T2T_ONLY.items())
    assert DecodeHParams().override(text) == DecodeHParams()
    assert DecodeHParams().override("shards=1.0,log_results=1") == DecodeHParams()
    assert warned == []


def test_values_that_change_no_answer_are_ignored_with_a_warning(warned):
    DecodeHParams().override("log_results=false,max_display_decodes=many")
    assert warned == [
        "decode hparam log_results=False is ignored: it prints every decoded line; "
        "read the output file",
        "decode hparam max_display_decodes=many is ignored: it is for images and video",
    ]


@pytest.mark.parametrize("text", ["shards=2", "skip_eos_postprocess=True", "shard_id=x"])
def test_values_that_would_change_answers_are_errors(text):
    with pytest.raises(HParamsError, match=f"decode hparam {text} is not supported: it "):
        DecodeHParams().override(text)


def test_none_has_a_field_too():
    assert not set(T2T_ONLY) & set(vars(DecodeHParams()))
