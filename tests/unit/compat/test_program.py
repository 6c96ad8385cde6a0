"""Programs that import tensor2tensor: `python -m t2tlite.compat`, and the modules they use."""

import subprocess
import sys

import pytest

from t2tlite import registry, text_problems
from t2tlite.compat.t2t_hparams import HParams
from t2tlite.compat.tensor2tensor.serving import serving_utils
from t2tlite.compat.tensor2tensor.utils import hparam, usr_dir
from t2tlite.compat.tensor2tensor.utils import registry as t2ts_registry
from t2tlite.errors import HParamsError, PluginError

PROGRAM = """
import sys
from tensor2tensor.utils import hparam
import beside
print(__name__, sys.argv[1:], hparam.HParams(data_dir=beside.HERE).data_dir)
"""


def run(folder, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "t2tlite.compat", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
    )


@pytest.mark.parametrize("how", ["script", "module"])
def test_a_program_runs_as_with_tensor2tensor(tmp_path, how):
    (tmp_path / "apps").mkdir()
    folder = tmp_path / "apps" if how == "script" else tmp_path
    (folder / "program.py").write_text(PROGRAM)
    (folder / "beside.py").write_text("HERE = 'here'")
    program = ["apps/program.py"] if how == "script" else ["-m", "program"]
    done = run(tmp_path, *program, "--x=1", "-m")
    assert done.stdout == "__main__ ['--x=1', '-m'] here\n", done.stderr


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [([], 2, "script.py"), (["--help"], 0, "-m module"), (["no.py"], 1, "there is no file no.py")],
)
def test_what_is_no_program(tmp_path, arguments, status, says):
    done = run(tmp_path, *arguments)
    assert done.returncode == status
    assert says in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_hparams_hold_what_a_program_puts_in():
    made = HParams(hidden_size=64, data_dir="/data", daisy_chain_variables=True)
    assert (made.hidden_size, made.num_heads, made.data_dir) == (64, 8, "/data")
    assert made.copy().data_dir == "/data"
    with pytest.raises(HParamsError, match="hidden_size"):
        HParams(hidden_size="wide")


class Verse(text_problems.Text2TextProblem):
    vocab_type = text_problems.VocabType.CHARACTER


def test_a_text_goes_to_a_server_and_back(own_names):
    registry.register_problem("compat_verse")(Verse)
    problem = t2ts_registry.problem("compat_verse_rev")
    assert problem.full_name == "compat_verse_rev"
    problem.get_hparams(hparam.HParams(data_dir="unused"))
    assert problem.feature_info["targets"].vocab_size == 258

    def answer(examples):
        ids = [list(one.features.feature["inputs"].int64_list.value) for one in examples]
        assert ids == [[99, 100, 1]]
        return [{"outputs": [100, 99, 1, 0], "scores": -0.5}]

    assert serving_utils.predict(["ab"], problem, answer) == [("ba", -0.5)]

    def answer_beam(examples):
        return [{"outputs": [[100, 1], [99, 1]], "scores": [-0.5, -0.7]}]

    assert serving_utils.predict(["ab"], problem, answer_beam) == [(["b", "a"], [-0.5, -0.7])]
    with pytest.raises(PluginError, match=r"make_grpc_request_fn speaks gRPC"):
        serving_utils.make_grpc_request_fn("name", "host:1", 10)


def test_no_plugin_is_no_error():
    usr_dir.import_usr_dir(None)
    usr_dir.import_usr_dir("")
