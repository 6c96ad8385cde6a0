"""The notebooks in examples/notebooks run from the first cell to the last, with tiny models."""

import ast
import re
from pathlib import Path

import nbclient
import nbformat
import pytest

import t2tlite

EXAMPLES = Path(__file__).parents[2] / "examples" / "notebooks"
NOTEBOOKS = ["notebook", "own_data"]
TINY = {"TRAIN_STEPS": 1, "LAYERS": 1}


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_it_is_committed_without_outputs(name):
    notebook = nbformat.read(EXAMPLES / f"{name}.ipynb", as_version=4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_it_uses_public_names_only(name):
    notebook = nbformat.read(EXAMPLES / f"{name}.ipynb", as_version=4)
    code = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    assert not re.search(r"(from|import) t2tlite\.|from t2tlite import _", code)
    used = set(re.findall(r"\bt2tlite\.(\w+)", code))
    assert len(used) > 2 and used <= set(t2tlite.__all__)


def run(name, folder):
    """Runs a notebook with a tiny model; returns what its cells showed, by their numbers."""
    notebook = nbformat.read(EXAMPLES / f"{name}.ipynb", as_version=4)
    parameters = next(
        cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])
    )
    for variable, value in TINY.items():
        parameters.source, count = re.subn(
            rf"^{variable} = \d+", f"{variable} = {value}", parameters.source, flags=re.M
        )
        assert count == 1
    nbclient.NotebookClient(
        notebook, timeout=300, resources={"metadata": {"path": folder}}
    ).execute()
    return [
        [output.get("data") or {"text/plain": output["text"]} for output in cell.get("outputs", [])]
        for cell in notebook.cells
    ]


@pytest.mark.slow
@pytest.mark.long
def test_the_psalms(tmp_path):
    shown = [data for cell in run("notebook", tmp_path) for data in cell]
    pages = [data.get("text/html", "") for data in shown]
    assert sum("image/png" in data for data in shown) == 1
    assert any('<img alt="curves"' in page for page in pages)
    [page] = [page for page in pages if "cross attention, mean of layers and heads" in page]
    assert ">▁LORD<" in page
    assert any("(1, 4, " in data["text/plain"] for data in shown if "text/plain" in data)
    assert (tmp_path / "psalms" / "model" / "model.ckpt-1.safetensors").exists()


@pytest.mark.slow
@pytest.mark.long
def test_a_data_frame(tmp_path):
    cells = run("own_data", tmp_path)
    shown = [data for cell in cells for data in cell]
    assert any("<b>Decoder</b>" in data.get("text/html", "") for data in shown)
    assert any('<img alt="curves"' in data.get("text/html", "") for data in shown)
    assert any("are right" in data["text/plain"] for data in shown)
    predictions = ast.literal_eval(cells[-2][-1]["text/plain"])
    assert [sorted(one) for one in predictions] == [["outputs", "scores"]] * 2
    assert sum(map(bool, cells)) == 8


PROBLEM = """
from t2tlite.data import streams
streams.CHUNK_SAMPLES = 100  # so that processes have something to do
import t2tlite
from t2tlite import text_problems

class Letters:
    vocab_size = 300
    def encode(self, text):
        return [2 + ord(letter) % 256 for letter in text]
    def decode(self, ids):
        return "".join(chr(i - 2) for i in ids if i > 1)

class Doubled(text_problems.Text2TextProblem):
    is_generate_per_split = False
    dataset_splits = [{"split": "train", "shards": 9}, {"split": "eval", "shards": 1}]
    def get_or_create_vocab(self, data_dir, tmp_dir, force_get=False):
        return Letters()
    def generate_samples(self, data_dir, tmp_dir, dataset_split):
        for number in range(1000):
            yield {"inputs": str(number), "targets": str(2 * number)}

t2tlite.generate_data(Doubled, "data", num_workers=2)
"""
BYTES = """
class Bytes(Doubled):
    vocab_type = text_problems.VocabType.CHARACTER
    get_or_create_vocab = text_problems.Text2TextProblem.get_or_create_vocab
t2tlite.generate_data(Bytes(), "data", num_workers=2)
"""
RAISES = """
class Raises(Bytes):
    def generate_samples(self, *arguments):
        yield {"inputs": "a", "targets": "b"}
        1 / 0
t2tlite.generate_data(Raises, "data")
"""
TRAIN = """
t2tlite.train(
    Doubled, "data", "model", model="transformer", hparams_set="transformer_tiny", train_steps=1,
    hparams={"num_hidden_layers": 1, "learning_rate_warmup_steps": 1},
)
"""
DECODE = """
decoder = t2tlite.Decoder("model")
assert len(decoder.decode(["1", "2"])) == 2
decoder
"""
BAR = '<progress max="{0}" value="{0}"></progress> {1}'


@pytest.mark.slow
def test_what_a_notebook_shows(tmp_path):
    sources = [PROBLEM, BYTES, RAISES, "t2tlite.Decoder('nowhere')", TRAIN, DECODE]
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    nbclient.NotebookClient(
        nbformat.v4.new_notebook(cells=cells),
        timeout=300,
        allow_errors=True,
        resources={"metadata": {"path": tmp_path}},
    ).execute()
    outputs = [cell.outputs for cell in cells]
    errors = [output.traceback for cell in outputs for output in cell if "traceback" in output]
    # One line, and of their own code the lines at fault.
    assert errors[0][0].startswith("SampleError: raises: generate_samples(train) raised ZeroDivis")
    assert errors[0][1].strip().startswith("File") and errors[0][2].strip() == "1 / 0"
    assert errors[1:] == [
        ["CheckpointError: nowhere holds no model (run.json is missing); give the --output_dir of "
         "t2t-trainer"]
    ]  # fmt: skip
    # Nothing else is written: no messages of libraries, no log lines.
    assert [output for cell in outputs for output in cell if output.output_type == "stream"] == []
    pages = [
        [output.data.get("text/html", output.data["text/plain"]) for output in cell]
        for cell in outputs
        if not any("traceback" in output for output in cell)
    ]
    for cell, name in zip(pages, ["doubled", "bytes"], strict=False):
        assert f"</progress> {name}: generate_samples(train): encoding: 1,000 samples" in cell[0]
        assert cell[1].startswith(BAR.format(10, f"{name}: shuffling shards: 10 of 10, "))
        assert cell[2] == "{'train': 900, 'eval': 100}"
    assert any(page.startswith(BAR.format(1, "step 1/1  loss ")) for page in pages[2])
    assert '<img alt="curves" src="data:image/png;base64,' in pages[2][-1]
    assert "<b>Decoder</b>" in pages[3][-1] and "model.ckpt-1" in pages[3][-1]
