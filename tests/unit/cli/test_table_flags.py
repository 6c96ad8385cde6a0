"""t2t-datagen's flags of tables."""

import json
import subprocess
import sys

import pytest

from t2tlite.tables.table import read_description

# In a process of its own, since a command's flags are global.
SCRIPT = """
import contextlib, io, json, sys
from t2tlite.cli import datagen

answers = []
for arguments in json.loads(sys.argv[1]):
    sys.argv = ["t2t-datagen", "--num_workers=1", *arguments]
    error = io.StringIO()
    with contextlib.redirect_stderr(error):
        try:
            datagen.run()
        except SystemExit as exit:
            answers.append([exit.code, error.getvalue()])
    for name in datagen.FLAGS:
        datagen.FLAGS[name].unparse()
print(json.dumps(answers))
"""
FAQ = ["--problem=text2text_table", "--problem_name=faq", "--data_files=x.csv", "--data_dir=data"]
COLUMNS = ["--inputs=question", "--targets=answer", "--vocab_size=0", "--dev_share=0.2"]
NAMED = ["--problem=faq", "--data_dir=data"]


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tables")
    rows = "".join(f"q {i},a {i}\n" for i in range(50))
    (folder / "x.csv").write_text(f"question,answer\n{rows}")
    asked = [
        *(FAQ, [*FAQ, *COLUMNS], NAMED, [*FAQ, *COLUMNS, "--max_chars=7"]),
        *([*NAMED, "--inputs=x"], ["--problem=text2text_table", "--data_dir=data"]),
    ]
    words = [sys.executable, "-c", SCRIPT, json.dumps(asked)]
    result = subprocess.run(words, capture_output=True, text=True, cwd=folder)
    assert result.returncode == 0, result.stderr
    written = read_description(folder / "data", "faq").table
    assert (written.dev_share, written.vocab_size, written.inputs) == (0.2, 0, "question")
    return json.loads(result.stdout)


@pytest.mark.parametrize(
    ("number", "status", "message"),
    [
        (0, 1, "x.csv has no column inputs and no targets; it has question, answer: name others"),
        (1, 0, "faq eval: "),
        (2, 0, "faq is complete in data"),
        (3, 1, "that were made with other arguments: max_chars (0 then, 7 now); give the same"),
        (4, 2, "--inputs goes with --problem=text2text_table, text2class_table, text2self_table"),
        (5, 1, "text2text_table needs data, such as --data_files='pairs/*.csv', or a --data_dir"),
    ],
)
def test_a_table_by_its_flags_and_then_by_its_name(answers, number, status, message):
    found, error = answers[number]
    assert message in error
    assert found == status
    assert "Traceback" not in error
