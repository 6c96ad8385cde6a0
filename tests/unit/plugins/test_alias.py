"""Which code sees the names of Tensor2Tensor and TF1, and errors of names without counterpart."""

import importlib
import importlib.machinery
import sys

import pytest

from t2tlite import RangedHParams, plugins, registry
from t2tlite.errors import PluginError
from t2tlite.plugins import alias

pytestmark = pytest.mark.usefixtures("imports")


def test_only_a_plugins_code_finds_tensor2tensor(load):
    plugin = load(
        "alias_scope",
        "from tensor2tensor.utils import registry\n"
        "def later():\n"
        "    from tensor2tensor.data_generators import text_encoder\n"
        "    return text_encoder.EOS_ID\n",
    )
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("tensor2tensor")
    assert plugin.later() == 1
    assert plugin.registry.register_problem is registry.register_problem


def test_what_a_plugin_imports_from_elsewhere_is_its_code(load, tmp_path):
    (tmp_path / "alias_helper.py").write_text("def find(): import tensor2tensor.problems\n")
    before = set(alias._plugin_folders)
    load("alias_imports", "import alias_helper\nfrom t2tlite.problems import imdb\n")
    sys.modules.pop("tensor2tensor", None)
    sys.modules["alias_helper"].find()
    added = {f"{tmp_path}/", f"{tmp_path}/alias_imports/"}
    assert alias._plugin_folders - before == added


def test_a_program_in_a_plugins_folder_is_no_plugin(load):
    plugin = load("alias_program", "import tensor2tensor\n")
    code = "def find(): import tensor2tensor"
    for name, found in (("alias_program.other", True), ("__main__", False)):
        names = {"__name__": name, "__file__": plugin.__file__.replace("__init__", "other")}
        exec(code, names)
        if found:
            names["find"]()
        else:
            sys.modules.pop("tensor2tensor")
            with pytest.raises(ModuleNotFoundError):
                names["find"]()


def test_a_real_tensor2tensor_is_left_alone(load, monkeypatch, warned):
    real = importlib.machinery.ModuleSpec("tensor2tensor", None, origin="/usr/tensor2tensor.py")
    monkeypatch.setattr(alias, "_real_spec", lambda: real)
    with pytest.raises(PluginError, match="No module named 'tensor2tensor'"):
        load("alias_real", "import tensor2tensor\n")
    alias.install()
    assert warned == ["tensor2tensor is imported from /usr/tensor2tensor.py, where it is installed"]
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("tensor2tensor")


def test_after_install_all_code_sees_the_names(monkeypatch):
    import tensorflow as tf

    monkeypatch.setattr(alias, "_loading", 0)
    alias.install()
    from tensor2tensor.utils import hparam
    from tensor2tensor.utils import registry as t2ts
    from tensorflow.contrib.training import HParams

    assert tf.contrib.training.HParams is HParams is hparam.HParams
    assert t2ts.register_problem is registry.register_problem
    assert tf.gfile.Exists(__file__)
    with pytest.raises(
        PluginError, match=r"test_alias.py, line \d+: tensorflow.contrib.slim.f was"
    ):
        tf.contrib.slim.f()


@pytest.mark.parametrize(
    "imported, used, says",
    [
        ("from tensor2tensor.layers import common_layers", "common_layers.dense(1)", "TF1 graph"),
        (
            "from tensor2tensor.models.slicenet import slicenet_params1 as f",
            "f()",
            "aren't part of",
        ),
        (
            "from tensor2tensor.data_generators import image_utils as i",
            "i.x + 1",
            "isn't a text problem",
        ),
        ("from tensor2tensor.data_generators import wiki_lm as w", "w.A()", "copy its file from"),
        (
            "from tensor2tensor.data_generators import multi_problem as m",
            "m.MultiProblem()",
            "joins texts and classes to one sequence; mix problems of texts with mixtures.Mixture",
        ),
        ("import tensor2tensor.envs.gym_spaces as g", "g.x()", "no counterpart in t2tlite"),
        ("from tensor2tensor.utils import registry as r", "r.create_modality(1)", "no counterpart"),
        ("from tensor2tensor.models import transformer as t", "t.transformer_x()", "isn't part of"),
    ],
)
def test_an_absent_name_raises_when_it_is_used(load, imported, used, says):
    name = f"alias_absent_{abs(hash(imported))}"
    plugin = load(name, f"{imported}\n\ndef use():\n    return {used}\n")
    with pytest.raises(PluginError) as caught:
        plugin.use()
    message = str(caught.value)
    assert f"{name}/__init__.py, line 4: tensor2tensor." in message
    assert says in message and "\n" not in message


def test_absent_decorators_and_calls_of_an_import_raise_when_their_result_is_used(load):
    plugin = load(
        "alias_decorators",
        "from tensor2tensor.utils import contrib, expert_utils, registry\n"
        "layers = contrib.layers().fully_connected\n"
        "@expert_utils.add_name_scope('x')\n"
        "def scoped(): return 1\n"
        "@registry.register_pruning_params\n"
        "def pruned(): return 1\n"
        "class Model:\n"
        "    kernel = layers(3)\n"
        "    @expert_utils.add_var_scope()\n"
        "    def body(self): return 1\n"
        "def use(name): return name()\n",
    )
    names = [plugin.layers, plugin.scoped, plugin.pruned, plugin.Model.kernel, plugin.Model().body]
    for name in names:
        with pytest.raises(PluginError, match="alias_decorators/__init__.py, line 11: tensor2tens"):
            plugin.use(name)


def test_a_subclass_of_an_absent_class_raises_on_creation(load, warned):
    plugin = load(
        "alias_image",
        "from tensor2tensor.data_generators import image_utils\n"
        "from tensor2tensor.utils import registry\n\n"
        "class AliasImage(image_utils.Image2ClassProblem): pass\n"
        "registry.register_problem(AliasImage)\n",
    )
    assert "__init__.py, line 4: class AliasImage can't be used" in warned[0]
    assert not isinstance(3, plugin.image_utils.Image2ClassProblem)
    with pytest.raises(PluginError, match="line 4: class AliasImage .* isn't a text problem"):
        registry.problem("alias_image")


def test_files_that_a_t2t_package_does_not_import(tmp_path):
    folder = tmp_path / "alias_partly"
    folder.mkdir()
    (folder / "__init__.py").write_text("from . import wanted\n")
    (folder / "wanted.py").write_text("from tensor2tensor.utils import registry\n")
    (folder / "old.py").write_text("raise SystemExit('imported')  # register_problem\n")
    plugins.load_usr_dir(folder)
    assert "alias_partly.wanted" in sys.modules


def test_sets_have_t2ts_methods(load, warned):
    plugin = load(
        "alias_sets",
        "from tensor2tensor.models import transformer\n"
        "from tensor2tensor.utils import registry\n"
        "def transformer_base():\n"
        "    hparams = transformer.transformer_base()\n"
        "    hparams.no_such_thing = 3\n"
        "    hparams.set_hparam('hidden_size', '64')\n"
        "    return hparams.override_from_dict({'num_heads': 2})\n"
        "registry.register_hparams(transformer_base)\n",
    )
    made = registry.hparams("transformer_base")
    assert (made.hidden_size, made.num_heads, made.get("no_such_thing")) == (64, 2, 3)
    assert "no hparam is named no_such_thing" in warned[0] and "has no effect" in warned[0]
    assert "hidden_size" in made and "nothing" not in made
    assert plugin.transformer.transformer_big().hidden_size == 1024


def test_ranges_build_on_t2ts(load):
    load(
        "alias_range",
        "from tensor2tensor.layers import common_hparams\n"
        "from tensor2tensor.models import transformer\n"
        "from tensor2tensor.utils import registry\n"
        "@registry.register_ranged_hparams\n"
        "def alias_range(rhp):\n"
        "    transformer.transformer_base_range(rhp)\n"
        "    hparams = transformer.transformer_base()\n"
        "    common_hparams.fill_ranged_hparams_from_hparams(hparams, rhp)\n"
        "    rhp.set_float('learning_rate', 0.05, 0.25, scale=rhp.LOG_SCALE)\n"
        "    rhp.set_discrete('filter_size', [1024, 2048], length=None)\n",
    )
    ranged = RangedHParams()
    registry.ranged_hparams("alias_range")(ranged)
    assert ranged.ranges["learning_rate"] == ("float", [0.05, 0.25], "log", None)
    assert ranged.ranges["filter_size"] == ("discrete", [1024, 2048], "linear", None)
    assert ranged.ranges["optimizer_adam_beta2"].values == [0.97, 0.99]
    ranged.check(registry.hparams("transformer_base"))
