"""Commands with data, models and texts in a bucket; a training that is killed while it uploads."""

import json
import os
from pathlib import Path

import pytest
from safetensors.numpy import load as from_bytes

from t2tlite.buckets import uploads
from tests.object_storage import Proxy, no_buckets, s3, s3_server  # noqa: F401 - fixtures
from tests.pipeline.conftest import from_warm, run_entry_point
from tests.pipeline.test_resume import arguments, weights


def run_on_a_machine(environment, words, folder, files):
    """Runs a command in this process with variables of its own, and frequent uploads."""
    os.environ.update(environment)
    uploads.UPLOAD_SECONDS = 0.1
    run_entry_point(words, folder, files)


@pytest.fixture
def start(tmp_path):
    """A function that starts a command, by default on a machine that has no copies yet."""
    count = 0

    def run(words, waits=True, **environment):
        nonlocal count
        count += 1
        names = [name for name in os.environ if name.startswith("AWS_")]
        given = {name: os.environ[name] for name in names} | environment
        given.setdefault("T2TLITE_CACHE_DIR", str(tmp_path / f"cache{count}"))
        files = [os.devnull, tmp_path / f"stdout{count}", tmp_path / f"stderr{count}"]
        process = from_warm(run_on_a_machine, given, words, tmp_path, files)
        if not waits:
            return process
        process.join(300)
        assert process.exitcode == 0, files[2].read_text()
        return files[2].read_text()

    return run


@pytest.mark.slow
def test_a_training_killed_while_it_uploads_resumes_on_another_machine(
    digits,
    s3,  # noqa: F811
    s3_server,  # noqa: F811
    start,
    tmp_path,
):
    s3.driver.put(f"{digits}/", f"{s3.bucket}/data/", recursive=True)
    data, model = f"s3://{s3.bucket}/data", s3.url
    given = {"eval_steps": 1}
    proxy = Proxy(s3_server, hold=b"/model.ckpt-20.safetensors")
    first = {"T2TLITE_CACHE_DIR": str(tmp_path / "first"), "AWS_ENDPOINT_URL": proxy.address}
    process = start(arguments(data, model, 10_000, **given), waits=False, **first)
    assert proxy.held.wait(300)
    process.kill()
    process.join()
    proxy.close()
    assert json.loads(s3.read("checkpoint.json"))["steps"] == [10]
    checkpoint = ["model.ckpt-10.safetensors", "optimizer.ckpt-10.safetensors"]
    assert [name for name in s3.names() if ".ckpt-" in name] == checkpoint
    (copy,) = Path(tmp_path, "first").glob("*/folder")
    assert json.loads((copy / "checkpoint.json").read_text())["steps"][:2] == [10, 20]

    stderr = start(arguments(data, model, 20, **given))
    assert "resumes at step 10" in stderr and f"output       {model} (" in stderr
    assert "the-secret" not in stderr
    # The first machine had got to step 20, too, and further.
    whole, resumed = weights(copy, 20), s3.read("model.ckpt-20.safetensors")
    for name, value in from_bytes(resumed).items():
        assert value.tobytes() == whole[name].tobytes(), name
    assert (copy / "eval.jsonl").read_bytes().startswith(s3.read("eval.jsonl"))

    s3.write("lines.txt", b"1 2 3\n\n4 5\n")
    answers = f"{model}/answers.txt"
    words = ["t2t-decoder", f"--output_dir={model}", f"--decode_from_file={model}/lines.txt"]
    stderr = start([*words, f"--decode_to_file={answers}", "--decode_hparams=extra_length=2"])
    assert f"wrote {answers}" in stderr
    lines = s3.read("answers.txt").decode().split("\n")
    assert len(lines) == 4 and not lines[1]
    assert ".answers.txt.part" not in s3.names()
