"""t2t-exporter writes a model for CTranslate2, and t2t-decoder decodes with it."""

import shutil
from pathlib import Path

import pytest

GOLDEN = Path(__file__).parents[1] / "golden" / "model"


@pytest.mark.slow
def test_export_and_decode_with_ctranslate2(command, tmp_path):
    model = f"--output_dir={shutil.copytree(GOLDEN, tmp_path / 'model')}"
    (tmp_path / "lines").write_text("3 1 4\n\n2 7 1 8\n")
    (tmp_path / "right").write_text("4 1 3\n\n8 1 7 2\n")
    done = command("t2t-exporter", model, "--format=ctranslate2", "--quantization=int8")
    assert done.stderr.splitlines()[-1] == f"wrote {tmp_path / 'model' / 'ctranslate2'}"
    done = command(
        "t2t-decoder",
        model,
        "--engine=ctranslate2",
        f"--decode_from_file={tmp_path / 'lines'}",
        f"--decode_to_file={tmp_path / 'answers'}",
        f"--decode_reference={tmp_path / 'right'}",
    )
    assert (tmp_path / "answers").read_text() == (tmp_path / "right").read_text()
    assert done.stdout.splitlines()[-2] == "exact match = 100.00 %"


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (["t2t-exporter", "--quantization=int8"], 2, "--quantization needs --format="),
        (["t2t-exporter", "--format=ctranslate2", "--decode_hparams=alpha=1"], 2, "--decode_hp"),
        (["t2t-exporter"], 1, "nowhere holds no model (run.json is missing)"),
        (
            ["t2t-decoder", "--engine=ctranslate2", "--backend=jax", "--decode_interactive"],
            2,
            "--engine=ctranslate2 doesn't take --decode_interactive and --backend",
        ),
        (["t2t-decoder", "--export_dir=x", "--decode_interactive"], 2, "--engine=auto doesn't"),
    ],
)
def test_errors_are_one_line(command, words, status, message):
    done = command(*words, "--output_dir=nowhere", status=status)
    assert done.stderr.splitlines()[-1].startswith(f"{words[0]}: {message}")
    assert "Traceback" not in done.stderr
