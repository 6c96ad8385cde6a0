"""The texts of the page."""

import json
import shutil

import pytest

from t2tlite.decode.model_folder import ModelFolder
from t2tlite.errors import ServingError
from t2tlite.problem_page import PageTexts
from t2tlite.serving.page_texts import DEFAULTS, read, texts_of
from tests.unit.serving.conftest import MODEL


def test_texts_of_a_file(tmp_path):
    path = tmp_path / "page.json"
    path.write_text('{"title": "Verse", "form": "lines", "examples": ["O rose"]}')
    assert read(path) == PageTexts(title="Verse", form="lines", examples=["O rose"])
    assert read("") == PageTexts()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "No such file"),
        ("{", "Expecting"),
        ("[]", "is list; expected dict"),
        ('{"titel": "x"}', "unknown key 'titel'"),
        ('{"title": 3}', "title is int; expected str"),
        ('{"examples": "x"}', "examples is str; expected list"),
        ('{"form": "verse"}', "'verse'; expected one of lines"),
    ],
)
def test_an_unusable_file_is_an_error_of_one_line(tmp_path, content, reason):
    path = tmp_path / "page.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ServingError) as caught:
        read(path)
    message = str(caught.value)
    assert message.startswith(f"--page_texts={path} can't be used (")
    assert reason in message and "\n" not in message


def test_of_a_model_folder_without_texts():
    assert texts_of(ModelFolder(MODEL), PageTexts()) == DEFAULTS["answer"]
    given = PageTexts(form="lines", title="Digits")
    texts = texts_of(ModelFolder(MODEL), given)
    assert (texts.title, texts.action) == ("Digits", DEFAULTS["lines"].action)


def test_a_form_that_does_not_suit_the_model_is_replaced(warned):
    texts = texts_of(ModelFolder(MODEL), PageTexts(form="labels"))
    assert texts == DEFAULTS["answer"]
    assert warned == ["page_form=labels doesn't suit this model; the page has answer"]


def test_recorded_texts_move_with_the_folder(tmp_path):
    """They need neither the data nor the plugin."""
    moved = shutil.copytree(MODEL, tmp_path / "moved")
    run = json.loads((moved / "run.json").read_text())
    symbol = {"modality": "symbol", "vocab_size": 12}
    symbol["encoder"] = {"kind": "tokens", "file": "vocab.reverse_digits.tokens"}
    run["description"] = {
        "name": "reverse_digits", "kind": "text2text", "dataset": "reverse_digits",
        "features": {"inputs": symbol, "targets": symbol},
        "page": {"form": "lines", "title": "Recorded", "examples": ["1 2", "3 4"]},
    }  # fmt: skip
    run["format"] = 2
    (moved / "run.json").write_text(json.dumps(run))
    texts = texts_of(ModelFolder(moved), PageTexts(action="Go"))
    assert (texts.title, texts.examples, texts.action) == ("Recorded", ["1 2", "3 4"], "Go")
