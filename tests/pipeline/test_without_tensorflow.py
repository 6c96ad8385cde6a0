"""From data to a served model on JAX, in an environment without TensorFlow."""

import importlib.util
import json
import os
import site
import subprocess
import venv
from pathlib import Path

import pytest

for package in ("jax", "ctranslate2", "starlette"):
    pytest.importorskip(package, reason=f"needs {package}: pip install t2tlite[dev]")

POETRY = Path(__file__).parents[2] / "examples" / "poetry"
SMALL = "num_hidden_layers=1,hidden_size=16,filter_size=16,num_heads=2,batch_size=256"

# What a user does, in one process, because each would import Keras and JAX anew.
JOURNEY = f"""
import json, sys, urllib.error, urllib.request
from pathlib import Path

import t2tlite
from t2tlite.errors import DeviceError

def main():
    usr_dir = {str(POETRY)!r}
    t2tlite.generate_data("my_poetry_lines", "data", num_workers=2, t2t_usr_dir=usr_dir)
    t2tlite.train(
        "my_poetry_lines", "data", "model", model="transformer", hparams_set="my_poetry_tiny",
        hparams="{SMALL},learning_rate_warmup_steps=4", train_steps=34, local_eval_frequency=17,
        profile=True,
    )
    from t2tlite.training import profile
    (trace,) = Path("model").glob("plugins/profile/*/*.xplane.pb")
    # Paths come from the compiled program in the trace.
    times = {{name: ms for name, ms in profile.read(trace).items() if "/" in name}}
    assert sum(times.values()) > 0, profile.read(trace)
    metrics = t2tlite.evaluate("my_poetry_lines", "data", "model")
    decoder = t2tlite.Decoder("model", decode_hparams="beam_size=2")
    answers = [decoder.decode(line) for line in ("a rose", "")]
    with t2tlite.serve(decoder, port=0, background=True) as server:
        url = f"{{server.url}}/v1/models/{{server.name}}:predict"
        body = json.dumps({{"instances": ["a rose", {{"input": {{"b64": "CgA="}}}}]}}).encode()
        try:
            urllib.request.urlopen(url, body)
        except urllib.error.HTTPError as error:
            refused = error.read().decode()
        body = json.dumps({{"instances": ["a rose"]}}).encode()
        served = json.load(urllib.request.urlopen(url, body))["predictions"]
    exported = t2tlite.export(decoder, format="ctranslate2")
    try:
        t2tlite.export(decoder, format="savedmodel")
    except DeviceError as error:
        savedmodel = str(error)
    found = [name for name in sys.modules if name.startswith("tensorflow")]
    print(json.dumps([metrics["loss"], answers, refused, served, str(exported), savedmodel, found]))
    from t2tlite.cli import avg_all
    sys.argv = ["t2t-avg-all", "--model_dir=model", "--n=2"]
    avg_all.run()

if __name__ == "__main__":
    main()
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """A Python with the packages of the tests' environment, without TensorFlow."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, symlinks=True, with_pip=False)
    (packages,) = folder.glob("lib/python*/site-packages")
    for place in site.getsitepackages():
        for entry in Path(place).iterdir():
            link = packages / entry.name
            if not (entry.name.startswith(("tensorflow", "_virtualenv")) or link.exists()):
                link.symlink_to(entry)
    return folder / "bin" / "python"


@pytest.mark.slow
def test_the_whole_journey(python, tmp_path):
    assert importlib.util.find_spec("tensorflow")
    script = tmp_path / "journey.py"
    script.write_text(JOURNEY)
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    for name in ("KERAS_BACKEND", "JAX_COMPILATION_CACHE_DIR"):
        environment.pop(name, None)
    done = subprocess.run(
        [str(python), str(script)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    loss, answers, refused, served, exported, savedmodel, found = result
    assert 0 < loss < 20
    assert answers[1] == ""
    assert [one["outputs"] for one in served] == answers[:1]
    assert "the tf.Example needs a feature" in refused
    assert Path(exported, "model.bin").exists()
    assert savedmodel.startswith("a SavedModel needs TensorFlow, which isn't installed: pip")
    assert found == []
    assert (tmp_path / "model" / "averaged" / "model.ckpt-34.safetensors").exists()
    # The events and the cache of compiled programs.
    assert list((tmp_path / "model").glob("events*"))
    assert (tmp_path / "model" / "curves.png").exists()
    assert list((tmp_path / "cache").glob("t2tlite/jax/*/reloads"))
