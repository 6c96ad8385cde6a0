"""A user's names win over built-in ones however the modules of both are imported.

A module is imported once per process, so every order has a process of its own: the fork of one
that has imported nothing but the registry.
"""

import json
import subprocess
import sys
from textwrap import dedent

import pytest

IMPORTS = """
from tensor2tensor.data_generators import translate_envi
from tensor2tensor.models import transformer
from tensor2tensor.utils import registry
"""
BODY = """
@registry.register_hparams
def transformer_base():
    hparams = transformer.transformer_base()
    hparams.hidden_size = 60
    return hparams

@registry.register_hparams
def transformer_poetry():
    hparams = transformer.transformer_base()
    hparams.hidden_size = hparams.hidden_size + 1
    return hparams

@registry.register_hparams("transformer_tiny")
def mine():
    return transformer.transformer_big()

@registry.register_ranged_hparams
def transformer_base_range(rhp):
    transformer.transformer_base_range(rhp)
    rhp.set_int("hidden_size", 60, 62)

@registry.register_problem
class TranslateEnviIwslt32k(translate_envi.TranslateEnviIwslt32k):
    approx_vocab_size = 60

@registry.register_model
class Transformer:
    mine = 60
"""
NATIVE = """
from t2tlite import registry
from t2tlite.hparams import transformer
from t2tlite.problems import translate_envi
"""
IN_FUNCTIONS = """
from tensor2tensor.utils import registry

class transformer:
    def __getattr__(self, name):
        from tensor2tensor.models import transformer
        return getattr(transformer, name)

transformer = transformer()

class translate_envi:
    from tensor2tensor.data_generators.translate_envi import TranslateEnviIwslt32k
"""
BY_NAME = """
import types
from t2tlite import registry

class transformer:
    def __getattr__(self, name):
        if name.endswith("_range"):
            return registry.ranged_hparams(name)
        return lambda: registry.hparams(name)

transformer = transformer()

class translate_envi:
    TranslateEnviIwslt32k = type(registry.problem("translate_envi_iwslt32k"))
"""
# The files of a plugin folder by name.
STYLES = {
    "t2t": {"__init__": IMPORTS + BODY},
    "t2t_all_models": {"__init__": "from tensor2tensor import models, problems\n" + IMPORTS + BODY},
    "t2t_star": {
        "__init__": "from tensor2tensor.models.transformer import *\n" + IMPORTS + BODY,
    },
    "t2t_later": {
        "__init__": IMPORTS + BODY + "from tensor2tensor import models\n"
        "import tensor2tensor.models.research.universal_transformer\n",
    },
    "t2t_in_functions": {"__init__": IN_FUNCTIONS + BODY},
    "t2t_two_modules": {
        "__init__": "from . import problems",
        "problems": IMPORTS + BODY,
        "models": IMPORTS + "@registry.register_hparams\ndef transformer_big(): return 0\n",
    },
    "t2t_same_file_twice": {
        "__init__": "import twice as one\nfrom . import twice\nassert one is not twice\n",
        "twice": IMPORTS + BODY,
    },
    "native": {"__init__": NATIVE + BODY},
    "native_modules": {"problems": NATIVE + BODY},
    "native_by_name": {"__init__": BY_NAME + BODY},
    "native_t2t_later": {"a_native": NATIVE + BODY, "b_t2t": "from tensor2tensor import models"},
}
# What a process does before it looks at the names.
STEPS = {
    "folder first": ["plugins.load_usr_dir(folder)"],
    "built-ins first": ["registry.list_problems()", "plugins.load_usr_dir(folder)"],
    "looked up first": ["registry.hparams('transformer_base')", "plugins.load_usr_dir(folder)"],
    "built-in modules first": [
        "import t2tlite.hparams.transformer, t2tlite.problems.translate_envi",
        "plugins.load_usr_dir(folder)",
    ],
    "twice": [
        "plugins.load_usr_dir(folder)",
        "registry.list_problems()",
        "importlib.reload(sys.modules[[name for name in sys.modules if 'order_' in name][-1]])",
        "plugins.load_usr_dir(folder)",
    ],
}
LOOK = """
from t2tlite import RangedHParams
ranged = RangedHParams()
registry.ranged_hparams("transformer_base_range")(ranged)
print(json.dumps([
    registry.hparams("transformer_base").hidden_size,
    registry.hparams("transformer_poetry").hidden_size,
    registry.hparams("transformer_tiny").hidden_size,
    registry.hparams("transformer_relative").hidden_size,
    ranged.ranges["hidden_size"].values,
    len(ranged.ranges) > 1,
    registry.problem("translate_envi_iwslt32k_rev").approx_vocab_size,
    registry.model("transformer").mine,
    registry.list_hparams().count("transformer_base"),
]), flush=True)
"""
PROCESS = """
import importlib, json, os, sys
from t2tlite import plugins, registry
# Saves the processes time; these modules register nothing.
from t2tlite import config, ranged_hparams, text_problems, translate
import t2tlite.compat.tensor2tensor.data_generators.generator_utils
for case, folder, code in json.load(sys.stdin):
    print(case, end=": ", flush=True)
    child = os.fork()
    if child == 0:
        try:
            exec(code)
        except BaseException as error:
            print(json.dumps(repr(error)), flush=True)
        os._exit(0)
    os.waitpid(child, 0)
"""


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    """What every process saw, by style and order."""
    folder = tmp_path_factory.mktemp("orders")
    cases = []
    for style, files in STYLES.items():
        (folder / f"order_{style}").mkdir()
        for name, text in files.items():
            (folder / f"order_{style}" / f"{name}.py").write_text(dedent(text))
        for order, steps in STEPS.items():
            code = "\n".join([*steps, LOOK])
            cases.append([f"{style}, {order}", str(folder / f"order_{style}"), code])
    done = subprocess.run(
        [sys.executable, "-c", PROCESS],
        input=json.dumps(cases),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    lines = [line.partition(": ") for line in done.stdout.splitlines()]
    return {case: json.loads(shown) for case, _, shown in lines}


@pytest.mark.parametrize("order", STEPS)
@pytest.mark.parametrize("style", STYLES)
def test_a_users_names_win(seen, style, order):
    poetry = 61 if style == "native_by_name" else 513
    assert seen[f"{style}, {order}"] == [60, poetry, 1024, 512, [60, 62], True, 60, 60, 1]
