"""The registry: default names, decorators, duplicates, unknown names, suffixes, the listing."""

import functools
import json
import re

import pytest

from t2tlite import registry
from t2tlite.errors import DuplicateNameError, HParamsError, PluginError, UnknownNameError
from t2tlite.registry import Registry

NAMES = {
    "PoetryLineProblem": "poetry_line_problem",
    "SQuAD": "s_qu_ad",
    "IWSLT14DeEn": "iwsl_t14_de_en",
    "Wmt32K": "wmt32_k",
    "HTMLParser": "html_parser",
    "Poetry_Line": "poetry__line",
}


@pytest.mark.parametrize(("class_name", "name"), NAMES.items())
def test_name_of_a_class(class_name, name):
    assert registry.snake_case(class_name) == name


def test_t2ts_names(shared):
    names = json.loads((shared / "fixtures/t2t/names.json").read_text())
    assert len(names) > 10
    assert {one: registry.snake_case(one) for one in names} == names


REGISTERS = [
    (registry.register_problem, registry.problems),
    (registry.register_model, registry.models),
    (registry.register_hparams, registry.hparams_sets),
    (registry.register_ranged_hparams, registry.ranged_hparams_sets),
]


@pytest.mark.usefixtures("no_names")
@pytest.mark.parametrize(("register", "table"), REGISTERS)
def test_three_forms_of_a_decorator(register, table):
    class MyThing:
        def __init__(self, *args): ...

    class MyOther(MyThing): ...

    assert register(MyThing) is MyThing
    assert register()(MyOther) is MyOther
    assert register("given")(MyOther) is MyOther
    assert {name: table.get(name) for name in table} == {
        "my_thing": MyThing,
        "my_other": MyOther,
        "given": MyOther,
    }


@pytest.mark.usefixtures("no_names")
def test_a_function_is_named_as_a_class():
    """T2T's rule for both."""

    @registry.register_hparams
    def transformer_base_L2():
        return 1

    assert registry.hparams("transformer_base__l2") == 1
    with pytest.raises(UnknownNameError, match="the closest name is transformer_base__l2. "):
        registry.hparams("transformer_base_L2")


@pytest.mark.usefixtures("no_names")
def test_a_duplicate_names_both_locations():
    @registry.register_hparams("twice")
    def first(): ...

    with pytest.raises(DuplicateNameError) as caught:

        @registry.register_hparams("twice")
        def second(): ...

    message = str(caught.value)
    assert message.startswith("hparams set twice is already registered: at ")
    assert message.count("test_registry.py:") == 2
    assert registry.hparams_sets.get("twice") is first


@pytest.mark.parametrize("name", ["a/b", "../up", "..", "a\\b", "nul\0"])
def test_names_that_are_no_part_of_a_file_s_name(name):
    with pytest.raises(PluginError, match="the name of a hparams set: .* isn't a plain file name"):
        registry.register_hparams(name)(lambda: None)


@pytest.mark.usefixtures("no_names")
def test_the_same_definition_again_is_no_duplicate():
    def define():
        @registry.register_problem("again")
        class Again: ...

        return Again

    first, second = define(), define()
    assert first is not second
    assert registry.problems.get("again") is second


def run_module(name, text):
    """Runs the text of a module of this name; returns its names."""
    names = {"registry": registry, "__name__": name}
    exec(compile(text, f"/{name}.py", "exec"), names)
    return names


@pytest.mark.usefixtures("no_names")
@pytest.mark.parametrize("order", [("t2tlite.some.module", "users"), ("users", "t2tlite.one")])
@pytest.mark.parametrize("kind", ["problem", "model", "hparams", "ranged_hparams"])
def test_a_users_entry_replaces_a_built_in(order, kind):
    text = f"@registry.register_{kind}('name')\nclass Entry:\n  def __init__(self, given=0): ..."
    made = {module: run_module(module, text)["Entry"] for module in order}
    table = getattr(registry, f"register_{kind}").__self__
    assert table.get("name") is made["users"]
    assert list(table) == ["name"]
    with pytest.raises(
        DuplicateNameError, match="registered: at /users.py:1 and at /another.py:1;"
    ):
        run_module("another", text)


@pytest.mark.usefixtures("no_names")
def test_what_a_file_describes_is_between_built_in_and_users_entries():
    table = registry.problems
    built_in = run_module("t2tlite.built_in", "@registry.register_problem('name')\nclass A: ...")
    assert table.get("name") is built_in["A"]
    for number in range(2):
        table.add_found("name", number, f"/data{number}/name.problem.json")
        assert (table.get("name"), table.where("name")) == (
            *(number, f"/data{number}/name.problem.json"),
        )
    users = run_module("users", "@registry.register_problem('name')\nclass B: ...")
    assert table.get("name") is users["B"]
    assert list(table) == ["name"]


@pytest.mark.usefixtures("no_names")
def test_an_edited_module_or_cell_may_register_again():
    text = "@registry.register_hparams\ndef edited(): return {}"
    run_module("users", text.format(1))
    run_module("users", "\n\n" + text.format(2))
    assert registry.hparams("edited") == 2
    run_module(
        "users", "register = registry.register_hparams('edited')\n@register\ndef new(): return 3"
    )
    assert registry.hparams("edited") == 3
    # A name that one version of a module has twice.
    with pytest.raises(DuplicateNameError, match="registered: at /users.py:1 and at /users.py:4"):
        run_module("users", f"{text.format(1)}\n\n{text.format(2)}")


@pytest.mark.usefixtures("no_names")
@pytest.mark.parametrize("called", ["registry.hparams('base')", "base()"])
def test_a_set_that_starts_from_the_built_in_of_its_name(called):
    text = "@registry.register_hparams\ndef base(): return {}"
    run_module("t2tlite.one", text.format(10))
    names = run_module("users", text.format("registry.hparams('base') + 2"))
    assert eval(called, names) == 12
    # Other functions see the user's.
    run_module("t2tlite.one", text.replace("base", "other").format("registry.hparams('base')"))
    assert registry.hparams("other") == 12


@pytest.mark.usefixtures("no_names")
def test_a_set_that_starts_from_itself():
    run_module("users", "@registry.register_hparams\ndef own(): return registry.hparams('own')")
    with pytest.raises(PluginError, match="/users.py:1: hparams set own starts from itself; name"):
        registry.hparams("own")


@pytest.mark.usefixtures("no_names")
def test_entries_without_a_name_of_their_own():
    for number in (1, 2):
        registry.register_hparams(f"set_{number}")(functools.partial(int, number))
    assert [registry.hparams(f"set_{number}") for number in (1, 2)] == [1, 2]


@pytest.mark.usefixtures("no_names")
def test_an_unknown_name_lists_close_ones(monkeypatch):
    monkeypatch.setattr(Registry, "searched", staticmethod(lambda: "here, there"))
    registry.register_hparams("transformer_poetry")(lambda: None)
    with pytest.raises(UnknownNameError) as caught:
        registry.hparams("transformer_poetri")
    assert isinstance(caught.value, KeyError)
    assert str(caught.value) == (
        "hparams set 'transformer_poetri' was never registered; the closest name is "
        "transformer_poetry. Looked in here, there; --registry_help lists all names, --t2t_usr_dir "
        "adds a folder"
    )
    with pytest.raises(
        UnknownNameError, match="model 'x' was never registered; none is close. Looked in "
    ):
        registry.model("x")


@pytest.mark.usefixtures("no_names")
@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("PoetryLineProblem", "the closest name is poetry_line_problem. "),
        ("poetry-line-problem", "the closest name is poetry_line_problem. "),
        ("POETRY_LINES_PROBLEM", "the closest name is poetry_line_problem. "),
        ("PoetryLineProblem_rev", "the closest name is poetry_line_problem. "),
        ("translate_ende", "the closest names are translate_ende_wmt and translate_enfr_wmt. "),
        ("", "none is close. "),
        ("__", "none is close. "),
    ],
)
def test_names_that_are_close(name, says):
    for known in ("poetry_line_problem", "translate_ende_wmt", "translate_enfr_wmt"):
        registry.problems.add(known, Recorder)
    with pytest.raises(UnknownNameError) as caught:
        registry.problem(name)
    assert f"problem {name!r} was never registered; {says}Looked in " in str(caught.value)


FAULTS = {
    "def faulty(): hparams = 3": ": hparams set faulty is None; end its function with",
    "def faulty(): return repr": ": hparams set faulty is <built-in .*; call it: `return",
    "def faulty(): return {'hidden_size': 3}": ": hparams set faulty is a dict, expected HParams;",
    "def faulty(): return 1, 2": ": hparams set faulty is a tuple, expected HParams; end its",
    "def faulty(): return 1 / 0": ": hparams set faulty failed: .* ZeroDivisionError: .*; mend",
    "def faulty(x): return x": ": hparams set faulty failed: TypeError: faulty\\(\\) missing 1",
}


@pytest.mark.usefixtures("no_names")
@pytest.mark.parametrize(("function", "says"), FAULTS.items())
def test_faulty_sets(function, says):
    run_module("users", f"@registry.register_hparams\n{function}")
    with pytest.raises(PluginError, match=f"^/users.py:1{says}"):
        registry.hparams("faulty")


@pytest.mark.usefixtures("no_names")
def test_a_set_with_an_unknown_hparam():
    text = "from t2tlite import HParams\n@registry.register_hparams\ndef faulty():\n  "
    run_module("users", text + "hparams = HParams()\n  hparams.hiden_size = 3\n  return hparams")
    says = "^/users.py:2: hparams set faulty: no hparam is named hiden_size: did you mean hidden_"
    with pytest.raises(HParamsError, match=says):
        registry.hparams("faulty")


@pytest.mark.usefixtures("no_names")
@pytest.mark.parametrize("arguments", ["", "one, two", "*, rhp", "hparams, rhp"])
def test_a_range_that_takes_other_arguments(arguments):
    text = f"@registry.register_ranged_hparams\ndef faulty({arguments}): ..."
    with pytest.raises(HParamsError) as caught:
        run_module("users", text)
    assert str(caught.value) == (
        "/users.py:1: hparams range faulty must take a single argument, the RangedHParams that it "
        f"fills; found ({arguments})"
    )
    assert "faulty" not in registry.ranged_hparams_sets


NO_SUFFIXES = "doesn't take was_reversed and was_copy; write `def __init__\\(self"
PROBLEM = """
from t2tlite.text_problems import Text2TextProblem
@registry.register_problem
class Faulty(Text2TextProblem):
  def __init__({}): {}
"""


@pytest.mark.usefixtures("no_names")
@pytest.mark.parametrize(
    ("arguments", "body", "says"),
    [
        ("self", "super().__init__()", NO_SUFFIXES),
        ("self, *args", "super().__init__(*args)", NO_SUFFIXES),
        ("self, was_reversed=False", "super().__init__(was_reversed)", NO_SUFFIXES),
        ("self, one, **kwargs", "super().__init__(**kwargs)", NO_SUFFIXES),
        (
            "self, *args, **kwargs",
            "self.mine = 1",
            "is no Problem, or has an __init__ without `super",
        ),
        ("self, *args, **kwargs", "1 / 0", "failed: /users.py, line 5: ZeroDivisionError"),
    ],
)
def test_a_problem_that_cannot_be_made(arguments, body, says):
    run_module("users", PROBLEM.format(arguments, body))
    with pytest.raises(PluginError, match=f"^/users.py:3: problem faulty.* {says}"):
        registry.problem("faulty_rev")


@pytest.mark.usefixtures("no_names")
@pytest.mark.parametrize(
    ("arguments", "body"),
    [
        ("self, *args, **kwargs", "super(Faulty, self).__init__(*args, **kwargs)"),
        ("self, was_reversed=False, was_copy=False", "super().__init__(was_reversed, was_copy)"),
    ],
)
def test_a_problem_with_its_own_init(arguments, body):
    run_module("users", PROBLEM.format(arguments, body))
    assert registry.problem("faulty_rev").full_name == "faulty_rev"


@pytest.mark.usefixtures("no_names")
@pytest.mark.parametrize("own", [property(lambda self: "own"), "own"])
def test_a_problem_that_defines_its_name(own):
    """T2T replaces it by the registered one, too."""

    class Named(Recorder):
        name = own

    registry.register_problem("registered")(Named)
    for _ in range(2):
        assert registry.problem("registered_rev").name == "registered"


class Recorder:
    """Takes the arguments of a problem class."""

    def __init__(self, was_reversed, was_copy):
        self._was_reversed, self._was_copy = self.suffixes = was_reversed, was_copy


@pytest.mark.usefixtures("no_names")
@pytest.mark.parametrize(
    ("name", "parsed"),
    [
        ("g2p", ("g2p", False, False)),
        ("g2p_rev", ("g2p", True, False)),
        ("g2p_copy", ("g2p", False, True)),
        ("g2p_rev_copy", ("g2p", True, True)),
        ("g2p_copy_rev", ("g2p", True, True)),
        # A problem whose own name ends so.
        ("told_rev", ("told_rev", False, False)),
        ("told_rev_rev", ("told_rev", True, False)),
        ("g2p_rev_rev", ("g2p_rev_rev", False, False)),
        ("nobody_rev", ("nobody_rev", False, False)),
    ],
)
def test_suffixes(name, parsed):
    registry.problems.add("g2p", Recorder)
    registry.problems.add("told_rev", Recorder)
    assert registry.parse_problem_name(name) == parsed
    if parsed[0] in registry.problems:
        made = registry.problem(name)
        assert (made.name, *made.suffixes) == parsed
    else:
        with pytest.raises(UnknownNameError, match=name):
            registry.problem(name)


@pytest.mark.usefixtures("no_names")
def test_a_lazy_entry_is_listed_without_its_import():
    registry.models.add("late", registry.Lazy("no.such.module:Model", "A model."))
    assert "late  A model." in registry.help_string()
    with pytest.raises(ModuleNotFoundError):
        registry.model("late")
    registry.models.add("ready", registry.Lazy("t2tlite.registry:Lazy", "Itself."))
    assert registry.model("ready") is registry.Lazy


@pytest.mark.usefixtures("no_names")
def test_an_entry_without_a_description_does_not_show_its_base_class_s():
    @registry.register_problem("bare")
    class Bare(Recorder):
        pass

    @registry.register_problem("told")
    class Told(Recorder):
        """\n        Lines of verse.

        More."""

    assert [registry.problems.describe(name) for name in ("bare", "told")] == [
        "",
        "Lines of verse.",
    ]


def test_hparams_are_new_at_each_call():
    first = registry.hparams("transformer_tiny")
    first.hidden_size = 4
    assert registry.hparams("transformer_tiny").hidden_size == 128


def test_the_listing_has_all_names():
    listed = registry.help_string()
    tables = [
        registry.problems,
        registry.models,
        registry.hparams_sets,
        registry.ranged_hparams_sets,
    ]
    for table in tables:
        names = list(table)
        assert names == sorted(names)
        assert names
        for name in names:
            # One without a description ends its line.
            assert re.search(rf"^  {re.escape(name)}( |$)", listed, re.MULTILINE), name
            # The doc is a sentence, not a class's repr. Other tests register things without one,
            # also by giving a class to t2tlite.train, which remembers it.
            ours = table._built_in.get(name)
            if ours and name not in table._users and ours.module != "t2tlite.api.problems":
                assert table.describe(name).endswith((".", ":")), name
    assert registry.list_problems() == list(registry.problems)
    assert "transformer" in registry.list_models()
    assert "transformer_poetry" in registry.list_hparams()
