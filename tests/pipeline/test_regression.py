"""A problem whose targets are numbers: training, evaluation, decoding, and what isn't possible."""

import json

import pytest

pytestmark = pytest.mark.slow

PLUGIN = '''
import random

from t2tlite import registry
from t2tlite.regression import Text2RealProblem


@registry.register_problem
class Ones(Text2RealProblem):
    """Ten times the share of ones among words."""

    approx_vocab_size = 300
    dataset_splits = [{"split": "train", "shards": 2}, {"split": "eval", "shards": 1}]
    is_generate_per_split = False

    def generate_samples(self, data_dir, tmp_dir, dataset_split):
        draw = random.Random(1)
        for _ in range(1500):
            words = draw.choices(["one", "two"], k=draw.randint(3, 12))
            yield {"inputs": " ".join(words), "targets": 10 * words.count("one") / len(words)}
'''
TINY = (
    "learning_rate_warmup_steps=50,batch_size=1024,hidden_size=32,filter_size=64,num_heads=2,"
    "num_hidden_layers=1"
)


@pytest.fixture(scope="module")
def model(command):
    """A model folder in the folder of the commands, beside the plugin and the data."""
    (command.folder / "ones").mkdir()
    (command.folder / "ones" / "__init__.py").write_text(PLUGIN)
    command(
        *("t2t-trainer", "--generate_data", "--t2t_usr_dir=ones", "--problem=ones"),
        *("--data_dir=data", "--output_dir=model", "--model=transformer_encoder"),
        *("--hparams_set=transformer_tiny", f"--hparams={TINY}", "--train_steps=150"),
        "--local_eval_frequency=150",
    )
    return command.folder / "model"


def test_it_learns(model):
    (line,) = (model / "eval.jsonl").read_text().splitlines()
    evaluation = json.loads(line)
    assert evaluation["rmse"] < 0.5 and evaluation["pearson"] > 0.99
    assert evaluation["rmse"] == pytest.approx(evaluation["loss"] ** 0.5)


def test_answers_are_numbers(command, model):
    texts = ["one one two two", "one one one one", "", "two two one two"]
    (command.folder / "texts").write_text("".join(f"{text}\n" for text in texts))
    (command.folder / "right").write_text("5\n10\n\n2.5\n")
    done = command(
        *("t2t-decoder", "--output_dir=model", "--decode_from_file=texts"),
        *("--decode_to_file=answers", "--decode_reference=right"),
    )
    assert "rmse = " in done.stdout and "of 3 lines" in done.stdout
    answers = (command.folder / "answers").read_text().splitlines()
    assert answers[2] == ""
    numbers = [float(answer) for answer in answers if answer]
    assert numbers == pytest.approx([5, 10, 2.5], abs=1)
    done = command("t2t-decoder", "--output_dir=model", "--decode_interactive", stdin=texts[0])
    assert float(done.stdout) == pytest.approx(numbers[0], abs=1e-3)
    # The evaluation split, each distinct input once.
    done = command("t2t-decoder", "--output_dir=model", "--data_dir=data")
    assert "pearson = 0.99" in done.stdout or "pearson = 1.0" in done.stdout


def test_what_numbers_do_not_have(command, model):
    (command.folder / "pairs").write_text("one two\t5\n")
    done = command("t2t-decoder", "--output_dir=model", "--score_file=pairs", status=1)
    assert "the model predicts numbers, which have no probability" in done.stderr
    done = command("t2t-exporter", "--output_dir=model", "--export_dir=exported", status=1)
    assert "this model predicts numbers; serve it with t2t-server" in done.stderr
