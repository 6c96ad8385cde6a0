"""Errors in a user's code: the user's frames, the line that failed, and advice."""

import runpy
import sys

import pytest

from t2tlite import user_code
from t2tlite.errors import HParamsError, PluginError

PYTHON_2 = [
    "print 'x'",
    "print x",
    "print 'a %d' % 3",
    "import sys\nprint >>sys.stderr, 'x'",
    "try:\n  pass\nexcept ValueError, e:\n  pass",
    "raise ValueError, 'x'",
    "exec 'x'",
    "x = `3`",
    "1 <> 2",
    "0777",
    "10L",
    "x = ur'x'",
    "if 1:\n        x=1\n\ty=2",
    "lambda (a, b): a",
    "def f((a, b)): pass",
    "unicode('x')",
    "xrange(3)",
    "isinstance(1, basestring)",
    "{}.iteritems()",
    "{}.has_key(1)",
    "raw_input()",
    "unichr(3)",
    "import sys\nreload(sys)",
    "import sys\nsys.setdefaultencoding('utf8')",
    "'x'.decode('utf8')",
    "(i for i in []).next()",
    "from itertools import izip",
    "import itertools\nitertools.izip()",
    "import string\nstring.maketrans('a', 'b')",
    "import cPickle",
    "import urllib2",
    "from urllib import urlretrieve",
    "{1: 2}.keys()[0]",
    "{1: 2}.keys().sort()",
    "len(filter(None, [1]))",
    "import random\nrandom.shuffle(range(3))",
]
PYTHON_3 = [
    "print('x'",
    "print(x)",
    "raise ValueError('x')",
    "x = '<>' + ",
    "x = 3 +  # `",
    "names = ['raise Error, now'",
    "{}.iterate()",
    "unicod('x')",
    "int('10L')",
    "3 + 'x'",
]


def error_of(code, name="/users.py"):
    with pytest.raises(Exception) as caught:
        exec(compile(code, name, "exec"), {"__name__": "users"})
    return caught.value


@pytest.mark.parametrize("code", PYTHON_2)
def test_python_2_code(code):
    assert user_code.advice(error_of(code)).startswith(
        "this is Python 2 code: convert it with 2to3"
    )


@pytest.mark.parametrize("code", PYTHON_3)
def test_other_mistakes(code):
    assert user_code.advice(error_of(code)) == ""


@pytest.mark.parametrize(
    ("module", "package"),
    [
        ("bs4", "beautifulsoup4"),
        ("yaml", "PyYAML"),
        ("sklearn", "scikit-learn"),
        ("cv2", "opencv-python"),
        ("PIL", "Pillow"),
        ("my_tokenizer", "my_tokenizer"),
        ("google.nothing", "google-nothing"),
    ],
)
def test_a_missing_module(module, package):
    error = ModuleNotFoundError(f"No module named {module!r}", name=module)
    assert user_code.advice(error).startswith(f"install it with: pip install {package}; or, if it")


def test_a_missing_module_of_a_package_that_is_there():
    said = user_code.advice(error_of("import json.nothing"))
    assert said == f"json has no such module; look in {sys.modules['json'].__path__[0]}"


@pytest.mark.parametrize("init", ["from .gone import x", None])
def test_a_missing_module_of_a_plugin(tmp_path, monkeypatch, init):
    monkeypatch.syspath_prepend(tmp_path)
    package = tmp_path / f"user_code_{init is None}"
    package.mkdir()
    if init:
        (package / "__init__.py").write_text(init)
    said = user_code.advice(error_of(f"from {package.name}.gone import x"))
    assert said == f"{package.name} has no such module; look in {package}"


def test_a_flag_that_a_command_has():
    error = error_of(
        "from absl import flags\n"
        "values = flags.FlagValues()\n"
        "for default in ('dev', 'train'):\n"
        "    flags.DEFINE_string('split', default, 'Split.', flag_values=values)\n"
    )
    assert user_code.advice(error) == "rename your flag"


def test_a_file_that_is_not_utf8(tmp_path):
    (tmp_path / "latin.py").write_bytes(b"# x\ns = '\xe9'\n")
    error = error_of(f"import runpy\nrunpy.run_path({str(tmp_path / 'latin.py')!r})")
    assert user_code.advice(error) == "save the file as UTF-8"


def test_frames_and_line_are_the_users(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text("import importlib\n\ndef f():\n    importlib.import_module('json.nothing')\n")
    names = {"__name__": "mine"}
    exec(compile(file.read_text(), str(file), "exec"), names)
    with pytest.raises(PluginError) as caught, user_code.reported("plugin mine"):
        names["f"]()
    first, title, *lines = str(caught.value).split("\n")
    assert first.startswith(
        f"plugin mine failed: {file}, line 4: ModuleNotFoundError: No module named 'json.nothing'; "
        f"json has no such module; look in "
    )
    assert title == "Traceback (your code):"
    assert [line.strip() for line in lines if "File" in line][-1] == f'File "{file}", line 4, in f'
    assert "<frozen" not in str(caught.value) and "/user_code.py" not in str(caught.value)
    assert lines[-1] == "ModuleNotFoundError: No module named 'json.nothing'"


def test_an_error_in_a_copy_that_tensorflow_made(tmp_path):
    import tensorflow as tf

    file = tmp_path / "mine.py"
    file.write_text(
        "\n\ndef inner(x):\n    return unicode(x)\n\ndef hook(x):\n    return inner(x)\n"
    )
    names = runpy.run_path(str(file))
    with pytest.raises(NameError) as caught:
        tf.data.Dataset.range(3).map(names["hook"])
    first, _, *lines = user_code.explained(caught.value).split("\n")
    assert first.startswith(f"{file}, line 4: NameError: name 'unicode' is not defined; this is Py")
    users = [line.strip() for line in lines if str(file) in line]
    assert users == [f'File "{file}", line 7, in hook', f'File "{file}", line 4, in inner']
    assert lines[-1] == "NameError: name 'unicode' is not defined"
    assert "autograph" not in "".join(lines)


def test_a_syntax_error_names_its_file():
    assert user_code.in_one_line(error_of("x = 1\ny = (")) == (
        "/users.py, line 2: SyntaxError: '(' was never closed"
    )


def test_a_message_of_several_lines_is_cut():
    error = error_of("raise ValueError('one\\ntwo')")
    assert user_code.in_one_line(error) == "/users.py, line 1: ValueError: one"
    assert user_code.in_one_line(KeyError()) == "KeyError"


def test_a_function_that_is_called_with_wrong_arguments():
    names = {"__name__": "t2tlite.some_module", "user_code": user_code, "users": error_of}
    with pytest.raises(PluginError) as caught:
        exec("with user_code.reported('plugin mine'): users(1, 2, 3)", names)
    assert str(caught.value) == (
        "plugin mine failed: TypeError: error_of() takes from 1 to 2 positional arguments but 3 "
        "were given; mend it"
    )


def test_errors_with_a_message_for_the_user_pass():
    with pytest.raises(HParamsError, match="^told$"), user_code.reported("plugin mine"):
        raise HParamsError("told")


def test_code_that_exits():
    says = "plugin mine failed: .*SystemExit: 2; mend it\n"
    with pytest.raises(PluginError, match=says), user_code.reported("plugin mine"):
        raise SystemExit(2)
    with pytest.raises(KeyboardInterrupt), user_code.reported("plugin mine"):
        raise KeyboardInterrupt
