"""A course on T2T, its commands in order: data, training, decoding, export, an app, tuning.

The commands are the course's, with a folder in place of its bucket and fewer steps; the plugin and
the app in tests/plugins/t2t/course import tensor2tensor.
"""

import base64
import contextlib
import http.server
import json
import os
import random
import shlex
import shutil
import string
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.pipeline.conftest import forked

COURSE = Path(__file__).parents[1] / "plugins" / "t2t" / "course"
WORDS = "the sweet spring is the year's pleasant king then blooms each thing"

DATAGEN = """t2t-datagen \\
  --t2t_usr_dir=./poetry/trainer \\
  --problem=$PROBLEM \\
  --data_dir=./t2t_data \\
  --tmp_dir=./t2t_data/tmp"""

TRAIN_LOCALLY = """t2t-trainer \\
  --data_dir=bucket/poetry/subset \\
  --t2t_usr_dir=./poetry/trainer \\
  --problems=$PROBLEM \\
  --model=transformer \\
  --hparams_set=transformer_poetry \\
  --output_dir=./trained_model --job-dir=./trained_model --train_steps=10"""

TRAIN_IN_THE_CLOUD = """t2t-trainer \\
  --data_dir=bucket/poetry/subset \\
  --t2t_usr_dir=./poetry/trainer \\
  --problem=$PROBLEM \\
  --model=transformer \\
  --output_dir=bucket/poetry/model \\
  --train_steps=3 --cloud_mlengine --worker_gpu=1 --hparams_set=transformer_poetry"""

DECODE = """t2t-decoder \\
  --data_dir=bucket/poetry/data \\
  --problem=$PROBLEM \\
  --model=transformer \\
  --hparams_set=transformer_poetry \\
  --output_dir=$OUTDIR \\
  --t2t_usr_dir=./poetry/trainer \\
  --decode_hparams="beam_size=4,alpha=0.6" \\
  --decode_from_file=data/poetry/rumi_leads.txt"""

EXPORT = """t2t-exporter \\
  --model=transformer \\
  --hparams_set=transformer_poetry \\
  --problem=$PROBLEM \\
  --t2t_usr_dir=./poetry/trainer \\
  --decode_hparams="beam_size=4,alpha=0.6" \\
  --data_dir=bucket/poetry/data \\
  --output_dir=bucket/poetry/model"""

TUNE = """t2t-trainer \\
  --data_dir=bucket/poetry/subset \\
  --t2t_usr_dir=./poetry/trainer \\
  --problem=$PROBLEM \\
  --model=transformer \\
  --hparams_set=transformer_poetry \\
  --output_dir=bucket/poetry/model_hparam \\
  --hparams_range=transformer_poetry_range \\
  --autotune_objective='metrics-poetry_line_problem/accuracy_per_sequence' \\
  --autotune_maximize \\
  --autotune_max_trials=1 \\
  --autotune_parallel_trials=1 \\
  --train_steps=2 --cloud_mlengine --worker_gpu=1"""


IGNORED = "warning: --cloud_mlengine is ignored: it ran jobs in a Google Cloud service"


class Course:
    """The folder in which the commands run."""

    def __init__(self, folder):
        self.folder = folder
        shutil.copytree(COURSE, folder, dirs_exist_ok=True)
        (folder / "data/poetry").mkdir(parents=True)
        chosen = random.Random(0)
        lines = [" ".join(chosen.choices(WORDS.split(), k=5)) for _ in range(200)]
        poems = ["\n".join(lines[i : i + 10]) + "\n" for i in range(0, len(lines), 10)]
        (folder / "data/poetry/raw.txt").write_text("\n".join(poems))

    def run(self, cell, stdin="", status=0, **variables):
        """Runs a command as it is written in a notebook's cell."""
        text = string.Template(cell.replace("\\\n", " "))
        words = shlex.split(text.substitute(PROBLEM="poetry_line_problem", **variables))
        done = forked(words, stdin, self.folder, {})
        assert done.returncode == status, f"{words}\n{done.stdout}\n{done.stderr}"
        return done

    def copy(self, source, target, *patterns):
        """As `gsutil cp` does."""
        target = self.folder / target
        target.mkdir(parents=True)
        for pattern in patterns:
            for file in (self.folder / source).glob(pattern):
                shutil.copy(file, target)


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """The course after its data were generated and copied to the bucket."""
    course = Course(tmp_path_factory.mktemp("course"))
    (course.folder / "t2t_data/tmp").mkdir(parents=True)
    course.run(DATAGEN)
    course.copy("t2t_data", "bucket/poetry/data", "poetry_line_problem*", "vocab*")
    data = ["poetry_line_problem-train-0008*", "poetry_line_problem-dev-00000*", "vocab*"]
    course.copy("bucket/poetry/data", "bucket/poetry/subset", *data)
    return course


@pytest.fixture(scope="module")
def trained(course):
    """The course after the training in the cloud, here on this machine."""
    done = course.run(TRAIN_IN_THE_CLOUD, stdin="'Y'\n")
    assert IGNORED in done.stderr
    leads = "where did the handsome beloved go\nhe spread his light among us like a candle\n"
    (course.folder / "data/poetry/rumi_leads.txt").write_text(leads)
    return course


@pytest.mark.slow
def test_data_and_what_training_says(course):
    names = sorted(path.name for path in (course.folder / "t2t_data").glob("poetry_line_problem-*"))
    assert names[:1] == ["poetry_line_problem-dev-00000-of-00010"]
    assert (len(names), names[-1]) == (100, "poetry_line_problem-train-00089-of-00090")
    # The data is read and the network built; `make long` trains.
    done = course.run(TRAIN_IN_THE_CLOUD + " --train_steps=0", stdin="'Y'\n")
    assert IGNORED in done.stderr
    shutil.rmtree(course.folder / "bucket/poetry/model")


@pytest.mark.long
def test_training_on_a_subset(course):
    done = course.run(TRAIN_LOCALLY)
    assert "warning: --job-dir is ignored: it named a cloud job's output folder" in done.stderr
    assert "has 10 of 90 shards of poetry_line_problem-train: only these are read" in done.stderr
    assert "1 of 10 shards of poetry_line_problem-dev" in done.stderr
    run = json.loads((course.folder / "trained_model/run.json").read_text())
    assert (run["hparams"]["hidden_size"], run["hparams"]["attention_dropout"]) == (128, 0.6)
    assert json.loads((course.folder / "trained_model/eval.jsonl").read_text())["step"] == 10


def decodes(course):
    (file,) = (course.folder / "data/poetry").glob("rumi_leads.txt.*.decodes")
    return file.read_text().splitlines()


@pytest.mark.slow
@pytest.mark.long
def test_decoding_and_serving(trained):
    trained.run(DECODE, OUTDIR="bucket/poetry/model")
    answers = decodes(trained)
    assert len(answers) == 2
    trained.run(EXPORT)
    (version,) = (trained.folder / "bucket/poetry/model/export").iterdir()
    leads = (trained.folder / "data/poetry/rumi_leads.txt").read_text().splitlines()
    with served(version) as url:
        program = [sys.executable, "-m", "t2tlite.compat", "application/main.py", url, leads[1]]
        done = subprocess.run(
            program, cwd=trained.folder, capture_output=True, text=True, check=False
        )
    assert done.stdout == f"{answers[1]}\n", done.stderr
    assert "INFO:tensorflow:importing poetry/trainer" in done.stderr


@contextlib.contextmanager
def served(folder):
    """Serves a SavedModel as TensorFlow Serving's REST interface does; yields the URL."""
    import tensorflow as tf
    import tensorflow_text  # noqa: F401 - the tokenizer's operations

    signatures = tf.saved_model.load(str(folder)).signatures
    dtypes = {"outputs": tf.int32, "scores": tf.float32}
    assert signatures["serving_default"].output_dtypes == dtypes

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            content = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            rows = [base64.b64decode(row["input"]["b64"]) for row in content["instances"]]
            found = signatures[content["signature_name"]](input=tf.constant(rows))
            columns = [[(name, one) for one in found[name].numpy().tolist()] for name in found]
            answer = json.dumps({"predictions": [dict(row) for row in zip(*columns, strict=True)]})
            self.send_response(200)
            self.end_headers()
            self.wfile.write(answer.encode())

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v1/models/poetry:predict"
        finally:
            server.shutdown()


@pytest.mark.slow
@pytest.mark.long
def test_tuning(trained):
    pytest.importorskip("optuna", reason="tuning needs t2tlite[tune]")
    done = trained.run(TUNE, stdin="Y\n")
    folder = trained.folder / "bucket/poetry/model_hparam"
    run = json.loads((folder / "0/run.json").read_text())
    best = json.loads((folder / "best.json").read_text())
    assert run["hparams"].items() >= best.items()
    # The set's schedule doesn't read learning_rate.
    assert best.keys() == {"num_hidden_layers", "hidden_size", "attention_dropout"}
    assert "learning_rate isn't searched" in done.stderr
    sizes = ",".join(f"{name}={best[name]}" for name in ("num_hidden_layers", "hidden_size"))
    for old in (trained.folder / "data/poetry").glob("*.decodes"):
        os.remove(old)
    trained.run(f'{DECODE} --hparams="{sizes}"', OUTDIR="bucket/poetry/model_hparam/0")
    assert len(decodes(trained)) == 2
