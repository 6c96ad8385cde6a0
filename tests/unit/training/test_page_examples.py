"""What the data say of the web page."""

import numpy as np
import pytest

from t2tlite.batches.examples import StoredExamples
from t2tlite.checkpoint import run_record
from t2tlite.checkpoint.description import Description, Feature
from t2tlite.checkpoint.run_record import RunRecord
from t2tlite.devices import devices
from t2tlite.problem import Problem
from t2tlite.problem_page import PageTexts
from t2tlite.text import ByteTextEncoder
from t2tlite.training.page_examples import COUNT, take_page
from t2tlite.training.train import prepare
from t2tlite.training.train_args import TrainArgs
from tests.unit.training.conftest import WORDS

BYTES = ByteTextEncoder()
ENCODERS = {"inputs": BYTES, "targets": BYTES}
PREFIXES = {"inputs": "", "targets": ""}


def examples(**texts):
    """Examples of texts by feature; ids end with EOS."""
    rows = {name: [[*BYTES.encode(one), 1] for one in column] for name, column in texts.items()}
    return StoredExamples(
        {name: np.array(sum(ids, []), np.int32) for name, ids in rows.items()},
        {name: np.array([len(one) for one in ids], np.int32) for name, ids in rows.items()},
    )


def page_of(found, kind="text2text", encoders=ENCODERS, prefixes=PREFIXES, **attributes):
    """The page of a problem with these attributes and examples."""
    problem = type("Own", (Problem,), attributes)()
    run = RunRecord("own", "transformer", {})
    run._instance = problem
    features = {name: Feature("symbol") for name in found.names}
    page = PageTexts(form=attributes.get("page_form", ""))
    has_inputs = "inputs" in found.names
    run.description = Description("own", kind, "own", features, has_inputs=has_inputs, page=page)
    take_page(run, found, encoders, prefixes)
    return run.description.page


POEM = ["A rose is red as wine", "and violets are blue", "but sugar is no sign", "of you, of you."]


def test_lines_that_follow_each_other_are_a_poem():
    page = page_of(examples(inputs=POEM[:-1], targets=POEM[1:]))
    assert page.form == "lines"
    # First what follows no other line.
    assert page.examples[0] == POEM[0]
    assert sorted(page.examples) == sorted(POEM[:-1])


def test_other_pairs_are_questions_and_answers():
    page = page_of(examples(inputs=POEM, targets=["ein", "zwei", "drei!", "Lied"]))
    assert (page.form, sorted(page.examples)) == ("answer", sorted(POEM))
    # Neither copies nor short targets make a chain.
    assert page_of(examples(inputs=POEM, targets=POEM)).form == "answer"
    assert page_of(examples(inputs=["1", "2", "3"], targets=["2", "3", "1"])).form == "answer"


def test_of_much_data_a_part_shows_the_chain(monkeypatch):
    monkeypatch.setattr("t2tlite.training.page_examples.MOST_READ", 100)
    lines = [f"line {number}" for number in range(1001)]
    assert page_of(examples(inputs=lines[:-1], targets=lines[1:])).form == "lines"
    words = [f"word {number}" for number in range(1000)]
    assert page_of(examples(inputs=lines[:-1], targets=words)).form == "answer"


def test_examples_are_few_short_and_printable():
    lines = [f"line number {number} of many" for number in range(100)]
    lines += ["x" * 400, "\x07 bell", "   ", "\udce4".encode("utf-8", "replace").decode()]
    page = page_of(examples(inputs=lines, targets=lines))
    assert len(page.examples) == COUNT
    assert all(one.startswith("line number") for one in page.examples)
    assert page == page_of(examples(inputs=lines, targets=lines))


def test_prefixes_are_not_shown():
    found = examples(inputs=[f"translate: {line}" for line in POEM], targets=POEM)
    page = page_of(found, prefixes={"inputs": "translate: ", "targets": ""})
    assert sorted(page.examples) == sorted(POEM)


@pytest.mark.parametrize(
    ("text", "beginning"),
    [
        ("lf a sentence. Then come seven words more and others", "Then come seven words more and"),
        ("lf a word and then eight of them more", "a word and then eight of"),
    ],
)
def test_a_language_model_begins_with_the_first_words(text, beginning):
    page = page_of(examples(targets=[text]), "text2self")
    assert (page.form, page.examples) == ("", [beginning])


def test_the_problem_has_the_last_word():
    found = examples(inputs=POEM[:-1], targets=POEM[1:])
    assert page_of(found, page_form="answer").form == "answer"
    assert page_of(found, page_examples=[]).examples == []
    # A classifier has one form only.
    assert page_of(found, "text2class").form == ""


def test_an_encoder_that_can_not_decode_costs_the_examples_only(caplog):
    class Odd(ByteTextEncoder):
        def decode(self, ids, strip_extraneous=False):
            raise RuntimeError("one way only")

    caplog.set_level("INFO", "t2tlite")
    page = page_of(examples(inputs=POEM[:-1], targets=POEM[1:]), encoders={"inputs": Odd()})
    assert (page.form, page.examples) == ("lines", [])
    assert "the inputs can't be decoded" in caplog.text and "one way only" in caplog.text


@pytest.mark.parametrize("prepend_mode", ["none", "prepend_inputs_full_attention"])
def test_a_training_records_it(make_run, data_dir, tmp_path, prepend_mode):
    run = make_run(prepend_mode=prepend_mode)
    prepare(run, data_dir, str(tmp_path), TrainArgs(), devices.choose())
    run.write(tmp_path, data_dir)
    page = run_record.read(tmp_path).description.page
    assert (page.form, sorted(page.examples)) == ("answer", sorted(WORDS))
