"""T2T's registries as tables."""

import pytest

from t2tlite import registry as native
from t2tlite.compat.registries import Registry
from t2tlite.compat.tensor2tensor.utils import registry
from t2tlite.errors import DuplicateNameError, HParamsError, UnknownNameError
from t2tlite.text_problems import Text2TextProblem


def named():
    return 3


def test_a_table_of_a_plugins_own():
    table = Registry("things", value_transformer=lambda key, value: (key, value()))
    assert table.register(named) is named
    assert table.register()(lambda: 4)() == 4
    table.register("other")(lambda: 5)
    table["set"] = lambda: 6
    assert dict(table) == {
        **{"named": ("named", 3), "<lambda>": ("<lambda>", 4)},
        **{"other": ("other", 5), "set": ("set", 6)},
    }
    assert (table.get("no"), table.get("no", 7), len(table), "set" in table) == (None, 7, 4, True)
    with pytest.raises(DuplicateNameError, match="named is already registered in things"):
        table.register(named)
    with pytest.raises(UnknownNameError, match="no was never registered in things; there are: na"):
        table["no"]
    with pytest.raises(ValueError, match="3 isn't callable; register a function or a class"):
        table["three"] = 3
    table._clear()
    assert len(table) == 0


def test_what_a_table_calls():
    seen = []
    table = Registry("things", str.upper, lambda *item: seen.append(item), seen.append)
    with pytest.raises(TypeError):
        table["A"] = len
    assert seen == [("A", len)]


class Lines(Text2TextProblem):
    """A problem."""


def test_t2tlites_registries_as_tables(own_names):
    registry.Registries.problems.register("table_lines")(Lines)
    registry.register_hparams("table_set")(lambda: native.hparams("transformer_tiny"))
    tables = registry.Registries
    assert "table_lines" in tables.problems
    assert issubclass(tables.problems["table_lines"], Lines)
    assert tables.problems["table_lines"].batch_size_means_tokens
    assert tables.hparams["table_set"].parse("batch_size=7").batch_size == 7
    assert tables.models["transformer"] is native.model("transformer")
    assert len(tables.models) == len(registry.list_models())
    assert registry.list_hparams("table_") == ["table_set"]
    assert "transformer_base_range" in registry.list_ranged_hparams()
    with pytest.raises(KeyError, match="problem 'no' was never registered"):
        tables.problems["no"]


def test_names_of_problems(own_names):
    registry.register_problem("table_lines")(Lines)
    spec = registry.parse_problem_name("table_lines_copy_rev")
    assert (spec.base_name, spec.was_reversed, spec.was_copy) == ("table_lines", True, True)
    assert registry.get_problem_name(*spec) == "table_lines_copy_rev"
    assert registry.default_object_name(Lines()) == "lines"
    assert registry.display_list_by_prefix(["b_1", "a", "b_2"], 2) == (
        "  a:\n    * a\n  b:\n    * b_1\n    * b_2"
    )


def test_optimizers():
    registry.Registries.optimizers._clear()

    @registry.register_optimizer
    def slow(learning_rate, hparams):
        return learning_rate

    assert registry.optimizer("slow") is slow
    assert registry.list_optimizers() == ["slow"]
    with pytest.raises(HParamsError, match=r"bad must take two arguments.*; found \(x\)"):
        registry.register_optimizer("bad")(lambda x: x)
    registry.Registries.optimizers._clear()
