"""What t2t-trainer says to schedules that it can't follow, without loading anything."""

import json
import subprocess
import sys

import pytest

# In a process of its own, since a command's flags are global.
SCRIPT = """
import contextlib, io, json, os, sys
from t2tlite.cli import trainer

answers = []
for arguments, tf_config in json.loads(sys.argv[1]):
    os.environ["TF_CONFIG"] = tf_config
    sys.argv = ["t2t-trainer", *arguments]
    error = io.StringIO()
    with contextlib.redirect_stderr(error):
        try:
            trainer.run()
        except SystemExit as exit:
            answers.append([exit.code, error.getvalue()])
    for name in trainer.FLAGS:
        trainer.FLAGS[name].unparse()
assert "tensorflow" not in sys.modules
print(json.dumps(answers))
"""
SYNC = {"master": ["a:1"], "ps": ["b:1", "c:1"]}
ASYNC = {"chief": ["a:1"], "worker": ["b:1"], "ps": ["c:1"]}


def tf_config(cluster, kind, index):
    return json.dumps({"cluster": cluster, "task": {"type": kind, "index": index}})


CASES = [
    # (flags, TF_CONFIG, status, what the message has in it)
    ("--schedule=run_std_server", "", 1, "give it the first machine's command"),
    ("--schedule=run_std_server", tf_config(SYNC, "ps", 1), 1, "give machine 2 of 3 the first"),
    ("--schedule=run_std_server", tf_config(ASYNC, "ps", 0), 0, "has nothing to do"),
    ("--schedule=train_eval_and_decode", "", 2, "use continuous_train_and_eval with --eval_decode"),
    ("--schedule=fly", "", 2, "one of <continuous_train_and_eval|train_and_evaluate|train|test|"),
    ("--schedule=continuous_eval --checkpoint_path=3", "", 2, "goes with --schedule=evaluate or"),
    ("--checkpoint_path=best", "", 2, "training resumes from the newest checkpoint"),
    (
        "--schedule=evaluate_on_train_data --eval_use_test_set",
        "",
        2,
        "--eval_use_test_set contradicts --schedule=evaluate_on_train_data",
    ),
    ("--schedule=continuous_decode_from_file", "", 2, "--output_dir and --decode_from_file must"),
    ("--schedule=continuous_decode --output_dir=m", "", 2, "--data_dir must be given"),
    ("--schedule=continuous_eval --output_dir=m", "", 2, "--data_dir must be given"),
    ("--decode_from_file=lines", "", 2, "--decode_from_file has no effect on --schedule=contin"),
    ("--schedule=evaluate --decode_hparams=beam_size=2", "", 2, "--decode_hparams has no effect"),
    ("--decode_hparams=beam_size=2", "", 2, "t2t-trainer: --output_dir and --data_dir must be"),
    ("--decode_shards=2", "", 2, "--decode_shards=2 isn't supported: split the file, and decode"),
    ("--eval_run_autoregressive", "", 2, "=True isn't supported: t2t-decoder and t2t-bleu"),
    # T2T's defaults are no error.
    ("--decode_shards=1 --noeval_run_autoregressive", "", 2, "--output_dir and --data_dir must"),
]


@pytest.fixture(scope="module")
def answers():
    asked = [[arguments.split(), config] for arguments, config, _, _ in CASES]
    result = subprocess.run(
        [sys.executable, "-c", SCRIPT, json.dumps(asked)], capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


@pytest.mark.parametrize("number", range(len(CASES)), ids=[case[0] for case in CASES])
def test_the_answer(answers, number):
    _, _, status, part = CASES[number]
    assert answers[number][0] == status
    assert part in answers[number][1]
