"""T2T's HParams, made from nothing, and those of sets, which have t2tlite's fields too."""

import copy
import json

import pytest

from t2tlite import config, registry
from t2tlite.compat import hparam
from t2tlite.compat.t2t_hparams import with_t2t_methods
from t2tlite.compat.tensor2tensor.utils import hparams_lib, trainer_lib
from t2tlite.compat.tensor2tensor.utils import registry as t2ts_registry
from t2tlite.errors import HParamsError, PluginError, UnknownNameError
from t2tlite.text_problems import Text2SelfProblem, VocabType


def made():
    return hparam.HParams(n=1, rate=2.0, name="relu", on=True, sizes=[1, 2], any=None)


def test_hparams_are_what_was_put_in():
    assert hparam.HParams().values() == {}
    hparams = made()
    assert "n" in hparams
    assert "hidden_size" not in hparams
    assert str(hparam.HParams(b=2, a="x")) == "[('a', 'x'), ('b', 2)]"
    assert repr(hparam.HParams(a=1)) == "HParams([('a', 1)])"
    assert (hparams.n, hparams.get("n"), hparams.get("no", 7)) == (1, 1, 7)
    copied = hparams.copy()
    copied.n = 5
    assert (hparams.n, copied.n, copied.sizes) == (1, 5, [1, 2])
    # Attributes are free, and no hparams.
    hparams.problem = "p"
    assert "problem" not in hparams.values()
    assert copy.copy(hparams).problem == "p"


def test_parse():
    hparams = made().parse("n=3, rate=-2e3,name=a=b,on=0,sizes=[4, 5,6],")
    assert hparams.values() == {
        **{"n": 3, "rate": -2000.0, "name": "a=b", "on": False},
        **{"sizes": [4, 5, 6], "any": None},
    }
    assert hparams.parse("sizes[1]=9,name=").sizes == [4, 9, 6]
    assert hparams.name == ""
    assert hparams.parse_json('{"n": 8, "sizes": [1]}').sizes == [1]
    assert hparams.override_from_dict({"rate": 3, "any": "x"}).rate == 3.0


@pytest.mark.parametrize(
    ("assignments", "message"),
    [
        ("n=1.5", "Could not parse hparam 'n' of type 'int' in 'n=1.5'"),
        ("on=yep", "Could not parse hparam 'on'"),
        ("sizes=[1,x]", "Could not parse hparam 'sizes'"),
        ("n=[1]", r"Must not pass a list for n: found \[1\]"),
        ("sizes=1", "Must pass a list for sizes: found 1"),
        ("sizes[2]=1", r"sizes\[2\] doesn't exist: sizes is \[1, 2\]"),
        ("n[0]=1", r"n\[0\] doesn't exist: n is 1"),
        ("sizes[0]=[1]", "Assignment of a list to a list index"),
        ("n=1,n=1", "Multiple assignments to variable 'n'"),
        ("sizes[0]=1,sizes[0]=2", r"Multiple assignments to variable 'sizes\[0\]'"),
        ("sizes[0]=1,sizes=[2]", "Multiple assignments to variable 'sizes'"),
        ("sizes=[2],sizes[0]=1", "Multiple assignments to variable 'sizes'"),
        ("zzz=1", "Unknown hyperparameter type for zzz"),
        ("n", "Malformed hyperparameter value: 'n'"),
    ],
)
def test_assignments_that_fail(assignments, message):
    hparams = made()
    with pytest.raises(HParamsError, match=message):
        hparams.parse(assignments)
    assert hparams.values() == made().values()


@pytest.mark.parametrize(
    ("name", "value"),
    [("n", False), ("n", 2.5), ("n", "2"), ("on", 1), ("rate", "2"), ("name", 3), ("sizes", [0.5])],
)
def test_values_of_another_type(name, value):
    with pytest.raises(HParamsError, match=f"Could not cast hparam '{name}'"):
        made().set_hparam(name, value)
    with pytest.raises(HParamsError, match="Could not cast hparam"):
        made().get(name, value)


def test_names_that_exist_and_do_not():
    hparams = made()
    with pytest.raises(HParamsError, match="Hyperparameter name is reserved: n exists"):
        hparams.add_hparam("n", 2)
    with pytest.raises(HParamsError, match="reserved: parse exists"):
        hparams.add_hparam("parse", 2)
    with pytest.raises(HParamsError, match="an empty list"):
        hparams.add_hparam("list", [])
    with pytest.raises(UnknownNameError, match="no hparam is named zzz; there are: n, rate"):
        hparams.set_hparam("zzz", 2)
    hparams.del_hparam("n")
    hparams.del_hparam("n")
    hparams.add_hparam("n", "text")
    hparams.add_hparam("any", 3)
    assert (hparams.n, hparams.any) == ("text", 3)


def test_json():
    hparams = hparam.HParams(b=1, a=[1.5], f=len)
    assert hparams.to_json() == '{"b": 1, "a": [1.5]}'
    assert hparams.to_json(sort_keys=True, separators=(";", "=")) == '{"a"=[1.5];"b"=1}'


def test_values_without_hparams():
    types = {"a": int, "b": bool}
    assert hparam.parse_values("a[3]=1,zzz=2,b=True", types, ignore_unknown=True) == {
        "a": {3: 1},
        "b": True,
    }


def test_a_set_that_a_plugin_makes_from_nothing(own_names):
    """It trains: what it lacks has t2tlite's defaults."""
    registry.register_hparams("from_nothing")(lambda: hparam.HParams(hidden_size=64, mine=[3]))
    hparams = registry.hparams("from_nothing")
    assert isinstance(hparams, config.HParams)
    assert (hparams.hidden_size, hparams.num_heads, hparams.mine) == (64, 8, [3])
    assert hparams.check().copy().mine == [3]


def test_the_hparams_of_a_set_have_t2ts_methods():
    hparams = t2ts_registry.hparams("transformer_tiny")
    assert hparams.parse("batch_size=64").parse_json('{"num_heads": 2}').batch_size == 64
    assert hparams.num_heads == 2
    hparams.set_hparam("hidden_size", "32")
    hparams.add_hparam("mine", [1, 2])
    assert hparams.parse("mine[1]=5").mine == [1, 5]
    with pytest.raises(HParamsError, match="reserved: mine was added before; assign it"):
        hparams.add_hparam("mine", 3)
    with pytest.raises(HParamsError, match="batch_size is assigned twice, 1 and 2; keep one"):
        hparams.parse("batch_size=1,batch_size=2")
    for assign in (
        lambda: hparams.set_hparam("zzz", 1),
        lambda: hparams.parse_json('{"zzz": 1}'),
        lambda: hparams.override_from_dict({"zzz": 1}),
        lambda: hparams.parse("zzz=1"),
    ):
        with pytest.raises(HParamsError, match="no hparam is named zzz"):
            assign()
    hparams.del_hparam("mine")
    hparams.add_hparam("mine", "text")
    assert with_t2t_methods(hparams).mine == "text"


class Letters(Text2SelfProblem):
    vocab_type = VocabType.CHARACTER


def test_hparams_lib(tmp_path, own_names):
    registry.register_problem("letters")(Letters)
    path = tmp_path / "hparams.json"
    path.write_text(json.dumps({"batch_size": 99, "name": "x", "zzz": 3}), encoding="utf-8")
    assert hparams_lib.create_hparams_from_json(str(path)).values() == json.loads(path.read_text())
    hparams = trainer_lib.create_hparams(
        "transformer_tiny", "num_heads=2", str(tmp_path), "letters", str(path)
    )
    assert (hparams.batch_size, hparams.num_heads, hparams.data_dir) == (99, 2, str(tmp_path))
    assert "zzz" not in hparams.values()
    assert hparams.problem.name == "letters"
    assert hparams.problem_hparams.vocab_size == {"targets": 258}
    assert "problem" not in hparams.values()
    copied = hparams_lib.copy_hparams(hparams)
    copied.batch_size = 1
    assert (copied.problem.name, hparams.batch_size) == ("letters", 99)


def test_what_trains_by_tf1_says_what_trains_here():
    for use in (trainer_lib.create_run_config, trainer_lib.T2TExperiment):
        with pytest.raises(
            PluginError, match=r"trainer_lib\.\w+ trains with TF1's Estimator; train"
        ):
            use()
