"""T2T's decode hparams that have no field here."""

import pytest

from t2tlite.decode.decoder import DecodeHParams
from t2tlite.errors import HParamsError
from t2tlite.t2t_names.decode_hparams import FOREIGN


def test_t2ts_defaults_change_nothing(warned):
    text = ",".join(f"{name}={foreign.default}" for name, foreign in FOREIGN.items())
    assert DecodeHParams().override(text) == DecodeHParams()
    assert DecodeHParams().override("shards=1.0,log_results=1") == DecodeHParams()
    assert warned == []


def test_what_changes_no_answer_is_told(warned):
    DecodeHParams().override("log_results=false,max_display_decodes=many")
    assert warned == [
        "decode hparam log_results is ignored: it printed every decoded line; read the output file",
        "decode hparam max_display_decodes is ignored: it is for images and video",
    ]


@pytest.mark.parametrize("text", ["shards=2", "skip_eos_postprocess=true", "shard_id=x"])
def test_what_would_change_answers_is_an_error(text):
    with pytest.raises(HParamsError, match=f"decode hparam {text} can't be had: it "):
        DecodeHParams().override(text)


def test_none_has_a_field_too():
    assert not set(FOREIGN) & set(vars(DecodeHParams()))
