"""The commands of three pages of T2T's documentation, in their order and as they are printed there.

Corpora, models and numbers of steps are small: where a page trains, `$SMALL` is added.
"""

import os
import re
import shlex
import string
import subprocess
import time

import pytest

from tests.pipeline.conftest import BIN, free_ports

pytestmark = pytest.mark.slow

SMALL = (
    "--hparams=hidden_size=16,filter_size=32,num_heads=2,num_hidden_layers=1,batch_size=256 "
    "--train_steps=4 --local_eval_frequency=2 --eval_steps=1"
)
WORDS = {"the": "die", "red": "rote", "green": "grüne", "door": "Tür", "flower": "Blume"}
WORDS |= {"is": "ist", "was": "war", "old": "alt", "new": "neu", "hello": "hallo", "world": "Welt"}


class Shell:
    """Runs lines of a page: assignments, t2t commands, and everything else in bash."""

    def __init__(self, command, **variables):
        self.command = command
        self.variables = {"SMALL": SMALL, **{name: str(v) for name, v in variables.items()}}

    def __call__(self, script, status=0, **environment):
        """Runs a script; returns the output of its last command."""
        output = ""
        for line in re.sub(r"\\\n\s*", "", script).strip().splitlines():
            name, is_assignment, value = line.strip().partition("=")
            if is_assignment and name.isidentifier():
                self.variables[name] = self.expand(value)
            elif line.startswith("t2t-"):
                words = shlex.split(self.expand(line))
                done = self.command(*words, status=status, **environment)
                output = done.stdout if status == 0 else done.stderr
            else:
                done = subprocess.run(
                    ["bash", "-ec", line],
                    capture_output=True,
                    text=True,
                    cwd=self.command.folder,
                    env={**os.environ, **self.variables},
                )
                assert done.returncode == 0, f"{line}\n{done.stderr}"
                output = done.stdout
        return output

    def expand(self, text):
        return string.Template(text).substitute(self.variables)


def sentences(count):
    """Pairs of sentences."""
    words = list(WORDS)
    for i in range(count):
        chosen = [words[(i * k + k) % len(words)] for k in range(1, 3 + i % 4)]
        yield " ".join(chosen), " ".join(WORDS[word] for word in chosen)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A home folder with WMT's files for English and German in both of the pages' folders."""
    home = tmp_path_factory.mktemp("home")
    stems = {
        "training-parallel-nc-v13/news-commentary-v13.de-en": 300,
        "commoncrawl.de-en": 30,
        "training/europarl-v7.de-en": 30,
        "dev/newstest2013": 20,
    }
    for folder in (home / "t2t_data", home / "t2t_datagen"):
        for stem, count in stems.items():
            for number, suffix in enumerate(("en", "de")):
                path = folder / f"{stem}.{suffix}"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text("".join(f"{pair[number]}\n" for pair in sentences(count)))
    return home


@pytest.fixture(scope="module")
def shell(command, home):
    return Shell(command, HOME=home, TMP=home)


def test_walkthrough(shell, home):
    """docs/walkthrough.md."""
    # In one command, without any variable.
    shell(
        """
t2t-trainer \\
  --generate_data \\
  --data_dir=~/t2t_data \\
  --problems=translate_ende_wmt32k \\
  --model=transformer \\
  --hparams_set=transformer_tiny \\
  --output_dir=~/t2t_train/base $SMALL --train_steps=0
""",
        HOME=str(home),
    )
    # That trains below.
    assert (home / "t2t_train/base/run.json").exists()
    assert "translate_ende_wmt32k" in shell("t2t-datagen")
    listed = shell("t2t-trainer --registry_help")
    assert all(name in listed for name in ("translate_ende_wmt32k", "transformer_tiny"))

    # Step by step.
    shell("""
PROBLEM=translate_ende_wmt32k
MODEL=transformer
HPARAMS=transformer_tiny

DATA_DIR=$HOME/t2t_data
TMP_DIR=$TMP/t2t_datagen
TRAIN_DIR=$HOME/t2t_train/$PROBLEM/$MODEL-$HPARAMS

mkdir -p $DATA_DIR $TMP_DIR $TRAIN_DIR
t2t-datagen \\
  --data_dir=$DATA_DIR \\
  --tmp_dir=$TMP_DIR \\
  --problem=$PROBLEM
t2t-trainer \\
  --data_dir=$DATA_DIR \\
  --problem=$PROBLEM \\
  --model=$MODEL \\
  --hparams_set=$HPARAMS \\
  --output_dir=$TRAIN_DIR $SMALL
DECODE_FILE=$DATA_DIR/decode_this.txt
echo "Hello world" >> $DECODE_FILE
echo "Goodbye world" >> $DECODE_FILE
echo -e 'Hallo Welt\\nAuf Wiedersehen Welt' > ref-translation.de

BEAM_SIZE=4
ALPHA=0.6
t2t-decoder \\
  --data_dir=$DATA_DIR \\
  --problem=$PROBLEM \\
  --model=$MODEL \\
  --hparams_set=$HPARAMS \\
  --output_dir=$TRAIN_DIR \\
  --decode_hparams="beam_size=$BEAM_SIZE,alpha=$ALPHA" \\
  --decode_from_file=$DECODE_FILE \\
  --decode_to_file=translation.en
""")
    assert shell("cat translation.en").count("\n") == 2
    bleu = shell("t2t-bleu --translation=translation.en --reference=ref-translation.de")
    assert bleu.startswith("BLEU = ")


POETRY = """
import os
import re

from tensor2tensor.data_generators import problem
from tensor2tensor.data_generators import text_problems
from tensor2tensor.utils import registry


@registry.register_problem
class PoetryLines(text_problems.Text2TextProblem):

  @property
  def approx_vocab_size(self):
    return 2**13

  @property
  def is_generate_per_split(self):
    return False

  @property
  def dataset_splits(self):
    return [{
        "split": problem.DatasetSplit.TRAIN,
        "shards": 9,
    }, {
        "split": problem.DatasetSplit.EVAL,
        "shards": 1,
    }]

  def generate_samples(self, data_dir, tmp_dir, dataset_split):
    del data_dir
    del dataset_split
    previous = None
    for line in open(os.path.join(tmp_dir, "book.txt")):
      line = re.sub("[^a-z]+", " ", line.strip().lower())
      if previous and line:
        yield {"inputs": previous, "targets": line}
      previous = line
"""


@pytest.mark.long
def test_new_problem(shell, command, home):
    """docs/new_problem.md."""
    usr_dir = home / "poetry"
    usr_dir.mkdir()
    (usr_dir / "__init__.py").write_text("from . import poetry_lines\n")
    (usr_dir / "poetry_lines.py").write_text(POETRY)
    book = "".join(f"{english}\n" for english, _ in sentences(200))
    (home / "t2t_datagen/book.txt").write_text(book)
    shell = Shell(command, **shell.variables)
    shell(f"""
USR_DIR={usr_dir}
PROBLEM=poetry_lines
DATA_DIR=$HOME/t2t_data
TMP_DIR=$TMP/t2t_datagen
mkdir -p $DATA_DIR $TMP_DIR
t2t-datagen \\
  --t2t_usr_dir=$USR_DIR \\
  --data_dir=$DATA_DIR \\
  --tmp_dir=$TMP_DIR \\
  --problem=$PROBLEM
t2t-trainer \\
  --data_dir=$DATA_DIR \\
  --problems=poetry_lines \\
  --model=transformer \\
  --hparams_set=transformer_tiny \\
  --output_dir=$HOME/t2t_train/poetry \\
  --t2t_usr_dir=$USR_DIR $SMALL
""")
    shards = sorted(path.name for path in (home / "t2t_data").glob("poetry_lines-*"))
    assert len(shards) == 10
    assert shards[0] == "poetry_lines-dev-00000-of-00001"
    evaluated = shell("""
t2t-eval \\
  --problem=poetry_lines \\
  --model=transformer \\
  --hparams_set=transformer_tiny \\
  --data_dir=$DATA_DIR \\
  --output_dir=$HOME/t2t_train/poetry \\
  --t2t_usr_dir=$USR_DIR
""")
    assert evaluated.startswith("loss\t")


@pytest.mark.long
def test_distributed_training(shell, command, home, tmp_path):
    """docs/distributed_training.md."""
    master, worker, server = (f"127.0.0.1:{port}" for port in free_ports(3))
    shell = Shell(command, **shell.variables)
    shell("t2t-datagen --data_dir=$HOME/t2t_data --problem=translate_ende_wmt32k")
    # One master: what T2T calls its parameter servers are workers. The TF_CONFIG is T2T's.
    printed = shell(f"t2t-make-tf-configs --masters='{master}' --ps='{worker}'")
    assert len(printed.splitlines()) == 2
    cluster = f'"cluster": {{"master": ["{master}"], "ps": ["{worker}"]}}, "environment": "cloud"'
    train_dir = home / "t2t_train/distributed"
    flags = f"""--master=grpc://{master} --ps_replicas=1 --worker_replicas=1 --worker_gpu=0
        --worker_id=0 --ps_gpu=1 --sync --schedule=train --worker_job='/job:master'
        --model=transformer --hparams_set=transformer_tiny --problem=translate_ende_wmt32k
        --data_dir={home}/t2t_data --output_dir={train_dir} {SMALL}"""
    kinds = {"master": flags, "ps": flags}
    started = [
        start(tmp_path / kind, words, f'{{{cluster}, "task": {{"index": 0, "type": "{kind}"}}}}')
        for kind, words in kinds.items()
    ]
    # The evaluation runs beside the training, without TF_CONFIG.
    job = f"""--schedule=continuous_eval_on_train_data --worker_job='/job:localhost'
        --output_dir={train_dir} --data_dir={home}/t2t_data --problem=translate_ende_wmt32k
        --model=transformer --hparams_set=transformer_tiny {SMALL}"""
    try:
        wait_for(train_dir / "model.ckpt-2.safetensors", started, tmp_path)
        started.append(start(tmp_path / "eval", job))
        for process in started:
            assert process.wait(timeout=300) == 0, logs(tmp_path)
    finally:
        for process in started:
            process.kill()
            process.wait()
    assert "all 2 machines are connected" in (tmp_path / "ps").read_text()
    assert "step\t4\nloss\t" in (tmp_path / "eval").read_text()
    assert list((train_dir / "eval_train").glob("events*"))

    # Several masters: a parameter server has nothing to do.
    cluster = f'"cluster": {{"chief": ["{master}"], "worker": ["{worker}"], "ps": ["{server}"]}}'
    task = '"task": {"index": 0, "type": "ps"}, "environment": "cloud"'
    process = start(tmp_path / "server", "--schedule=run_std_server", f"{{{task}, {cluster}}}")
    assert process.wait(timeout=60) == 0
    assert "nothing to do" in (tmp_path / "server").read_text()


def start(log, flags, tf_config=""):
    """Starts t2t-trainer; its output goes to a file."""
    with log.open("w") as file:
        return subprocess.Popen(
            [BIN / "t2t-trainer", *shlex.split(flags)],
            stdout=file,
            stderr=file,
            env={**os.environ, "TF_CONFIG": tf_config},
        )


def wait_for(path, processes, folder):
    deadline = time.monotonic() + 300
    while not path.exists():
        running = all(process.poll() in (None, 0) for process in processes)
        assert running and time.monotonic() < deadline, logs(folder)
        time.sleep(0.1)


def logs(folder):
    return "\n".join(path.read_text() for path in folder.iterdir())
