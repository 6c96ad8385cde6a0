"""t2t-import-checkpoint converts T2T's model folder, and the other commands use the result."""

import json
import shutil

import pytest


@pytest.fixture(scope="module")
def theirs(shared, tmp_path_factory):
    """T2T's model folder with its vocabulary, as copied from another machine."""
    folder = tmp_path_factory.mktemp("theirs")
    for source in ("poetry_model/*", "poetry_data/vocab.*"):
        for path in (shared / "fixtures/t2t").glob(source):
            shutil.copy(path, folder)
    return folder


@pytest.fixture(scope="module")
def imported(command, theirs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("imported")
    done = command("t2t-import-checkpoint", f"--from={theirs}", f"--output_dir={folder}")
    return folder, done


@pytest.mark.slow
def test_the_report(imported):
    folder, done = imported
    lines = done.stdout.splitlines()
    assert lines[0] == "imported: 66 weights, 2,005,632 parameters, step 1200"
    assert lines[1].startswith("optimizer: state of adam imported")
    assert "no counterpart here: train_stats/problem_0_steps []" in lines
    assert all(line.startswith("no counterpart here: ") for line in lines[2:-1])
    assert lines[-1] == (
        "to resume training: t2t-trainer --problem=poetry_line_problem --model=transformer "
        '--hparams_set=transformer_poetry --hparams="activation_dtype=float32,'
        'attention_dropout=0.1,layer_prepostprocess_dropout=0.1,learning_rate_warmup_steps=400"'
    )
    assert json.loads((folder / "run.json").read_text())["hparams"]["hidden_size"] == 128


@pytest.mark.slow
def test_the_decoder_needs_nothing_else(command, imported, shared, tmp_path):
    folder, _ = imported
    examples = json.loads((shared / "fixtures/t2t/poetry_decode.json").read_text())["examples"]
    lines = tmp_path / "lines.txt"
    lines.write_text("".join(f"{one['inputs_text']}\n" for one in examples))
    command(
        "t2t-decoder",
        f"--output_dir={folder}",
        f"--decode_from_file={lines}",
        f"--decode_to_file={tmp_path / 'answers.txt'}",
        "--decode_hparams=beam_size=4,alpha=0.6",
    )
    expected = [one["beam"][0]["text"] for one in examples]
    assert (tmp_path / "answers.txt").read_text().split("\n")[:-1] == expected


@pytest.mark.parametrize(
    ("flags", "status", "message"),
    [
        (["--from=nowhere"], 1, "nowhere.index doesn't exist; give a folder or model.ckpt-STEP"),
        ([], 2, "--from must be given"),
    ],
)
def test_errors_are_one_line(command, tmp_path, flags, status, message):
    output = f"--output_dir={tmp_path / 'ours'}"
    done = command("t2t-import-checkpoint", output, *flags, status=status)
    assert done.stderr.splitlines()[-1].startswith(f"t2t-import-checkpoint: {message}")
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "ours").exists()
