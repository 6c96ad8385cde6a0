"""TF1's names in TensorFlow: all styles of imports, for plugins only."""

import importlib
import logging
import sys
import types

import pytest
import tensorflow as tf

from t2tlite.compat.hparam import HParams
from t2tlite.errors import PluginError

pytestmark = pytest.mark.usefixtures("imports")

# By import: an expression and its value.
STYLES = {
    "import tensorflow as tf": ("tf.gfile.Exists", tf.compat.v1.gfile.Exists),
    "import tensorflow.compat.v1 as tf": ("tf.gfile.GFile", tf.compat.v1.gfile.GFile),
    "from tensorflow.compat import v1 as tf": ("tf.flags.FLAGS", tf.compat.v1.flags.FLAGS),
    "import tensorflow.compat.v1": ("tensorflow.estimator.ModeKeys.TRAIN", "train"),
    "from tensorflow import gfile": ("gfile.Exists", tf.compat.v1.gfile.Exists),
    "import tensorflow.gfile as gfile": ("gfile.Exists", tf.compat.v1.gfile.Exists),
    "from tensorflow.gfile import Exists": ("Exists", tf.compat.v1.gfile.Exists),
    "from tensorflow.compat.v1 import gfile": ("gfile.Exists", tf.compat.v1.gfile.Exists),
    "from tensorflow.python.platform import gfile": ("gfile.Exists", tf.compat.v1.gfile.Exists),
    "from tensorflow import logging": ("logging.INFO", 20),
    "import tensorflow as tf  # v1": ("tf.VarLenFeature", tf.io.VarLenFeature),
    "import tensorflow as tf  # modes": ("tf.estimator.ModeKeys.PREDICT", "infer"),
    "import tensorflow as tf  # old modes": ("tf.contrib.learn.ModeKeys.INFER", "infer"),
    "from tensorflow import estimator": ("estimator.ModeKeys.EVAL", "eval"),
    "from tensorflow.estimator import ModeKeys": ("ModeKeys.EVAL", "eval"),
    "import tensorflow.estimator": ("tensorflow.estimator.ModeKeys.EVAL", "eval"),
    "from tensorflow.compat.v1 import estimator as tf_estimator": (
        "tf_estimator.ModeKeys.TRAIN",
        "train",
    ),
    "from tensorflow.compat.v1.estimator import ModeKeys": ("ModeKeys.EVAL", "eval"),
    "from tensorflow.contrib.learn import ModeKeys": ("ModeKeys.INFER", "infer"),
    "import tensorflow as tf  # hparams": ("tf.contrib.training.HParams", HParams),
    "import tensorflow.compat.v1 as tf  # hparams": ("tf.contrib.training.HParams", HParams),
    "from tensorflow.contrib.training import HParams": ("HParams", HParams),
    "from tensorflow.contrib import training": ("training.HParams", HParams),
    "import tensorflow.contrib.eager as tfe": ("tfe.enable_eager_execution()", None),
    "import tensorflow as tf  # eager": ("tf.enable_eager_execution()", None),
}


@pytest.mark.parametrize("imported", STYLES)
@pytest.mark.parametrize("in_function", [False, True])
def test_styles_of_imports(load, imported, in_function):
    used, value = STYLES[imported]
    lines = [imported, f"value = {used}"]
    if in_function:
        lines = ["def later():", *(f"    {line}" for line in lines), "    return value"]
    plugin = load(f"alias_style_{abs(hash((imported, in_function)))}", "\n".join(lines))
    found = plugin.later() if in_function else plugin.value
    assert found == value


GONE = {
    "import tensorflow as tf": "tf.estimator.EstimatorSpec(mode=1)",
    "import tensorflow.compat.v1 as tf": "tf.estimator.export.ServingInputReceiver(1)",
    "import tensorflow as tf  # 1": "tf.contrib.layers.flatten(1)",
    "import tensorflow as tf  # 2": "tf.layers.dense(1)",
    "import tensorflow as tf  # 3": "tf.nn.rnn_cell.GRUCell(1)",
    "import tensorflow.compat.v1 as tf  # 2": "tf.layers.dense(1)",
    "import tensorflow.compat.v1 as tf  # 3": "tf.nn.rnn_cell.GRUCell(1)",
    "import tensorflow.nn as nn": "nn.rnn_cell.GRUCell(1)",
    "from tensorflow.layers import dense": "dense(1)",
    "from tensorflow.nn.rnn_cell import LSTMCell": "LSTMCell(1)",
    "from tensorflow.contrib import slim": "slim.fully_connected(1)",
    "import tensorflow.contrib.slim.nets as nets": "nets.resnet(1)",
    "from tensorflow.python.estimator import estimator": "estimator.Estimator(1)",
    "from tensorflow.examples.tutorials.mnist import input_data": "input_data.read(1)",
    "from tensorflow.contrib.seq2seq.python.ops import helper": "helper.Helper(1)",
}


@pytest.mark.parametrize("imported", GONE)
def test_what_is_gone_can_be_imported_and_raises_when_it_is_used(load, imported):
    name = f"alias_gone_{abs(hash(imported))}"
    plugin = load(name, f"{imported}\n\ndef use():\n    {GONE[imported]}\n")
    with pytest.raises(PluginError) as caught:
        plugin.use()
    message = str(caught.value)
    assert f"{name}/__init__.py, line 4: tensorflow." in message
    assert "was removed in TensorFlow 2; " in message and "\n" not in message


def test_subclasses_of_what_is_gone(load):
    plugin = load(
        "alias_cells",
        "import tensorflow as tf, tensorflow.compat.v1 as tf1\n"
        "class Cell(tf.nn.rnn_cell.RNNCell): pass\n"
        "class Layer(tf1.layers.Layer): pass\n"
        "class Hook(tf.estimator.SessionRunHook): pass\n",
    )
    for made in (plugin.Cell, plugin.Layer, plugin.Hook):
        with pytest.raises(PluginError, match="line [234]: class .* its base tensorflow.* was rem"):
            made()


def test_other_code_does_not_see_the_names(load):
    plugin = load(
        "alias_tf1",
        "import tensorflow as tf, tensorflow.contrib.slim, tensorflow.gfile\n"
        "import tensorflow.estimator, tensorflow.compat.v1.estimator, tensorflow.python.gone\n"
        "tf.summary.FileWriterCache.clear()\n"
        "def later(): return tf.FixedLenFeature, tf.gfile, tf.contrib, tf.estimator\n",
    )
    plugin.later()
    for module, names in {
        tf: ["gfile", "contrib", "estimator", "logging"],
        tf.summary: ["FileWriterCache"],
        tf.compat.v1.layers: ["dense"],
        tf.compat.v1.nn.rnn_cell: ["GRUCell"],
        tf.compat.v1: ["contrib", "estimator"],
        sys.modules["tensorflow.compat.v1"]: ["contrib", "estimator"],
        sys.modules["tensorflow.python"]: ["gone"],
    }.items():
        assert [name for name in names if hasattr(module, name)] == []
    for name in ("contrib", "estimator", "gfile", "compat.v1.estimator", "python.gone"):
        with pytest.raises(ModuleNotFoundError):
            importlib.import_module(f"tensorflow.{name}")


def test_a_library_that_a_plugin_calls_does_not_see_what_is_gone(load):
    """Libraries find out in this way which TensorFlow there is."""
    library = types.ModuleType("alias_library")
    library.__file__ = "/usr/lib/site-packages/alias_library.py"
    sys.modules["alias_library"] = library
    text = (
        "import tensorflow as tf\n"
        "def probe():\n"
        "    try:\n"
        "        import tensorflow.contrib\n"
        "    except ImportError:\n"
        "        return hasattr(tf, 'contrib'), hasattr(tf, 'gfile'), hasattr(tf.layers, 'dense')\n"
    )
    exec(text, vars(library))
    plugin = load("alias_probed", "import alias_library\nfound = alias_library.probe()\n")
    # In TF1's library code, names that there still are help.
    assert plugin.found == (False, True, False)


def test_a_plugin_does_not_turn_tensorflow_2_off(load):
    load(
        "alias_off",
        "import tensorflow as tf\n"
        "import tensorflow.compat.v1 as tf1\n"
        "for module in (tf, tf1, tf.compat.v1):\n"
        "    module.disable_v2_behavior()\n"
        "    module.disable_eager_execution()\n",
    )
    assert tf.executing_eagerly()


def test_what_plugins_log_is_shown(load, monkeypatch):
    logger = logging.getLogger("tensorflow")
    monkeypatch.setattr(logger, "level", logging.INFO)
    lines = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())
    monkeypatch.setattr(logger, "handlers", [handler])
    plugin = load(
        "alias_logs",
        "import tensorflow as tf\n"
        "import tensorflow.compat.v1 as tf1\n"
        "tf.logging.set_verbosity(tf.logging.INFO)\n"
        "tf.logging.info('one %d', 1)\n"
        "def later(): tf1.logging.info('two'); tf1.logging.debug('hidden')\n",
    )
    plugin.later()
    tf.compat.v1.logging.info("tensorflow's own")
    tf.compat.v1.logging.warning("three")
    assert lines == ["one 1", "two", "three"]


def test_without_tensorflow(load, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    with pytest.raises(PluginError) as caught:
        load("alias_without", "import tensorflow as tf\n")
    first = str(caught.value).split("\n")[0]
    assert "__init__.py, line 1: ModuleNotFoundError: " in first
    assert "; install it with: pip install tensorflow; or" in first
