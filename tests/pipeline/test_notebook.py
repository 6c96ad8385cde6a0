"""The notebook in examples/ runs from the first cell to the last, with a tiny model."""

import re
from pathlib import Path

import nbclient
import nbformat
import pytest

NOTEBOOK = Path(__file__).parents[2] / "examples" / "notebook.ipynb"
TINY = {"TRAIN_STEPS": 1, "LAYERS": 1}


def test_it_is_committed_without_outputs():
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None


@pytest.mark.slow
def test_all_cells_run(tmp_path):
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    parameters = next(
        cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])
    )
    for name, value in TINY.items():
        parameters.source, count = re.subn(
            rf"^{name} = \d+", f"{name} = {value}", parameters.source, flags=re.M
        )
        assert count == 1
    nbclient.NotebookClient(
        notebook, timeout=300, resources={"metadata": {"path": tmp_path}}
    ).execute()

    shown = {}
    for number, cell in enumerate(notebook.cells):
        for output in cell.get("outputs", []):
            data = output.get("data") or {"text/plain": output["text"]}
            shown.setdefault(number, {}).update(data)
    kinds = [kind for data in shown.values() for kind in data]
    assert kinds.count("image/png") == 2
    page = next(data["text/html"] for data in shown.values() if "text/html" in data)
    assert "cross attention, mean of layers and heads" in page
    assert ">▁LORD<" in page
    assert any("(1, 4, " in data["text/plain"] for data in shown.values() if "text/plain" in data)
    assert (tmp_path / "psalms" / "model" / "model.ckpt-1.safetensors").exists()
