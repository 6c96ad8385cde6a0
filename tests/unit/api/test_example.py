"""The examples that t2t-example copies."""

from pathlib import Path

import pytest

from t2tlite.api.example import EXAMPLES, copy_example
from t2tlite.cli import example
from t2tlite.errors import OutputError, UnknownNameError

FOLDER = Path(__file__).resolve().parents[3] / "examples"


def test_every_folder_is_listed():
    # deploy/ needs the checkout.
    folders = {path.name for path in FOLDER.iterdir() if path.is_dir()}
    assert folders - {"__pycache__", "deploy"} == set(EXAMPLES)


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_copy_has_all_files(name, tmp_path):
    copied = copy_example(name, tmp_path / "new")
    files = {path.name: path.read_bytes() for path in copied.iterdir()}
    source = FOLDER / name
    assert files == {path.name: path.read_bytes() for path in source.iterdir() if path.is_file()}
    assert [path.name for path in copied.parent.iterdir()] == [name]


def test_nothing_is_overwritten(tmp_path):
    (tmp_path / "poetry").mkdir()
    (tmp_path / "poetry" / "poems.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"poetry exists, and nothing was copied; remove it, or "):
        copy_example("poetry", tmp_path)
    assert [path.name for path in tmp_path.rglob("*")] == ["poetry", "poems.txt"]


def test_an_unknown_name(tmp_path):
    with pytest.raises(UnknownNameError, match=r"no example is named 'poerty': did you mean poet"):
        copy_example("poerty", tmp_path)
    with pytest.raises(UnknownNameError, match="there are dates, notebooks, poetry"):
        copy_example("../notes", tmp_path)


def test_the_command_lists_and_says_what_it_copied(tmp_path, capsys):
    example.main()
    listed = capsys.readouterr().out
    assert all(name in listed for name in EXAMPLES)
    example.main("poetry", str(tmp_path))
    copied, commands = capsys.readouterr().out.splitlines()
    assert copied == (f"copied {tmp_path / 'poetry'}: README.md, __init__.py, lines.txt, poems.txt")
    assert commands == f"{tmp_path / 'poetry' / 'README.md'} has the commands"
