"""Loading plugins: folders, files, entry points, and errors."""

import importlib.metadata
import sys

import pytest

from t2tlite import plugins, registry
from t2tlite.config import HParams
from t2tlite.errors import DuplicateNameError, PluginError
from t2tlite.plugins import loading

REGISTER = "from t2tlite import registry\n@registry.register_hparams\ndef {0}(): return '{0}'\n"


@pytest.fixture(autouse=True)
def imports(own_names, monkeypatch):
    """Forgets the modules and search paths of a test's plugins."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        del sys.modules[name]


@pytest.fixture
def write(tmp_path):
    def write(name, text=""):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    return write


def test_all_modules_of_a_folder_are_imported(write, tmp_path):
    write("plug_whole/__init__.py", REGISTER.format("p_top"))
    write("plug_whole/one.py", REGISTER.format("p_one"))
    write("plug_whole/deep/__init__.py")
    write("plug_whole/deep/two.py", REGISTER.format("p_two"))
    for name in ("setup.py", "conftest.py", "test_it.py"):
        write(f"plug_whole/{name}", "raise SystemExit('imported')")
    plugins.load_usr_dir(tmp_path / "plug_whole")
    assert {"p_top", "p_one", "p_two"} <= set(registry.list_hparams())
    assert registry.hparams("p_two") == "p_two"
    assert str(tmp_path / "plug_whole") in plugins.searched()


def test_a_folder_without_init_and_a_single_file(write, tmp_path):
    write("plug_plain/three.py", REGISTER.format("p_three"))
    file = write("plug_single.py", REGISTER.format("p_single"))
    plugins.load_usr_dir(f"{tmp_path / 'plug_plain'},{file}")
    assert {"p_three", "p_single"} <= set(registry.list_hparams())


def test_siblings_by_either_name_register_once(write, tmp_path):
    write("plug_names/__init__.py")
    write("plug_names/a_user.py", "import z_helper\nfrom . import y_helper\nassert z_helper.X == 1")
    write("plug_names/y_helper.py", REGISTER.format("p_y"))
    write("plug_names/z_helper.py", REGISTER.format("p_z") + "X = 1\n")
    plugins.load_usr_dir(tmp_path / "plug_names")
    plugins.load_usr_dir(tmp_path / "plug_names")
    assert {"p_y", "p_z"} <= set(registry.list_hparams())


def test_a_loaded_folder_is_trusted(write, tmp_path, monkeypatch):
    folder, file = write("plug_mine/__init__.py").parent, write("plug_file.py")
    broken = write("plug_bad/__init__.py", "raise ValueError").parent
    plugins.load_usr_dir(f"{folder.parent}/./plug_mine,{file}")
    with pytest.raises(PluginError):
        plugins.load_usr_dir(broken)
    # Also in a new process.
    monkeypatch.setattr(loading, "_loaded", [])
    assert [plugins.is_trusted(str(path)) for path in (folder, file, broken)] == [True, True, False]


def test_search_path_is_only_added_to_at_its_end(write, tmp_path):
    write("plug_end/__init__.py")
    before = list(sys.path)
    plugins.load_usr_dir(tmp_path / "plug_end")
    assert sys.path == [*before, str(tmp_path), str(tmp_path / "plug_end")]


def test_a_missing_folder(tmp_path):
    with pytest.raises(PluginError, match="doesn't exist; give the folder of your problem"):
        plugins.load_usr_dir(tmp_path / "nothing")


def test_a_name_that_python_has(write, tmp_path):
    write("json/__init__.py", "raise SystemExit")
    with pytest.raises(PluginError, match="another module named 'json' .*; rename the folder"):
        plugins.load_usr_dir(tmp_path / "json")


@pytest.mark.parametrize(
    "file",
    ["antigravity/__init__.py", "antigravity/mine.py", "09/mine.py", "plug-in.py", "this.py"],
)
def test_a_name_that_another_module_could_have(write, tmp_path, file):
    write(file, REGISTER.format("p_odd"))
    plugins.load_usr_dir(tmp_path / file.partition("/")[0])
    assert registry.hparams("p_odd") == "p_odd"


def test_a_failing_import_shows_its_traceback(write, tmp_path):
    write("plug_broken/__init__.py")
    write("plug_broken/bad.py", "import no_such_module_here\n")
    with pytest.raises(PluginError) as caught:
        plugins.load_usr_dir(tmp_path / "plug_broken")
    first, _, *trace = str(caught.value).split("\n")
    assert first == (
        f"plugin {tmp_path}/plug_broken failed: {tmp_path}/plug_broken/bad.py, line 1: "
        f"ModuleNotFoundError: No module named 'no_such_module_here'; install it with: pip install "
        f"no_such_module_here; or, if it is a file of yours, copy it beside the plugin"
    )
    assert len([line for line in trace if "File" in line]) == 1
    assert "    import no_such_module_here" in trace


def test_a_mended_plugin_can_be_loaded_again(write, tmp_path):
    write("plug_mended/__init__.py", "from . import a\nimport z_last\nfrom . import b\n")
    write("plug_mended/a.py", REGISTER.format("p_mended"))
    write("plug_mended/z_last.py", "X = 1\n")
    write("plug_mended/b.py", "1 / 0\n")
    with pytest.raises(PluginError, match="ZeroDivisionError"):
        plugins.load_usr_dir(tmp_path / "plug_mended")
    assert not {"plug_mended", "plug_mended.a", "z_last"} & set(sys.modules)
    write(
        "plug_mended/a.py", "\n\n" + REGISTER.format("p_mended").replace("return '", "return 'new ")
    )
    write("plug_mended/b.py", "")
    plugins.load_usr_dir(tmp_path / "plug_mended")
    assert registry.hparams("p_mended") == "new p_mended"


def test_a_duplicate_name(write, tmp_path):
    write("plug_twice/one.py", REGISTER.format("p_same"))
    write("plug_twice/two.py", REGISTER.format("p_same"))
    with pytest.raises(DuplicateNameError, match="p_same is already registered"):
        plugins.load_usr_dir(tmp_path / "plug_twice")


def test_a_user_may_replace_a_built_in(write, tmp_path):
    write("plug_wins.py", REGISTER.format("transformer_tiny"))
    plugins.load_usr_dir(tmp_path / "plug_wins.py")
    assert registry.hparams("transformer_tiny") == "transformer_tiny"


class TestEntryPoints:
    """Installed packages."""

    @pytest.fixture(autouse=True)
    def anew(self, monkeypatch):
        monkeypatch.setattr(loading, "_entry_points_done", False)

    def found(self, monkeypatch, *points):
        monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: list(points))

    def test_a_function_is_called_and_a_package_walked(self, monkeypatch, write, tmp_path):
        write("entry_pack/__init__.py")
        write("entry_pack/deep.py", REGISTER.format("p_entry"))
        monkeypatch.syspath_prepend(tmp_path)
        called = []
        monkeypatch.setattr(loading, "called_by_test", lambda: called.append(1), raising=False)
        self.found(
            monkeypatch,
            importlib.metadata.EntryPoint(
                "a", "t2tlite.plugins.loading:called_by_test", plugins.GROUP
            ),
            importlib.metadata.EntryPoint("b", "entry_pack", plugins.GROUP),
        )
        plugins.load_entry_points()
        plugins.load_entry_points()
        assert called == [1]
        assert "p_entry" in registry.hparams_sets

    def test_without_an_installation(self, monkeypatch):
        self.found(monkeypatch)
        with pytest.raises(PluginError, match="t2tlite isn't installed, so"):
            plugins.load_entry_points()

    def test_one_that_fails(self, monkeypatch):
        point = importlib.metadata.EntryPoint("a", "no_such_package", plugins.GROUP)
        self.found(monkeypatch, point)
        with pytest.raises(PluginError, match="plugin no_such_package failed: Mod"):
            plugins.load_entry_points()


def test_an_hparam_that_does_not_exist_is_the_plugins_error(write, tmp_path):
    """It is raised in t2tlite's code; other errors there are t2tlite's."""
    write(
        "plug_reads/__init__.py",
        "def hook(hparams): return hparams.nothing\ndef broken(hparams): hparams.override(3)\n",
    )
    plugins.load_usr_dir(str(tmp_path / "plug_reads"))
    hooks = sys.modules["plug_reads"]
    with pytest.raises(AttributeError, match="no hparam is named nothing") as caught:
        hooks.hook(HParams())
    assert plugins.raised(caught.value)
    with pytest.raises(Exception) as caught:
        hooks.broken(HParams())
    assert not plugins.raised(caught.value)
