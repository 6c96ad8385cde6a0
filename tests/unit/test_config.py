"""HParams: T2T's values, parsing by type, unknown names, assignments without effect, JSON."""

import copy
import importlib
import json
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from t2tlite import registry
from t2tlite.assignments import check_value, field_hints
from t2tlite.config import _TYPES, HParams
from t2tlite.errors import HParamsError
from t2tlite.t2t_names.hparams import T2T_ONLY

# By name, as plugins are found; otherwise its sets would be a user's.
recipes = importlib.import_module("t2tlite.hparams.recipes")

# Fields and sets that T2T's Transformers don't have; the sets as differences from its
# transformer_tiny.
OUR_FIELDS = {
    "average_last_share",
    "batching",
    "distill_temperature",
    "ema_decay",
    "learning_rate_cooldown_share",
    "learning_rate_warmup_share",
    "optimizer_muon_learning_rate_ratio",
    "optimizer_muon_momentum",
    "rdrop_alpha",
    "task_balance",
    "weight_decay_cautious",
}
POETRY = {"learning_rate": 0.05, "attention_dropout": 0.6, "layer_prepostprocess_dropout": 0.6}
QUICK = {
    "learning_rate_warmup_steps": 400,
    "attention_dropout": 0.1,
    "layer_prepostprocess_dropout": 0.2,
    "batch_size": 2048,
}
SMALL = {
    "hidden_size": 512,
    "filter_size": 2048,
    "num_heads": 8,
    "layer_prepostprocess_dropout": 0.1,
}
ACT = {"recurrence_type": "act"}
TPU = {
    "add_step_timing_signal": False,
    "optimizer": "Adafactor",
    "learning_rate_schedule": "rsqrt_decay",
    "learning_rate_warmup_steps": 10000,
    "batch_size": 2048,
    "max_length": 64,
    "attention_dropout_broadcast_dims": "0,1",
    "relu_dropout_broadcast_dims": "1",
    "layer_prepostprocess_dropout_broadcast_dims": "1",
}
# Sets that aren't in the fixture: the set that each starts from, and its changes.
OTHER_SETS = {
    "transformer_poetry": ("transformer_tiny", POETRY),
    "transformer_poetry_quick": ("transformer_tiny", {**POETRY, **QUICK}),
    "lstm_bahdanau_attention_multi": ("lstm_bahdanau_attention", {"num_heads": 4}),
    "lstm_luong_attention_multi": ("lstm_luong_attention", {"num_heads": 4}),
    "universal_transformer_small": ("universal_transformer_base", SMALL),
    "universal_transformer_big": (
        "universal_transformer_base",
        {"hidden_size": 2048, "filter_size": 8192},
    ),
    "universal_transformer_base_tpu": ("universal_transformer_base", TPU),
    "adaptive_universal_transformer_base": ("universal_transformer_base", ACT),
    "adaptive_universal_transformer_base_tpu": ("universal_transformer_base", {**TPU, **ACT}),
    "adaptive_universal_transformer_small": ("universal_transformer_base", {**SMALL, **ACT}),
    "adaptive_universal_transformer_tiny": ("universal_transformer_tiny", ACT),
}
PACKED_LM = {
    **{"layer_preprocess_sequence": "none", "layer_postprocess_sequence": "dan"},
    **{"batch_size": 5072, "num_heads": 4, "num_decoder_layers": 6, "weight_decay": 1e-6},
    **{"shared_embedding_and_softmax_weights": False, "label_smoothing": 0.0},
    **{"optimizer": "Adafactor", "learning_rate": 0.1, "learning_rate_warmup_steps": 10000},
    "learning_rate_schedule": "linear_warmup*rsqrt_decay*linear_decay",
    "learning_rate_decay_steps": 27200,
}
SHARED_MASKS = {name: value for name, value in TPU.items() if name.endswith("_dims")}
TALL_ACT = {**SMALL, **ACT, "num_hidden_layers": 16, "batch_size": 1024, "act_max_steps": 24}
TEENY = {"hidden_size": 128, "filter_size": 128, "num_heads": 2}
OTHER_SETS |= {
    "transformer_n_da": ("transformer_base_v2", {"learning_rate": 0.4}),
    "transformer_n_da_l10": (
        "transformer_base_v2",
        {"learning_rate": 0.4, "num_hidden_layers": 10},
    ),
    "transformer_cubbitt": (
        "transformer_big_single_gpu",
        {
            **{"learning_rate_schedule": "rsqrt_decay", "learning_rate_warmup_steps": 8000},
            **{"batch_size": 2900, "max_length": 150, "layer_prepostprocess_dropout": 0.0},
            "optimizer": "Adafactor",
        },
    ),
    "transformer_mlperf_tpu": ("transformer_big_dr1", {**SHARED_MASKS, "batch_size": 2048}),
    "transformer_wikitext103_l4k_v0": (
        "transformer_big",
        {
            **SHARED_MASKS,
            **{"optimizer": "Adafactor", "learning_rate_schedule": "rsqrt_decay"},
            **{"learning_rate_warmup_steps": 10000, "num_heads": 4, "num_hidden_layers": 8},
            **{"max_length": 4096, "batch_size": 4096, "label_smoothing": 0.0},
            **{"layer_prepostprocess_dropout": 0.2},
            "shared_embedding_and_softmax_weights": False,
        },
    ),
    "transformer_ada_lmpackedbase": ("transformer_base_v2", PACKED_LM),
    "transformer_ada_lmpackedbase_relative": ("transformer_base_v2", PACKED_LM),
    "transformer_ada_lmpackedbase_dialog": (
        "transformer_base_v2",
        {**PACKED_LM, "batch_size": 4096, "max_length": 1024},
    ),
    "transformer_teeny": ("transformer_base", TEENY),
    "universal_transformer_teeny": (
        "universal_transformer_tiny",
        {**TEENY, "num_hidden_layers": 6, "num_rec_steps": 10, "act_max_steps": 12},
    ),
    "universal_transformer_tall": ("universal_transformer_base", {**SMALL, "num_rec_steps": 16}),
    "universal_transformer_step_sinusoid_timing_tiny": (
        "universal_transformer_tiny",
        {"step_timing_signal_type": "sinusoid"},
    ),
    "adaptive_universal_transformer_tall": ("universal_transformer_base", TALL_ACT),
    "adaptive_universal_transformer_tall_actlossw0": (
        "universal_transformer_base",
        {**TALL_ACT, "act_loss_weight": 0.0},
    ),
    "adaptive_universal_transformer_tall_actlossw001": (
        "universal_transformer_base",
        {**TALL_ACT, "act_loss_weight": 0.001},
    ),
    **{
        f"adaptive_universal_transformer_base_dropout0{tenths}": (
            "universal_transformer_base",
            {
                **ACT,
                "layer_prepostprocess_dropout": tenths / 10,
                "attention_dropout": tenths / 10,
                "relu_dropout": tenths / 10,
            },
        )
        for tenths in (3, 5)
    },
}
FIELDS = set(HParams().values()) - OUR_FIELDS
HINTS = field_hints(HParams)


@pytest.fixture(scope="module")
def t2t_sets(shared):
    """Returns T2T's values by set; the fixture has the differences from transformer_base."""
    sets = json.loads((shared / "fixtures/t2t/hparams.json").read_text())
    base = sets.pop("transformer_base")
    # T2T multiplies in float32 unless told otherwise, t2tlite in what is faster.
    base["activation_dtype"] = "auto"

    def whole(one):
        kept = {name: value for name, value in base.items() if name not in one["_absent"]}
        return {**kept, **one["_differs"]}

    return {"transformer_base": base, **{name: whole(one) for name, one in sets.items()}}


def test_every_field_has_t2ts_default(t2t_sets):
    base = t2t_sets["transformer_base"]
    assert {name: base[name] for name in FIELDS} == {
        name: getattr(HParams(), name) for name in FIELDS
    }


def test_every_t2t_name_is_known(t2t_sets):
    base = t2t_sets["transformer_base"]
    assert set(base) == set(T2T_ONLY) | FIELDS
    assert not FIELDS & set(T2T_ONLY)
    assert {name: one.default for name, one in T2T_ONLY.items()} == {
        name: base[name] for name in T2T_ONLY
    }


# Sets of docs/results.md, which T2T doesn't have.
RECIPES = {name for name in vars(recipes) if not name.startswith("_")}


# Ours.
MODERN = {name for name in registry.list_hparams() if name.startswith("transformer_modern_")}


@pytest.mark.parametrize("name", sorted(set(registry.list_hparams()) - RECIPES - MODERN))
def test_sets_have_t2ts_values(t2t_sets, name):
    ours = registry.hparams(name).check().values()
    base, changes = OTHER_SETS.get(name, (name, {}))
    expected = {**t2t_sets[base], **changes}
    # None in T2T.
    if "pos" in expected:
        expected["pos"] = expected["pos"] or "none"
    # T2T's LSTM sets lack the hparams that only Transformers read.
    assert set(ours) - set(expected) <= OUR_FIELDS | (
        FIELDS if base.startswith(("basic", "lstm")) else set()
    )
    assert set(expected) - set(ours) <= set(T2T_ONLY)
    known = set(expected) & set(ours)
    assert {key: ours[key] for key in known} == {key: expected[key] for key in known}


# Sets of the fixture that need a part that isn't here.
ABSENT = ("_vq", "_bs", "transformer_tall_pretrain", "_with_conv", "transformer_tpu_1b")


def test_every_set_whose_parts_exist_is_here(t2t_sets):
    expected = {name for name in t2t_sets if not any(part in name for part in ABSENT)}
    assert len(expected) > 60
    assert expected <= set(registry.list_hparams())


def test_t2ts_values_are_in_range(t2t_sets):
    for values in t2t_sets.values():
        for name in _TYPES.keys() & values.keys():
            check_value(name, getattr(HParams().assign({name: values[name]}), name), HINTS[name])


def names_of(kind):
    return st.sampled_from(sorted(name for name, one in _TYPES.items() if one is kind))


@given(names_of(int), st.integers(-(2**40), 2**40))
def test_int_fields(name, value):
    for text in (str(value), f" {value} ", f"{value}.0"):
        parsed = getattr(HParams().override(f"{name}={text}"), name)
        assert (parsed, type(parsed)) == (value, int)


@given(names_of(float), st.floats(allow_nan=False, allow_infinity=False))
def test_float_fields(name, value):
    parsed = getattr(HParams().override(f"{name}={value!r}"), name)
    assert (parsed, type(parsed)) == (value, float)


@given(names_of(str), st.from_regex(r"[a-z0-9_*.+-]+", fullmatch=True))
def test_text_fields(name, value):
    assert getattr(HParams().override(f"{name}={value}"), name) == value


BOOLEANS = [("true", True), ("True", True), ("1", True), ("false", False), ("0", False)]


@pytest.mark.parametrize(("text", "value"), BOOLEANS)
def test_bool_fields(text, value):
    assert HParams().override(f"pack_dataset={text}").pack_dataset is value


def test_an_item_of_a_list():
    hparams = HParams()
    hparams.add_hparam("sizes", [1, 2])
    assert hparams.override("sizes[1]=5,sizes[0]=4").sizes == [4, 5]
    with pytest.raises(HParamsError, match=r"batch_size\[0\] doesn't exist: batch_size is 4096"):
        hparams.override("batch_size[0]=1")


def test_a_field_that_may_be_none():
    assert HParams().override("learning_rate_minimum=1e-5").learning_rate_minimum == 1e-5
    assert HParams().override("learning_rate_minimum=None").learning_rate_minimum is None


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("batch_size=many", "batch_size='many' is not an integer"),
        ("batch_size=1.5", "batch_size='1.5' is not an integer"),
        ("batch_size=inf", "batch_size='inf' is not an integer"),
        ("batch_size=nan", "batch_size='nan' is not an integer"),
        ("relu_dropout=some", "relu_dropout='some' is not a finite number"),
        ("learning_rate_constant=nan", "learning_rate_constant='nan' is not a finite number"),
        ("weight_decay=-inf", "weight_decay='-inf' is not a finite number"),
        ("hidden\tsize=3", "no hparam is named 'hidden\\tsize': did you mean hidden_size"),
        ("pack_dataset=2", "pack_dataset='2' is not true or false"),
        ("batch_size", "'batch_size' is not name=value"),
        ("=3", "'=3' is not name=value"),
        ("batch_size=1,batch_size=2", "batch_size is assigned twice, 1 and 2; keep one"),
        ("batch_sise=3", "no hparam is named batch_sise: did you mean batch_size"),
        ("zzz=3", "no hparam is named zzz: none is close"),
        ("teacher_model=resnet", "no hparam is named teacher_model: it belongs to T2T"),
        ("random_seed=3", "no hparam is named random_seed: it is a flag, --random_seed"),
        ("extra=3", "no hparam is named extra"),
        ("norm_type=noam", "hparam norm_type=noam is not supported: it selects other"),
    ],
)
def test_assignments_that_fail(assignment, message):
    with pytest.raises(HParamsError) as caught:
        HParams().override(assignment)
    assert str(caught.value).startswith(message)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize(
    ("value", "name"),
    [(True, "batch_size"), (True, "relu_dropout"), (3, "optimizer"), ([1], "hidden_size")],
)
def test_values_of_another_type(value, name):
    with pytest.raises(HParamsError, match=f"^{name}="):
        setattr(HParams(), name, value)


def test_ints_become_floats_and_none_a_string():
    hparams = HParams()
    hparams.relu_dropout = 0
    hparams.layer_preprocess_sequence = None
    assert (hparams.relu_dropout, type(hparams.relu_dropout)) == (0.0, float)
    assert hparams.layer_preprocess_sequence == "none"


def test_several_assignments():
    hparams = HParams().override("hidden_size=64,num_heads=4")
    assert (hparams.hidden_size, hparams.num_heads) == (64, 4)


def test_a_misspelt_attribute_is_an_error_too():
    hparams = HParams()
    with pytest.raises(HParamsError, match="did you mean hidden_size"):
        hparams.hiden_size = 3
    hparams.add_hparam("attention_layer_size", 8)
    with pytest.raises(HParamsError, match="did you mean attention_layer_size"):
        hparams.override("atention_layer_size=3")
    with pytest.raises(AttributeError, match="did you mean hidden_size"):
        _ = hparams.hiden_size


class TestT2TOnly:
    """T2T's hparams without a field."""

    def test_default_is_silent(self, warned):
        hparams = HParams().override("norm_type=layer,use_pad_remover=true")
        assert hparams.norm_type == "layer"
        assert not hparams.extra
        assert not warned

    def test_a_harmless_one_logs_a_warning(self, warned):
        HParams().override("symbol_modality_num_shards=1")
        [line] = warned
        assert line.startswith("hparam symbol_modality_num_shards=1 is ignored: it splits")

    @pytest.mark.parametrize("name", sorted(T2T_ONLY))
    def test_other_values_are_kept_ignored_or_an_error(self, warned, name):
        hparams = HParams()
        if T2T_ONLY[name].unread or T2T_ONLY[name].harmless or T2T_ONLY[name].mixed:
            hparams.add_hparam(name, "other")
            # A plugin's own model may read it.
            assert hparams.copy().values()[name] == getattr(hparams, name) == "other"
            assert len(warned) == T2T_ONLY[name].harmless
        else:
            with pytest.raises(HParamsError, match=f"{name}=other is not supported: it "):
                setattr(hparams, name, "other")

    def test_what_nothing_reads_may_have_any_value(self, warned):
        """The defaults of T2T's basic_params1, and a set for several problems."""
        values = {
            "moe_loss_coef": 0.01,
            "moe_num_experts": 64,
            "scheduled_sampling_warmup_steps": 1,
        }
        values |= {"multiproblem_mixing_schedule": "pretrain", "multiproblem_vocab_size": 65536}
        values |= {"max_area_width": 4, "gumbel_noise_weight": 0.5, "kernel_height": 5}
        hparams = HParams().assign(values)
        assert {name: getattr(hparams, name) for name in values} == values
        assert warned == []
        HParams().override("moe_k=5,max_area_width=4")
        assert warned == [
            "hparam moe_k has no effect: it is only read with ffn_layer=local_moe and other "
            "mixtures of experts",
            "hparam max_area_width has no effect: it is only read with num_area_layers above 0",
        ]

    @pytest.mark.parametrize(
        ("name", "value"),
        [("ffn_layer", "local_moe"), ("num_area_layers", 1), ("scheduled_sampling_prob", 0.1)],
    )
    def test_what_turns_a_reader_on_is_an_error(self, name, value):
        with pytest.raises(HParamsError, match=f"{name}={value} is not supported"):
            HParams().assign({name: value})

    def test_the_first_name_of_the_feed_forward_layer(self, warned):
        assert HParams().override("ffn_layer=conv_hidden_relu").ffn_layer == "conv_hidden_relu"
        assert warned == []

    def test_wrong_type(self):
        with pytest.raises(HParamsError, match="moe_k='many' is not an integer"):
            HParams().override("moe_k=many")


class TestWithoutEffect:
    """Warnings about assignments without effect."""

    def test_learning_rate(self, warned):
        HParams().override("learning_rate=0.1")
        [line] = warned
        assert "hparam learning_rate has no effect" in line
        assert line.endswith("set learning_rate_constant instead")

    @pytest.mark.parametrize(
        "assignments",
        [
            "learning_rate_schedule=legacy,learning_rate=0.1,learning_rate_decay_scheme=none",
            "learning_rate_constant=1",
            "learning_rate_schedule=exp_decay,learning_rate_decay_rate=0.5",
            "learning_rate=0.1,learning_rate_schedule=legacy",
            "max_relative_position=4,self_attention_type=dot_product_relative",
            "optimizer=MultistepAdam,optimizer_adam_beta1=0.8",
            "optimizer=muon,optimizer_adam_beta1=0.8,optimizer_muon_momentum=0.9",
            "weight_decay=0.1,weight_decay_cautious=true",
        ],
    )
    def test_hparams_with_an_effect(self, warned, assignments):
        HParams().override(assignments)
        assert not warned

    def test_constant_without_its_factor(self, warned):
        HParams().override("learning_rate_schedule=legacy,learning_rate_constant=1")
        assert len(warned) == 1

    def test_relative_positions_of_absolute_ones(self, warned):
        HParams().override("max_relative_position=4")
        assert warned == [
            "hparam max_relative_position has no effect: self_attention_type=dot_product"
        ]

    def test_hparams_without_their_reader(self, warned):
        HParams().override("optimizer_muon_momentum=0.9,weight_decay_cautious=true")
        HParams().override("optimizer=muon,optimizer_momentum_nesterov=true")
        HParams().override("distill_temperature=2")
        HParams().override("distill_temperature=2,task_balance=0.5")
        assert warned == [
            "hparam optimizer_muon_momentum has no effect: optimizer=adam doesn't read it",
            "hparam weight_decay_cautious has no effect: weight_decay=0.0",
            "hparam optimizer_momentum_nesterov has no effect: optimizer=muon doesn't read it",
            "hparam distill_temperature has no effect: task_balance=1.0 leaves the teacher out",
        ]

    def test_layers_of_universal_transformers(self, warned):
        registry.hparams("universal_transformer_tiny").override("num_hidden_layers=12")
        registry.hparams("adaptive_universal_transformer_tiny").override("num_encoder_layers=12")
        assert warned == [
            "hparam num_hidden_layers has no effect: recurrence_type=basic reads num_rec_steps",
            "hparam num_encoder_layers has no effect: recurrence_type=act reads act_max_steps",
        ]


class TestAddedHParams:
    """Hparams added by add_hparam."""

    def test_each_type_is_parsed_like_its_default(self):
        hparams = HParams()
        for name, value in [("n", 1), ("x", 0.5), ("on", False), ("s", "a"), ("l", [1, 2])]:
            hparams.add_hparam(name, value)
        hparams.override("n=2,x=3,on=true,s=b,l=[3,4,5]")
        expected = {"n": 2, "x": 3.0, "on": True, "s": "b", "l": [3, 4, 5]}
        assert {name: getattr(hparams, name) for name in expected} == expected
        hparams.n = 7
        assert hparams.values()["n"] == 7
        with pytest.raises(HParamsError, match="n='z' is not an integer"):
            hparams.override("n=z")

    def test_a_known_name_is_assigned(self):
        hparams = HParams()
        hparams.add_hparam("hidden_size", 64)
        assert (hparams.hidden_size, hparams.extra) == (64, {})

    def test_copies_are_independent(self):
        hparams = HParams()
        hparams.add_hparam("mine", 1)
        for other in (hparams.copy(), copy.deepcopy(hparams), pickle.loads(pickle.dumps(hparams))):
            assert other == hparams
            other.mine = 2
            other.batch_size = 1
            assert (hparams.mine, hparams.batch_size) == (1, 4096)


@given(st.floats(0, 0.99), st.integers(1, 10**9), st.none() | st.floats(1e-9, 1))
def test_json_round_trip(dropout, batch_size, minimum):
    hparams = HParams(relu_dropout=dropout, batch_size=batch_size, learning_rate_minimum=minimum)
    hparams.add_hparam("mine", [1, 2])
    assert HParams.from_values(json.loads(hparams.to_json())) == hparams


def test_hparams_from_a_file(tmp_path):
    path = tmp_path / "best.json"
    path.write_text('{"hidden_size": 64, "learning_rate_minimum": null, "added": [1, 2]}')
    hparams = HParams()
    hparams.add_hparam("added", [0])
    assert list(hparams.assign_json(path)) == ["hidden_size", "learning_rate_minimum", "added"]
    assert (hparams.hidden_size, hparams.learning_rate_minimum) == (64, None)
    assert hparams.added == [1, 2]
    whole = tmp_path / "whole.json"
    whole.write_text(hparams.to_json())
    again = HParams()
    again.add_hparam("added", [0])
    again.assign_json(whole)
    assert again == hparams


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"hiden_size": 64}', "no hparam is named hiden_size: did you mean hidden_size"),
        ('{"hidden_size": "wide"}', "hidden_size='wide' is not an integer"),
        ("[1]", "holds no hparams; expected"),
        ("{", "can't read hparams from"),
        (100_000 * "[", "can't read hparams from"),
        ('{"extra": {}}', "no hparam is named extra"),
        ('{"num_heads": 1e400}', "num_heads=inf is not an integer"),
        ('{"learning_rate": NaN}', "learning_rate=nan is not a finite number"),
    ],
)
def test_an_invalid_file(tmp_path, text, message):
    path = tmp_path / "best.json"
    path.write_text(text)
    with pytest.raises(HParamsError, match=message):
        HParams().assign_json(path)
    with pytest.raises(HParamsError, match="No such file"):
        HParams().assign_json(tmp_path / "none")


def test_the_text_form_has_what_differs_from_the_defaults():
    hparams = HParams(num_heads=4)
    hparams.add_hparam("own", "x")
    assert repr(hparams) == "HParams(num_heads=4, own='x')"
    small = registry.hparams("transformer_small")
    assert repr(small) == "<HParams of transformer_small: unchanged>"
    assert repr(small.override("num_heads=2")) == "<HParams of transformer_small: num_heads=2>"
    assert small == HParams.from_values(small.values())
    assert hparams.changes(HParams(num_heads=4, hidden_size=8)) == {"hidden_size": 512, "own": "x"}


def test_changes_may_be_a_dict():
    hparams = HParams().override({"num_heads": 4, "pos": "none", "learning_rate_constant": "0.5"})
    assert hparams.changes() == {"num_heads": 4, "pos": "none", "learning_rate_constant": 0.5}
    with pytest.raises(HParamsError, match="no hparam is named heads"):
        HParams().override({"heads": 4})
    with pytest.raises(HParamsError, match="hparams=7; expected .*a=1,b=2.* or a dict"):
        HParams().override(7)
