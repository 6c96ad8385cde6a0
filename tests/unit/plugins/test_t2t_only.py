"""Names of T2T that t2tlite hasn't: why, and what to start from."""

import pytest

from t2tlite import registry
from t2tlite.errors import UnknownNameError
from t2tlite.plugins import t2t_only


@pytest.mark.parametrize(
    ("look_up", "name", "says"),
    [
        (registry.hparams, "transformer_sketch", "sketches; start from transformer_base."),
        (registry.hparams, "imagetransformer_base", "images; start from transformer_base."),
        (registry.hparams, "transformer_big_bs1", "machines; start from transformer_big."),
        (registry.hparams, "transformer_tpu_1b", "machines; start from transformer_tpu."),
        (registry.hparams, "lstm_area_attention_base", "t2tlite; start from lstm_attention."),
        (registry.hparams, "evolved_transformer_big", "t2tlite; start from transformer_base."),
        (registry.hparams, "transformer_moe_2k", "experts; start from transformer_base."),
        (registry.hparams, "transformer_librispeech_v1", "speech; start from transformer_base."),
        (registry.ranged_hparams, "resnet_base_range", "start from transformer_base_range."),
        (registry.model, "slice_net", "t2tlite; train with --model=transformer, or write a"),
        (registry.problem, "image_mnist_rev", "aren't text, and t2tlite only has those."),
    ],
)
def test_names_of_t2t(look_up, name, says):
    with pytest.raises(UnknownNameError) as caught:
        look_up(name)
    message = str(caught.value)
    assert f"{name!r} was never registered; T2T's " in message and f"{says} " in f"{message} "
    assert "none is close" not in message and "the closest" not in message


@pytest.mark.parametrize("name", ["transformer_bse", "my_set", "lstm_sequence", "transformer_x"])
def test_other_names(name):
    assert t2t_only.explain("hparams set", name) == ""


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("hparams set", registry.hparams_sets),
        ("hparams range", registry.ranged_hparams_sets),
        ("model", registry.models),
        ("problem", registry.problems),
    ],
)
def test_what_is_registered_is_not_called_absent(kind, names):
    assert [name for name in names if t2t_only.explain(kind, name)] == []
