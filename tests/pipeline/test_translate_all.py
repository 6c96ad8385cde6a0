"""t2t-translate-all, and t2t-bleu on its output, with the small model of the golden tests."""

import json
import shutil
from pathlib import Path

import pytest

MODEL = Path(__file__).parents[1] / "golden" / "model"


@pytest.fixture
def model(tmp_path):
    """A model folder with two checkpoints, steps 100 and 250, of the same weights."""
    folder = shutil.copytree(MODEL, tmp_path / "model")
    (newest,) = folder.glob("*.safetensors")
    shutil.copy(newest, folder / "model.ckpt-100.safetensors")
    (folder / "checkpoint.json").write_text(json.dumps({"steps": [100, 250]}))
    return folder


def test_translates_with_all_checkpoints(command, model, tmp_path):
    (tmp_path / "lines").write_text("3 1 4\n\n9\n")
    (tmp_path / "right").write_text("4 1 3\n\n9\n")
    out = tmp_path / "out"
    out.mkdir()
    (out / "reverse_digits-100").write_text("3 1 4\n\n9\n")
    flags = [f"--model_dir={model}", f"--source={tmp_path / 'lines'}", f"--translations_dir={out}"]
    command("t2t-translate-all", *flags, "--beam_size=1", "--problem=reverse_digits")
    assert sorted(path.name for path in out.iterdir()) == [
        "reverse_digits-100",
        "reverse_digits-250",
    ]
    assert (out / "reverse_digits-250").read_text() == "4 1 3\n\n9\n"
    done = command("t2t-bleu", f"--translations_dir={out}", f"--reference={tmp_path / 'right'}")
    first, second = done.stdout.splitlines()
    assert first.startswith(f"{out}/reverse_digits-100  BLEU ")
    assert first.endswith("exact match 50.00 %")
    assert second.endswith("exact match 100.00 %")


def test_another_command_translates(command, model, tmp_path):
    (tmp_path / "lines").write_text("3 1 4\n")
    flags = [f"--model_dir={model}", f"--source={tmp_path / 'lines'}", "--min_steps=101"]
    # The command of this test writes its own flags to the file.
    script = 'printf "%s\\n" {params} > out.txt; for f in {params}; do last="$f"; done; '
    script += 'cp out.txt "${last#--decode_to_file=}"'
    folder = tmp_path / "out of it"
    command(
        "t2t-translate-all", *flags, f"--translations_dir={folder}", f"--decoder_command={script}"
    )
    assert (folder / "reverse_digits-250").read_text().splitlines() == [
        f"--output_dir={model}",
        "--decode_hparams=beam_size=4,alpha=0.6",
        f"--checkpoint_path={model}/model.ckpt-250.safetensors",
        f"--decode_from_file={tmp_path / 'lines'}",
        f"--decode_to_file={folder}/reverse_digits-250",
    ]
    failed = command(
        "t2t-translate-all",
        *flags,
        f"--translations_dir={tmp_path / 'none'}",
        "--decoder_command=false {params}",
        status=1,
    )
    assert "ended with status 1 and wrote no file" in failed.stderr
    assert "Traceback" not in failed.stderr
