"""The examples in the docstrings of all public names, and docs/python.md, run as they are written.

The page calls what the docstrings call, so `make long` runs it; tests/packaging/test_docs.py checks
its names.

All work in one folder: "data" and "model" are those of the example of `train`.
"""

import doctest
import inspect
import re
from pathlib import Path

import pytest

import t2tlite

PAGE = Path(__file__).parents[2] / "docs" / "python.md"
EXAMPLES = {
    name: value for name in t2tlite.__all__ if not inspect.ismodule(value := getattr(t2tlite, name))
}
PAIRS = [(f"{i} {j}", f"{j} {i}") for i in range(10) for j in range(10)]
# By what the examples say: what makes the same in seconds.
QUICK = {
    "vocab_size=8000": "vocab_size=0",
    "train_steps=2000": (
        "train_steps=2, hparams_set='transformer_tiny', "
        "hparams='hidden_size=32,num_hidden_layers=1,batch_size=256'"
    ),
    'hparams_set="transformer_modern_small", ': "",
}


def quick(text):
    """The text with a short training in place of a long one."""
    for long, short in QUICK.items():
        text = text.replace(long, short)
    return text


def run(name, text, globs):
    test = doctest.DocTestParser().get_doctest(quick(text), globs, name, None, None)
    failures = []
    doctest.DocTestRunner(verbose=False).run(test, out=failures.append)
    assert not failures, "".join(failures)
    return len(test.examples)


@pytest.fixture(scope="module", autouse=True)
def folder(tmp_path_factory):
    """The folder where the examples run, with a small trained model."""
    folder = tmp_path_factory.mktemp("examples")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("MPLBACKEND", "agg")
        t2tlite.generate_data("reverse_digits", "data", num_workers=1)
        example = inspect.getdoc(t2tlite.train)
        assert run("train", example, {"train": t2tlite.train}) == 2
        Path("lines.txt").write_text("1 2 3\n4 5 6\n")
        yield folder


@pytest.fixture
def globs():
    return {name: getattr(t2tlite, name) for name in t2tlite.__all__} | {"pairs": PAIRS}


@pytest.mark.slow
@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_of_public_names(name, globs):
    text = inspect.getdoc(EXAMPLES[name])
    assert run(name, text, globs) > 0, f"{name} has no example"


@pytest.mark.slow
@pytest.mark.long
def test_the_page(folder, globs, monkeypatch):
    """Each block of Python goes on where the one before it ended."""
    monkeypatch.chdir(folder / "data")
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)
    examples = [block for block in blocks if block.startswith(">>>")]
    assert len(examples) == len(blocks) > 4
    run("docs/python.md", "\n".join(examples), globs)


def test_no_module_has_the_name_of_a_function():
    # Importing it would replace the function.
    folder = Path(t2tlite.__file__).parent
    names = {path.stem for path in folder.iterdir()}
    assert names & set(EXAMPLES) == set()


def test_the_journey_is_in_the_examples():
    text = inspect.getdoc(t2tlite.fit) + PAGE.read_text(encoding="utf-8")
    for long in QUICK:
        assert long in text
