"""Mixtures as problems: members, one vocabulary, data that any mixture reads, tags."""

from pathlib import Path

import numpy as np
import pytest

from t2tlite import registry
from t2tlite.config import HParams
from t2tlite.data import manifest
from t2tlite.datagen.generate_data import generate_data
from t2tlite.errors import DataError, UnknownNameError, VocabularyError
from t2tlite.mixtures import Mixture
from t2tlite.text.encoder import text_ids
from t2tlite.text_problems import VocabType
from tests.unit.mixtures.conftest import Reversing, Shouting


def mixture(**members):
    class Mixed(Mixture):
        problems = ("reversing", "shouting")

    for name, value in members.items():
        setattr(Mixed, name, value)
    return Mixed()


def texts(problem, folder, split="train"):
    """Returns the texts of the examples by member: pairs of inputs and targets."""
    examples = problem.read_examples(problem.shards(folder, split), split, HParams())
    encoders = problem.get_feature_encoders(folder)
    found = {}
    for member, part in examples.parts.items():
        rows = []
        for number in range(len(part.lengths)):
            columns = part.ids(np.array([number]))
            pairs = zip(part.names, columns, strict=True)
            rows.append([encoders[name].decode(text_ids(ids)) for name, ids in pairs])
        found[member] = rows
    return found


def test_members_share_a_vocabulary_of_their_shares_and_keep_their_data_apart(tmp_path):
    folder = str(tmp_path)
    generate_data(mixture(tags={"reversing": "<rev>", "shouting": "<up>"}), folder)
    names = sorted(path.name for path in tmp_path.iterdir() if "manifest" in path.name)
    assert names == ["reversing.mixed.300.manifest.json", "shouting.mixed.300.manifest.json"]
    assert (tmp_path / "vocab.mixed.300.model").exists()
    made = mixture(tags={"reversing": "<rev>", "shouting": "<up>"})
    found = texts(made, folder)
    assert {name: len(rows) for name, rows in found.items()} == {"reversing": 60, "shouting": 15}
    for inputs, targets in found["reversing"]:
        assert inputs.startswith("<rev>")
        assert targets.split() == inputs.removeprefix("<rev>").split()[::-1]
    for inputs, targets in found["shouting"]:
        assert targets == inputs.removeprefix("<up>").upper()
    # A tag is one token, the first reserved one has id 2.
    [ids] = (made.get_feature_encoders(folder)["inputs"].encode(tag) for tag in ["<rev>"])
    assert ids == [2]
    assert len(texts(made, folder, "eval")["shouting"]) == 15


def test_another_mixture_with_the_vocabulary_makes_nothing_again(tmp_path):
    folder = str(tmp_path)
    generate_data(mixture(), folder)
    before = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}

    class Other(Mixture):
        problems = {"shouting": 0.1, "reversing": 0.9, "shouting_rev": 1.0}
        target_tags = {"shouting": "loud: "}
        vocab_filename = "vocab.mixed.300.subwords"

    generate_data(Other(), folder)
    assert {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before
    found = texts(Other(), folder)
    assert all(targets.startswith("loud: ") for _, targets in found["shouting"])
    assert all(inputs.isupper() for inputs, _ in found["shouting_rev"])


def test_members_that_share_a_vocabulary_keep_it_and_their_own_data(tmp_path):
    folder = str(tmp_path)
    generate_data("reversing+reversing_rev", folder)
    assert manifest.read(folder, "reversing") is not None
    assert [path.name for path in tmp_path.glob("vocab*")] == ["vocab.reversing.300.model"]
    # With a tag that it lacks, they get a vocabulary of the mixture's own.
    tagged = registry.problem("reversing<a>+reversing_rev<b>")
    assert tagged.vocab_filename == "vocab.reversing+reversing_rev.300.subwords"
    assert [one.dataset_filename() for one in tagged.distinct_members] == [
        "reversing.reversing+reversing_rev.300"
    ]


def test_a_vocabulary_that_is_given_must_have_the_tags(tmp_path):
    generate_data("reversing", str(tmp_path))

    class Given(Mixture):
        problems = ("reversing", "shouting")
        tags = {"shouting": "<up>"}
        use_vocab_from_other_problem = Reversing()

    with pytest.raises(VocabularyError, match="given: the tag <up> isn't a token of .*learn a"):
        generate_data(Given(), str(tmp_path))
    # A text that needn't be one token is possible with any vocabulary.
    Given.tags = {"shouting": "in capitals:"}
    generate_data(Given(), str(tmp_path))
    assert texts(Given(), str(tmp_path))["shouting"][0][0].startswith("in capitals:")
    # The member whose vocabulary it is keeps its data.
    assert Given().members["reversing"].dataset_filename() == "reversing"


def test_the_vocabulary_is_missing(tmp_path):
    with pytest.raises(VocabularyError, match="no vocabulary: neither vocab.mixed.300.subwords"):
        mixture().get_feature_encoders(str(tmp_path))


def test_the_vocabulary_is_learned_in_the_shares(tmp_path):
    def capitals(**members):
        parts = mixture(**members).generate_text_for_vocab(str(tmp_path), str(tmp_path))
        texts = list(parts)
        upper = sum(len(text) for text in texts if text.isupper())
        return upper / sum(map(len, texts))

    assert capitals(problems={"reversing": 0.2, "shouting": 0.8}) == pytest.approx(0.4, abs=0.02)
    assert capitals(problems={"reversing": 1.0, "shouting": 0.0}) == 0.0
    assert capitals(temperature=1.0) == pytest.approx(0.1, abs=0.02)
    assert capitals(schedule="step @0 1 0 @10 0 1") == pytest.approx(0.25, abs=0.02)


def test_bytes_need_no_vocabulary(tmp_path):
    made = registry.problem("bytes<2x>+bytes_rev<2y>")
    assert made.vocab_type == VocabType.CHARACTER
    generate_data(made, str(tmp_path))
    assert not list(tmp_path.glob("vocab*"))
    assert texts(made, str(tmp_path))["bytes"][0][0].startswith("<2x>")


def test_of_several_vocabularies_the_mixture_learns_one():
    assert registry.problem("bytes+shouting").vocab_type == VocabType.SUBWORD
    assert registry.problem("reversing+shouting").approx_vocab_size == 300


def test_a_members_own_prefix_stays_in_its_data(tmp_path):
    made = registry.problem("reversing+prefixed<2p>")
    generate_data(made, str(tmp_path))
    assert texts(made, str(tmp_path))["prefixed"][0][0].startswith("<2p>shout: ")
    assert [dict(tag.prefixes) for tag in made.task_tags] == [{}, {"inputs": "shout: "}]


def test_problems_themselves_may_be_mixed(tmp_path):
    class Unregistered(Shouting):
        """Not registered."""

    made = mixture(problems=[Reversing(), Unregistered()])
    generate_data(made, str(tmp_path))
    assert set(texts(made, str(tmp_path))) == {"reversing", "unregistered"}


def test_text_alone_is_mixed_with_text_alone(tmp_path):
    made = registry.problem("lines<l>+verses")
    assert not made.has_inputs
    generate_data(made, str(tmp_path))
    found = texts(made, str(tmp_path))
    assert [text.startswith("<l>") for [text] in found["lines"]] == [True] * 8
    assert [text.startswith("<l>") for [text] in found["verses"]] == [False] * 8


def test_training_with_prepended_inputs_keeps_the_tags(tmp_path):
    made = registry.problem("reversing<r>+shouting<s>")
    generate_data(made, str(tmp_path))
    shards = made.shards(str(tmp_path), "train")
    hparams = HParams(prepend_mode="prepend_inputs_masked_attention")
    joined = made.read_examples(shards, "train", hparams)
    assert list(joined.names) == ["targets"]
    [ids] = joined.ids(np.array([0]))
    assert ids[0] == made.get_feature_encoders(str(tmp_path))["inputs"].encode("<r>")[0]
    assert 0 in ids


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"problems": ("reversing", "moods")},
            "moods is a problem of classes; a mixture has",
        ),
        ({"problems": ("reversing", "lines")}, "lines is text alone and reversing has inputs"),
        ({"problems": ("shouting", "own_encoders")}, "own_encoders makes its encoders itself"),
        ({"problems": ("reversing", "reversing")}, "name each member once"),
        ({"problems": ()}, "problems are empty"),
        ({"tags": {"shout": "<s>"}}, "tags names 'shout', which is no member; expected some of"),
    ],
)
def test_members_that_dont_fit_are_errors(given, message):
    with pytest.raises(DataError, match=message):
        _ = mixture(**given).members


def test_a_mixture_is_no_member_and_has_no_rev(own_names):
    @registry.register_problem
    class Inner(Mixture):
        problems = ("reversing", "shouting")

    with pytest.raises(DataError, match="inner is a mixture itself"):
        _ = registry.problem("reversing+inner").members
    with pytest.raises(DataError, match="has no _rev and _copy"):
        registry.problem("inner_rev")
    with pytest.raises(UnknownNameError, match="nobody"):
        registry.problem("reversing+nobody")


def test_generating_again_after_a_change_of_code_warns_once_for_each_member(tmp_path, warned):
    generate_data(mixture(), str(tmp_path))
    assert warned == []
    generate_data(mixture(), str(tmp_path), seed=3)
    assert [line.split(":")[0] for line in warned] == ["reversing", "shouting"]


def test_long_names_are_shortened_in_file_names():
    for number in range(8):
        registry.problems.add(f"reversing_with_a_long_name_{number}", Reversing)
    name = "+".join(f"reversing_with_a_long_name_{number}<{number}>" for number in range(8))
    made = registry.problem(name)
    assert made.dataset_filename().startswith("mixture.")
    stems = [Path(one.dataset_filename()).name for one in made.distinct_members]
    assert max(map(len, stems)) < 80
