"""Generates data, trains and decodes a task that the model must learn."""

import json

import pytest

from t2tlite import registry
from t2tlite.checkpoint import checkpoints

# A model of 64 x 2 learns it in 200 steps without dropout: all but a few lines of evaluation
# are right. The rate ends at 0, and the moving average is what is judged, so that the end isn't a
# matter of luck.
STEPS = 200
HPARAMS = (
    "hidden_size=64,filter_size=256,batch_size=1024,batching=pack,learning_rate_constant=0.003,"
    "learning_rate_schedule=constant*linear_warmup*single_cycle_cos_decay,"
    "learning_rate_warmup_steps=100,ema_decay=0.9,label_smoothing=0,"
    "layer_prepostprocess_dropout=0,attention_dropout=0,relu_dropout=0"
)


@pytest.fixture(scope="module")
def model(command, digits, tmp_path_factory):
    """A model folder, trained until the model has learned the task."""
    folder = tmp_path_factory.mktemp("model")
    command(
        "t2t-trainer",
        "--problem=reverse_digits",
        f"--data_dir={digits}",
        f"--output_dir={folder}",
        "--model=transformer",
        "--hparams_set=transformer_tiny",
        f"--hparams={HPARAMS}",
        f"--train_steps={STEPS}",
        f"--local_eval_frequency={STEPS // 2}",
    )
    return folder


@pytest.fixture(scope="module")
def held_out():
    """Lines and answers of the evaluation split, which isn't trained on."""
    samples = list(registry.problem("reverse_digits").generate_samples("", "", "eval"))
    return [one["inputs"] for one in samples], [one["targets"] for one in samples]


def test_learns_the_task_and_decodes_it_from_a_file(command, model, held_out, tmp_path):
    lines, answers = held_out
    source = tmp_path / "lines.txt"
    source.write_text("\n".join(lines) + "\n")
    target = tmp_path / "decoded.txt"
    command(
        "t2t-decoder",
        f"--output_dir={model}",
        f"--decode_from_file={source}",
        f"--decode_to_file={target}",
    )
    decoded = target.read_text().splitlines()
    right = sum(map(str.__eq__, decoded, answers))
    assert len(decoded) == len(answers)
    assert right / len(answers) >= 0.95


def test_evaluation_is_recorded(model):
    steps = checkpoints.steps(model)
    rows = [json.loads(line) for line in (model / "eval.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == steps == [steps[-1] // 2, steps[-1]]
    assert rows[-1]["accuracy_per_sequence"] >= 0.95
    assert rows[-1]["loss"] == pytest.approx(-rows[-1]["neg_log_perplexity"])
    assert rows[-1]["loss"] < rows[0]["loss"]


def test_answers_in_python(model, held_out):
    from t2tlite import Decoder

    lines, answers = held_out
    decoded = Decoder(model, decode_hparams="beam_size=1").decode(lines)
    assert sum(map(str.__eq__, decoded, answers)) / len(answers) >= 0.95


def test_answers_lines_from_a_pipe(command, model):
    done = command(
        "t2t-decoder", f"--output_dir={model}", "--decode_interactive", stdin="4 5 6 7\nq\n1 2 3\n"
    )
    assert done.stdout.splitlines() == ["7 6 5 4"]


def test_averaged_checkpoints_decode_and_score(command, model, held_out, tmp_path):
    lines, answers = held_out
    (tmp_path / "lines").write_text("\n".join(lines[:100]) + "\n")
    (tmp_path / "answers").write_text("\n".join(answers[:100]) + "\n")
    command("t2t-avg-all", f"--model_dir={model}", f"--output_dir={tmp_path / 'mean'}", "--n=1")
    command(
        "t2t-decoder",
        f"--output_dir={tmp_path / 'mean'}",
        f"--decode_from_file={tmp_path / 'lines'}",
    )
    decoded = tmp_path / "lines.transformer.transformer_tiny.reverse_digits.beam4.alpha0.6.decodes"
    done = command("t2t-bleu", f"--translation={decoded}", f"--reference={tmp_path / 'answers'}")
    assert "BLEU = 9" in done.stdout or "BLEU = 100" in done.stdout
    assert "exact match" in done.stdout
    command("t2t-avg-all", f"--model_dir={tmp_path / 'mean'}", f"--output_dir={model}", status=1)
    done = command("t2t-avg-all", f"--model_dir={model}", f"--output_dir={tmp_path}", "--n=9")
    assert "found 2 checkpoints of --n=9, the oldest of step " in done.stderr
