"""Models of several problems: which tag a line is decoded with, and what the folder says of it."""

import shutil

import pytest

from t2tlite import registry
from t2tlite.bulk.dataset import _each_pair
from t2tlite.bulk.files import default_target
from t2tlite.checkpoint import run_record, trained_problem
from t2tlite.checkpoint.described_problem import DescribedProblem
from t2tlite.checkpoint.description import EVALUATION
from t2tlite.config import EOS_ID
from t2tlite.datagen.generate_data import generate_data
from t2tlite.decode.batches import encode_lines, target_ids
from t2tlite.decode.decode_hparams import DecodeHParams
from t2tlite.decode.model_folder import ModelFolder
from t2tlite.decode.tags import Tags
from t2tlite.errors import CheckpointError, DataError
from t2tlite.mixtures import Mixture
from t2tlite.mixtures.task_tag import TaskTag
from t2tlite.text import ByteTextEncoder
from tests.unit.conftest import TINY
from tests.unit.mixtures.conftest import Prefixed, Reversing

BYTES = ByteTextEncoder()


def ids(text):
    return BYTES.encode(text)


@pytest.fixture
def tags():
    members = [
        TaskTag("real"),
        TaskTag("made", "<BT>"),
        TaskTag("long", "<BT>long"),
        TaskTag("both", "<x>", "<y>", {"inputs": "do: "}),
    ]
    return Tags(members, {"inputs": BYTES, "targets": BYTES})


def test_a_tag_or_a_member_chooses(tags):
    for name in ("<BT>", "made"):
        assert tags.beginning("a", name, "line 1") == (ids("<BT>"), "a", ())
    assert tags.beginning("a", "<y>", "line 1") == (ids("<x>"), "do: a", ids("<y>"))
    assert tags.beginning("a", "real", "line 1") == ((), "a", ())


def test_without_one_a_line_may_begin_with_it(tags):
    assert tags.beginning("<BT>a", "", "line 1") == (ids("<BT>"), "a", ())
    assert tags.beginning("<BT>long a", "", "line 1") == (ids("<BT>long"), " a", ())
    # One member has none.
    assert tags.beginning("a", "", "line 1") == ((), "a", ())
    every = Tags(tags.members[1:], {"inputs": BYTES, "targets": BYTES})
    with pytest.raises(DataError, match="^line 7 begins with none of the model's tags, <BT>, "):
        every.beginning("a", "", "line 7")


def test_unknown_ones_are_errors(tags):
    with pytest.raises(DataError, match="'<fr>' is none of the model's tags and problems: <BT>, "):
        tags.beginning("a", "<fr>", "line 1")
    alone = Tags([], {"inputs": BYTES, "targets": BYTES}, "prefix ")
    assert alone.beginning("a", "", "line 1") == ((), "prefix a", ())
    with pytest.raises(DataError, match="learned one problem and has no tags; leave it out"):
        alone.beginning("a", "<BT>", "line 1")


def test_answers_leave_the_tag_of_the_targets_out(tags):
    assert tags.without(ids("<y>b")) == ids("b")
    assert tags.without(ids("b")) == ids("b")


def test_the_tag_of_text_alone_is_its_beginning():
    tags = Tags([TaskTag("a", "<a>", "<b>")], {"targets": BYTES})
    assert tags.beginning("once", "<a>", "line 1") == (ids("<a><b>"), "once", ())
    assert tags.without(ids("<a><b>once")) == ids("once")


@pytest.fixture
def folders(own_names, tmp_path):
    """A data folder, and a model folder without weights that was moved and has no plugin."""
    for one in (Reversing, Prefixed):
        registry.register_problem(one)

    @registry.register_problem
    class Tagged(Mixture):
        """Two problems with tags."""

        problems = {"reversing": 0.8, "reversing_rev": 0.1, "prefixed": 0.1}
        tags = {"reversing": "<r>", "reversing_rev": "<v>", "prefixed": "<p>"}
        target_tags = {"prefixed": "<up>"}

    from t2tlite.config import HParams

    data, model = str(tmp_path / "data"), tmp_path / "model"
    generate_data("tagged", data)
    run = run_record.RunRecord.describe("tagged", "transformer", HParams(**TINY), [])
    model.mkdir()
    run.take_vocabularies(model, data)
    run.write(model, data)
    moved = tmp_path / "moved"
    shutil.move(model, moved)
    for name in ("tagged", "reversing", "prefixed"):
        del registry.problems._users[name]
    return data, moved


def test_the_folder_needs_no_plugin(folders):
    _, moved = folders
    folder = ModelFolder(moved)
    assert isinstance(folder.problem, DescribedProblem)
    assert folder.tags.names == ["<r>", "<v>", "<p>", "<up>"]
    with pytest.raises(DataError, match="line 1 begins with none of the model's tags"):
        encode_lines(folder, {0: "wood"}, DecodeHParams())


def test_rows_and_references_of_a_moved_folder(folders):
    data, moved = folders
    folder = ModelFolder(moved)
    encoder = folder.encoders["inputs"]
    [r], [p], [up] = (encoder.encode(tag) for tag in ("<r>", "<p>", "<up>"))
    plain = encoder.encode("wood")
    rows = encode_lines(folder, {0: "wood"}, DecodeHParams(decode_tag="reversing"))
    assert rows[0] == ([r, *plain, EOS_ID], (), None)
    rows = encode_lines(folder, {0: "<r>wood", 3: "<p>wood"}, DecodeHParams())
    assert rows[0].ids == [r, *plain, EOS_ID]
    assert rows[3] == ([p, *encoder.encode("shout: wood"), EOS_ID], [up], None)
    [target] = target_ids(folder, ["<p>wood"], ["WOOD"])
    assert target == [up, *encoder.encode("WOOD"), EOS_ID]
    # Its data, member by member.
    pairs = list(_each_pair(folder, data, "eval", "<p>"))
    assert len(pairs) == 15
    assert pairs[0][1] == pairs[0][0].upper()
    forth = list(_each_pair(folder, data, "eval", "reversing"))
    assert list(_each_pair(folder, data, "eval", "<v>")) == [(b, a) for a, b in forth]
    with pytest.raises(DataError, match="tagged is a mixture; choose whose data .*: <r>, <v>, <p>"):
        list(_each_pair(folder, data, "eval", ""))


def test_members_are_described(folders):
    data, moved = folders
    run = run_record.read(moved)
    assert [(one.name, one.tag, one.share) for one in run.description.members] == [
        ("reversing", "<r>", 0.8),
        ("reversing_rev", "<v>", 0.1),
        ("prefixed", "<p>", 0.1),
    ]
    assert run.needs_plugin == []
    assert run.data["train"].examples == 75
    problem = trained_problem.load(run, moved, use=EVALUATION)
    examples = problem.read_examples(
        problem.shards(data, "eval"), "eval", ModelFolder(moved).hparams
    )
    assert {name: len(part.lengths) for name, part in examples.parts.items()} == {
        "reversing": 60,
        "reversing_rev": 60,
        "prefixed": 15,
    }


def test_damaged_members_are_errors(folders):
    _, moved = folders
    path = moved / "run.json"
    text = path.read_text()
    path.write_text(text.replace('"name": "prefixed"', '"name": "../x"'))
    with pytest.raises(CheckpointError, match="isn't a plain file name"):
        run_record.read(moved)
    path.write_text(text.replace('"kind": "mixture"', '"kind": "text2text"'))
    with pytest.raises(CheckpointError, match="of the kind text2text has 3 members"):
        run_record.read(moved)


def test_the_tag_is_part_of_the_outputs_name():
    class Run:
        problem, model, hparams_set = "a+b", "transformer", ""

    hparams = DecodeHParams(decode_tag="<2de>")
    assert default_target(Run, hparams, "x.txt") == (
        "x.txt.transformer.a+b.2de.beam4.alpha0.6.decodes"
    )


def test_searches_of_different_tags_share_a_compiled_one():
    assert DecodeHParams(decode_tag="<a>").of_search() == DecodeHParams().of_search()
