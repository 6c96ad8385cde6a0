"""Which problems t2t-datagen lists and generates, by its flags."""

import json
import subprocess
import sys

import pytest

# In a process of its own, since a command's flags are global.
SCRIPT = """
import contextlib, io, json, sys
from t2tlite.cli import datagen

done = []
datagen.generate_data = lambda *arguments: done.append([arguments[0], arguments[5]])
answers = []
for arguments in json.loads(sys.argv[1]):
    done.clear()
    sys.argv = ["t2t-datagen", *arguments]
    out, error = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(error):
        try:
            datagen.run()
        except SystemExit as exit:
            answers.append([exit.code, out.getvalue().split(), error.getvalue(), [*done]])
    for name in datagen.FLAGS:
        datagen.FLAGS[name].unparse()
print(json.dumps(answers))
"""
DIGITS = ["--problem=reverse_digits", "--data_dir=d"]
SHIFTS = ["algorithmic_shift_decimal40"]


def ask(*asked):
    words = [sys.executable, "-c", SCRIPT, json.dumps(asked)]
    result = subprocess.run(words, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def test_listing():
    alone, only_list, pattern, some = ask(
        [],
        ["--only_list"],
        ["--only_list", "--problem=algorithmic_*", "--exclude_problems=identity,nlp,math,bina"],
        ["--only_list", "--problem=reverse_digits,algorithmic_shift_decimal40"],
    )
    assert alone == only_list
    assert alone[0] == 0
    assert {"reverse_digits", "translate_ende_wmt32k"} <= set(alone[1])
    assert pattern[1] == sorted(
        [f"algorithmic_{kind}_decimal40" for kind in ("addition", "multiplication", "reverse")]
        + [*SHIFTS, "algorithmic_sort_problem"]
    )
    assert some[1] == ["reverse_digits", *SHIFTS]
    assert [one[3] for one in (alone, only_list, pattern, some)] == [[]] * 4


@pytest.fixture(scope="module")
def tasks():
    cases = [[], ["--task_id=2"], ["--task_id_start=1", "--task_id_end=3"]]
    wrong = [["--task_id_start=1"], ["--task_id=0", "--task_id_start=1", "--task_id_end=3"]]
    wrong += [["--task_id_start=3", "--task_id_end=3"]]
    return ask(*(DIGITS + case for case in cases), *(DIGITS + case for case in wrong))


def test_tasks(tasks):
    assert [[task for _, task in answer[3]] for answer in tasks[:3]] == [[-1], [2], [1, 2]]
    assert [answer[0] for answer in tasks] == [0, 0, 0, 2, 2, 2]
    for answer in tasks[3:]:
        assert answer[3] == []
        assert "expected 0 <= start < end, and no --task_id" in answer[2]


def test_a_data_folder_without_a_problem():
    without, shards = ask(["--data_dir=d"], [*DIGITS, "--num_shards=3"])
    assert (without[0], without[1]) == (2, [])
    assert "--problem must be given" in without[2]
    assert shards[0] == 2
    assert "--num_shards=3 isn't supported: set shards in the problem's dataset_spl" in shards[2]
