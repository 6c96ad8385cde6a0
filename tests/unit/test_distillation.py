"""A teacher's answers as the data of a student."""

import dataclasses
import itertools
import json
from pathlib import Path

import numpy as np
import pytest

from t2tlite import distillation, registry, table_problems
from t2tlite.batches.examples import each_row
from t2tlite.checkpoint import distilled_problem
from t2tlite.checkpoint.run_record import RunRecord
from t2tlite.config import HParams
from t2tlite.data.records import serialized, write_shard
from t2tlite.data.teacher import TEACHER_COSTS, TEACHER_IDS
from t2tlite.datagen.generate_data import generate_data
from t2tlite.decode.decoder import Decoder
from t2tlite.distillation import distill
from t2tlite.errors import DataError, HParamsError, UnknownNameError, VocabularyError
from t2tlite.mixtures.mixture import Mixture
from t2tlite.tables.table import Table
from tests.unit.conftest import Letters

MODEL = Path(__file__).parents[1] / "golden" / "model"
SAMPLES = 40


@pytest.fixture(scope="module")
def decoder():
    teacher = Decoder(MODEL, decode_hparams="beam_size=1,extra_length=0,batch_size=8")
    # One shape, traced once.
    teacher.engine.min_width = 16
    return teacher


@pytest.fixture
def data(tmp_path, own_names, monkeypatch):
    """A small data folder of the teacher's problem."""
    problem = registry.problem("reverse_digits")
    whole = problem.generate_samples
    monkeypatch.setattr(
        type(problem),
        "generate_samples",
        lambda self, *args: itertools.islice(whole(*args), SAMPLES),
    )
    folder = tmp_path / "data"
    folder.mkdir()
    problem.generate_data(str(folder), str(folder))
    monkeypatch.setattr(distillation, "BLOCK", 16)
    return folder


def rows(data, name, split):
    """Returns the examples of a split, as the name finds them."""
    distilled_problem.register_folder(data)
    problem = registry.problem(name)
    shards = problem.shards(str(data), split)
    return list(each_row(problem.read_examples(shards, split, HParams(), for_training=False)))


def answers_of(decoder, examples):
    """Returns inputs and the teacher's answers, as ids."""
    encoder = decoder.encoders["inputs"]
    lines = [encoder.decode(row["inputs"][:-1]) for row in examples]
    found = [row[0].ids for row in decoder.n_best(lines)]
    return sorted((row["inputs"], [*ids, 1]) for row, ids in zip(examples, found, strict=True))


def pairs_of(examples):
    return sorted((row["inputs"], row["targets"]) for row in examples)


def contents(data, name="taught"):
    return {path.name: path.read_bytes() for path in sorted(data.glob(f"{name}[-.]*"))}


def test_the_teachers_answers_are_the_training_targets(decoder, data):
    counts = distill(decoder, data, "taught")
    assert counts == {"train": SAMPLES, "eval": SAMPLES}
    original = rows(data, "reverse_digits", "train")
    assert pairs_of(rows(data, "taught", "train")) == answers_of(decoder, original)
    # The teacher is wrong at times, and nobody is evaluated by its errors.
    assert pairs_of(rows(data, "taught", "train")) != pairs_of(original)
    evaluated = pairs_of(rows(data, "taught", "eval"))
    assert evaluated == pairs_of(rows(data, "reverse_digits", "eval"))
    problem = registry.problem("taught_rev")
    examples = problem.read_examples(problem.shards(str(data), "train"), "train", HParams())
    assert pairs_of(each_row(examples)) == sorted(
        (targets, inputs) for inputs, targets in answers_of(decoder, original)
    )
    assert problem.get_feature_encoders(str(data))["inputs"].vocab_size == 12
    assert [*data.parent.iterdir()] == [data]


def test_the_data_too_and_several_answers(decoder, data, monkeypatch):
    both = distill(decoder, data, "more", targets="both")
    assert both == {"train": 2 * SAMPLES, "eval": SAMPLES}
    original = rows(data, "reverse_digits", "train")
    expected = sorted([*pairs_of(original), *answers_of(decoder, original)])
    assert pairs_of(rows(data, "more", "train")) == expected
    beams = {"beam_size": 2, "return_beams": True}
    several = dataclasses.replace(decoder.decode_hparams, **beams)
    monkeypatch.setattr(decoder, "decode_hparams", several)
    assert distill(decoder, data, "beams")["train"] > 1.5 * SAMPLES


def test_what_is_left_out(decoder, data, monkeypatch, said):
    search, in_parts = decoder.search, distillation.in_parts
    monkeypatch.setattr(decoder, "search", lambda *about: [[], *search(*about)[1:]])
    monkeypatch.setattr(distillation, "in_parts", lambda *about: [None, *in_parts(*about)[1:]])
    counts = distill(decoder, data, "taught", top_k=2)
    # Of 16, 16 and 8 lines one of each batch of 8 has no answer, and one answer is too long.
    assert counts == {"train": SAMPLES - 5 - 3, "eval": SAMPLES}
    left_out = "train: 8 examples without an answer, or too long for the memory, are left out"
    assert left_out in said()


def test_examples_without_tokens(decoder, tmp_path, own_names):
    data, pairs = tmp_path / "data", [([], []), ([], [1]), ([5, 1], []), ([5, 6, 1], [6, 5, 1])]
    data.mkdir()
    for name in decoder.run.vocabularies:
        (data / name).write_bytes((MODEL / name).read_bytes())
    records = [serialized({"inputs": one, "targets": other}) for one, other in pairs]
    for paths in registry.problem("reverse_digits").filepaths_by_split(str(data)).values():
        for number, path in enumerate(paths):
            write_shard(path, [] if number else records)
    counts = distill(decoder, data, "taught", targets="both", top_k=2)
    found = rows(data, "taught", "train")
    assert 4 <= counts["train"] == len(found) <= 8
    assert all(pair in pairs_of(found) for pair in pairs)
    problem = registry.problem("taught")
    hparams = HParams(task_balance=0.5)
    examples = problem.read_examples(problem.shards(str(data), "train"), "train", hparams)
    taught = dict(examples.taught(np.arange(len(found))))
    assert taught[TEACHER_IDS].shape == (sum(len(row["targets"]) for row in found), 2)


def test_a_mixture_with_the_teachers_data(decoder, data, monkeypatch):
    distill(decoder, data, "taught")
    distilled_problem.register_folder(data)
    mixed = registry.problem("taught:0.5+reverse_digits:0.5")
    generate_data(mixed, str(data))
    shards = mixed.shards(str(data), "train")
    assert len(mixed.read_examples(shards, "train", HParams()).lengths) == 2 * SAMPLES
    with pytest.raises(HParamsError, match="a mixture has no teacher's distributions"):
        mixed.read_examples(shards, "train", HParams(task_balance=0.5))
    # A tag would need a vocabulary of its own.
    member = registry.problem("taught")
    monkeypatch.setattr(member, "dataset_filename", lambda: "taught.mixture")
    with pytest.raises(DataError, match="taught has data in the vocabulary of its teacher"):
        member.check_data_folder(str(data), False)


@pytest.mark.parametrize(
    ("encoder", "kind", "filename"),
    [
        (
            {"kind": "sentencepiece", "file": "vocab.p.9.model"},
            "subwords",
            "vocab.p.9.subwords",
        ),
        ({"kind": "subwords", "file": "vocab.p.9.subwords"}, "subwords", "vocab.p.9.subwords"),
        ({"kind": "bytes"}, "character", "vocab.taught"),
    ],
)
def test_what_a_mixture_knows_of_the_vocabulary(decoder, encoder, kind, filename):
    described = distillation._describe(decoder, "taught", "", {"train": 1})
    features = {
        name: dataclasses.replace(one, encoder=encoder)
        for name, one in described.problem.features.items()
    }
    changed = dataclasses.replace(described.problem, features=features)
    problem = distilled_problem.define(dataclasses.replace(described, problem=changed), "data")()
    assert (problem.vocab_type, problem.vocab_filename) == (kind, filename)


def test_an_interrupted_run_goes_on_with_the_same_bytes(decoder, data, monkeypatch):
    distill(decoder, data, "taught")
    expected, search = contents(data), decoder.engine.search
    for name in expected:
        (data / name).unlink()
    calls = []

    def search_until(last):
        def count(batch, *args):
            calls.append(len(batch))
            return search(batch, *args) if len(calls) <= last else 1 / 0

        monkeypatch.setattr(decoder.engine, "search", count)

    search_until(3)
    with pytest.raises(ZeroDivisionError):
        distill(decoder, data, "taught")
    # A killed process may leave a part of a line.
    (part,) = data.parent.glob(".data.taught.teacher*/train.part")
    with part.open("ab") as file:
        file.write(b"[[2")
    assert contents(data).keys() == {"taught.distilled.json"}
    calls.clear()
    search_until(100)
    distill(decoder, data, "taught")
    # Of 16, 16 and 8 lines in batches of 8.
    assert calls == [8, 8]
    assert contents(data) == expected
    search_until(0)
    assert distill(decoder, data, "taught") == {"train": SAMPLES, "eval": SAMPLES}


def test_other_arguments_are_refused_or_make_the_data_again(decoder, data, monkeypatch):
    distill(decoder, data, "taught")
    with pytest.raises(DataError, match=r"made otherwise.*--overwrite"):
        distill(decoder, data, "taught", targets="both")
    with monkeypatch.context() as patch, pytest.raises(ZeroDivisionError):
        patch.setattr(decoder.engine, "search", lambda *about: 1 / 0)
        distill(decoder, data, "taught", targets="both", overwrite=True)
    # The interrupted work doesn't make them the data that were asked for.
    with pytest.raises(DataError, match=r"made otherwise.*--overwrite"):
        distill(decoder, data, "taught", targets="both")
    assert distill(decoder, data, "taught", targets="both", overwrite=True)["train"] == 2 * SAMPLES
    distilled_problem.register_folder(data)
    with pytest.raises(DataError, match="taught are made by t2t-distill"):
        registry.problem("taught").check_data_folder(str(data), True)


def test_the_lines_of_a_file(decoder, tmp_path, own_names, monkeypatch):
    source, data = tmp_path / "lines.txt", tmp_path / "new"
    lines = [f"{i % 10} {i // 10 % 10}" for i in range(30)] * 2
    source.write_text("\n".join([*lines, "", "1 2"]) + "\n")
    counts = distill(decoder, data, "taught", source, dev_share=0.2)
    assert counts["train"] + counts["eval"] == 61
    train, evaluated = (rows(data, "taught", split) for split in ("train", "eval"))
    assert pairs_of([*train, *evaluated]) == answers_of(decoder, [*train, *evaluated])
    encoder = decoder.encoders["inputs"]
    texts = [[encoder.decode(row["inputs"][:-1]) for row in part] for part in (train, evaluated)]
    assert sorted([*texts[0], *texts[1]]) == sorted([*lines, "1 2"])
    assert not {*texts[0]} & {*texts[1]}
    # The vocabulary is there, too: the folder is all that a student needs.
    run = RunRecord.describe("taught", "transformer", HParams(), [])
    run.take_vocabularies(tmp_path / "student", data)
    assert run.vocabularies == decoder.run.vocabularies
    assert run.description.kind == "text2text" and not run.needs_plugin
    # Few lines: one of them is for evaluation.
    source.write_text("1 2\n3 4\n")
    assert distill(decoder, data, "two", source, dev_share=0.001) == {"train": 1, "eval": 1}
    assert distill(decoder, data, "half", source, dev_share=0.999) == {"train": 1, "eval": 1}
    first = dataclasses.replace(decoder.decode_hparams, num_samples=3)
    source.write_text("1 2\n3 4\n5 6\n7 8\n")
    with monkeypatch.context() as patch:
        patch.setattr(decoder, "decode_hparams", first)
        assert sum(distill(decoder, data, "first", source, dev_share=0.4).values()) == 3
    source.write_text("1 2\n1 2\n")
    with pytest.raises(DataError, match="fewer than two different lines"):
        distill(decoder, data, "one", source)


def test_a_classifiers_labels(classifier, tmp_path, own_names):
    source, data = tmp_path / "lines.txt", tmp_path / "new"
    source.write_text("".join(f"line {i}\n" for i in range(12)))
    distill(classifier, data, "moods", source, dev_share=0.3)
    problem = distilled_problem.define(
        distilled_problem.read(data / "moods.distilled.json"), data
    )()
    shards = [*problem.shards(str(data), "train"), *problem.shards(str(data), "eval")]
    found = list(each_row(problem.read_examples(shards, "train", HParams())))
    texts = [bytes(id_ - 2 for id_ in row["inputs"][:-1]).decode() for row in found]
    labels = classifier.encoders["targets"]
    assert [labels.decode(row["targets"]) for row in found] == classifier.decode(texts)


@pytest.mark.parametrize("targets", ["data", "both"])
def test_the_teachers_distributions(decoder, data, targets, monkeypatch):
    monkeypatch.setattr(distillation, "BATCH_TOKENS", 80)
    likeliest, calls = decoder.engine.likeliest, []

    def until(last):
        def count(features, **values):
            calls.append(len(features["targets"]))
            return likeliest(features, **values) if len(calls) <= last else 1 / 0

        monkeypatch.setattr(decoder.engine, "likeliest", count)

    until(2)
    with pytest.raises(ZeroDivisionError):
        distill(decoder, data, "taught", targets=targets, top_k=4)
    calls.clear()
    until(100)
    counts = distill(decoder, data, "taught", targets=targets, top_k=4)
    # What was done before the interruption isn't done again.
    assert counts["train"] == SAMPLES * (1 + (targets == "both")) >= sum(calls) + 8
    distilled_problem.register_folder(data)
    problem = registry.problem("taught")
    shards, hparams = problem.shards(str(data), "train"), HParams(task_balance=0.5)
    examples = problem.read_examples(shards, "train", hparams)
    numbers = np.arange(len(examples.lengths))
    taught = dict(examples.taught(numbers))
    network, first = decoder.network, 0
    for row in each_row(examples):
        features = {name: np.array([ids], np.int32) for name, ids in row.items()}
        logits = np.array(network(features), "float64")[0, :, :12]
        log_probs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
        last = first + len(row["targets"])
        ids = taught[TEACHER_IDS][first:last]
        np.testing.assert_array_equal(ids, np.argsort(-log_probs, -1)[:, :4])
        costs = -1024 * np.take_along_axis(log_probs, ids, -1)
        np.testing.assert_allclose(taught[TEACHER_COSTS][first:last], costs, atol=1.0)
        first = last
    # Evaluation reads the data alone.
    evaluated = problem.read_examples(problem.shards(str(data), "eval"), "eval", hparams)
    assert pairs_of(each_row(evaluated)) == pairs_of(rows(data, "reverse_digits", "eval"))
    with pytest.raises(HParamsError, match="doesn't go with _rev"):
        registry.problem("taught_rev").read_examples(shards, "train", hparams)
    with pytest.raises(DataError, match="have no teacher's distributions"):
        other = registry.problem("reverse_digits")
        other.read_examples(other.shards(str(data), "train"), "train", hparams)


def test_the_distributions_of_a_classifier(classifier, tmp_path, own_names):
    source, data = tmp_path / "lines.txt", tmp_path / "new"
    source.write_text("".join(f"line {i}\n" for i in range(12)))
    # It has 3 labels.
    distill(classifier, data, "moods", source, top_k=8, dev_share=0.3)
    distilled = distilled_problem.read(data / "moods.distilled.json")
    problem = distilled_problem.define(distilled, data)()
    shards, hparams = problem.shards(str(data), "train"), HParams(task_balance=0.0)
    examples = problem.read_examples(shards, "train", hparams)
    taught = dict(examples.taught(np.arange(len(examples.lengths))))
    assert np.sort(taught[TEACHER_IDS]).tolist() == [[0, 1, 2]] * len(examples.lengths)
    sums = np.exp(taught[TEACHER_COSTS] / -1024).sum(-1)
    np.testing.assert_allclose(sums, 1, rtol=1e-3)


def test_a_vocabulary_of_the_same_name_is_kept(decoder, tmp_path, own_names):
    (tmp_path / "lines.txt").write_text("1 2\n3 4\n")
    vocabulary = tmp_path / "vocab.reverse_digits.tokens"
    vocabulary.write_text("<pad>\n<EOS>\nother\n")
    with pytest.raises(VocabularyError, match="isn't the teacher's vocabulary"):
        distill(decoder, tmp_path, "taught", tmp_path / "lines.txt")
    assert "other" in vocabulary.read_text()


def test_a_language_model_has_distributions_alone(language_model, tmp_path, monkeypatch):
    with pytest.raises(DataError, match="without inputs to answer"):
        distill(language_model, tmp_path, "taught")
    texts = [{"targets": f"line {i}"} for i in range(6)]
    monkeypatch.setattr(Letters, "generate_samples", lambda self, *args: iter(texts), raising=False)
    monkeypatch.setattr(
        Letters, "dataset_splits", [{"split": "train", "shards": 1}, {"split": "eval", "shards": 1}]
    )
    data = tmp_path / "data"
    data.mkdir()
    Letters().generate_data(str(data), str(data))
    assert distill(language_model, data, "taught", targets="data", top_k=2)["train"] == 6
    distilled = distilled_problem.read(data / "taught.distilled.json")
    problem = distilled_problem.define(distilled, data)()
    assert not problem.has_inputs
    shards = problem.shards(str(data), "train")
    examples = problem.read_examples(shards, "train", HParams(task_balance=0.5))
    assert dict(examples.taught(np.arange(6)))[TEACHER_IDS].shape == (6 * 7, 2)


def test_the_problem_of_a_table_in_the_folder_is_kept(decoder, data):
    pairs = data.parent / "pairs.tsv"
    pairs.write_text("question\tanswer\n" + "".join(f"q{i}\ta{i}\n" for i in range(40)))
    columns = {"inputs": "question", "targets": "answer", "vocab_size": 0}
    table = Table("text2text_table", data_files=[str(pairs)], **columns)
    generate_data(table_problems.make(table, "faq"), str(data))
    with pytest.raises(DataError, match="faq.problem.json is a problem of this name"):
        distill(decoder, data, "faq", overwrite=True)


def test_what_can_not_teach(decoder, data, monkeypatch):
    with pytest.raises(DataError, match="targets=data without top_k has nothing of the teacher"):
        distill(decoder, data, "taught", targets="data")
    with pytest.raises(DataError, match="top_k=-1; expected a number of tokens"):
        distill(decoder, data, "taught", top_k=-1)
    with pytest.raises(DataError, match="expected one of teacher, data, both"):
        distill(decoder, data, "taught", targets="mine")
    with pytest.raises(DataError, match="the lines of a file have no targets"):
        distill(decoder, data, "taught", data / "lines.txt", targets="both")
    with pytest.raises(DataError, match="problem_name=.*expected letters"):
        distill(decoder, data, "a b")
    with pytest.raises(DataError, match="is a problem of this name"):
        distill(decoder, data, "reverse_digits")
    with pytest.raises(DataError, match=r"dev_share=0\.0; expected a share"):
        distill(decoder, data, "taught", data / "lines.txt", dev_share=0.0)
    missing = data.parent / "new" / "data"
    with pytest.raises(VocabularyError, match=r"is missing .*; give the training's data_dir"):
        distill(decoder, missing, "taught")
    assert not missing.parent.exists()
    with monkeypatch.context() as patch, pytest.raises(DataError, match="num_samples is about"):
        hparams = dataclasses.replace(decoder.decode_hparams, num_samples=3)
        patch.setattr(decoder, "decode_hparams", hparams)
        distill(decoder, data, "taught")
    monkeypatch.setattr(decoder.folder, "generates", False)
    with pytest.raises(DataError, match="has numbers as targets"):
        distill(decoder, data, "taught")
    monkeypatch.setattr(decoder.folder, "problem", object.__new__(Mixture))
    with pytest.raises(DataError, match="the teacher learned a mixture, reverse_digits"):
        distill(decoder, data, "taught")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 2}, "has format 2"),
        ({"made_by": 7}, "is damaged"),
        ({"vocabularies": {}}, "has no sha256"),
        ({"problem": {"name": "x"}}, "is damaged"),
    ],
)
def test_a_damaged_description(decoder, tmp_path, own_names, change, message):
    (tmp_path / "lines.txt").write_text("1 2\n3 4\n")
    distill(decoder, tmp_path, "taught", tmp_path / "lines.txt")
    path = tmp_path / "taught.distilled.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    distilled_problem.register_folder(tmp_path)
    with pytest.raises(DataError, match=message):
        registry.problem("taught")


@pytest.mark.parametrize(("folder", "absent"), [("there", ""), ("typo", ", which doesn't exist")])
def test_a_problem_that_the_folder_does_not_describe(tmp_path, own_names, folder, absent):
    (tmp_path / "there").mkdir()
    distilled_problem.register_folder(tmp_path / folder)
    with pytest.raises(UnknownNameError, match=f", data_dir={tmp_path / folder}{absent}; --reg"):
        registry.problem("taught")
