"""Data folders go both ways: T2T's train here as they are, ours are read T2T's way."""

import glob
import shutil

import pytest
import tensorflow as tf

from t2tlite import registry, text_problems
from t2tlite.checkpoint import eval_log
from t2tlite.problem import DatasetSplit

PAIRS = [("ab", "c"), ("", "é"), ("déjà vu", "x\ty"), ("z" * 300, "q")]


class Pairs(text_problems.Text2TextProblem):
    vocab_type = text_problems.VocabType.CHARACTER
    dataset_splits = [
        {"split": DatasetSplit.TRAIN, "shards": 3},
        {"split": DatasetSplit.EVAL, "shards": 1},
        {"split": DatasetSplit.TEST, "shards": 1},
    ]

    def generate_samples(self, data_dir, tmp_dir, dataset_split):
        for inputs, targets in PAIRS:
            yield {"inputs": f"{dataset_split} {inputs}", "targets": targets}


class Words(Pairs):
    vocab_type = text_problems.VocabType.TOKEN
    oov_token = "UNK"


def parsed(pattern):
    """Reads shards as T2T does: int64 lists of any length, by name."""
    spec = {name: tf.io.VarLenFeature(tf.int64) for name in ("inputs", "targets")}
    for record in tf.data.TFRecordDataset(sorted(glob.glob(str(pattern)))):
        example = tf.io.parse_single_example(record, spec)
        yield {name: tf.sparse.to_dense(one).numpy().tolist() for name, one in example.items()}


def test_t2t_reads_our_records(tmp_path):
    Pairs().generate_data(str(tmp_path), str(tmp_path))
    shards = [f"pairs-train-0000{i}-of-00003" for i in range(3)]
    others = ["pairs-dev-00000-of-00001", "pairs-test-00000-of-00001"]
    assert sorted(path.name for path in tmp_path.iterdir() if "-of-" in path.name) == sorted(
        [*shards, *others]
    )
    for word, split in [("train", "train"), ("dev", "eval"), ("test", "test")]:
        # T2T's bytes are shifted by its two reserved ids, PAD and EOS; EOS ends each text.
        expected = [
            {
                "inputs": [byte + 2 for byte in f"{split} {inputs}".encode()] + [1],
                "targets": [byte + 2 for byte in targets.encode()] + [1],
            }
            for inputs, targets in PAIRS
        ]
        found = list(parsed(tmp_path / f"pairs-{word}-*"))
        assert sorted(found, key=str) == sorted(expected, key=str)


def test_t2t_reads_our_token_vocabulary(tmp_path):
    # A line is a token and its number is the id, in T2T and here.
    tokens = ["<pad>", "<EOS>", "train", "eval", "ab", "c", "UNK"]
    name = Words().vocab_filename
    assert name == "vocab.words.tokens"
    (tmp_path / name).write_text("\n".join(tokens) + "\n")
    Words().generate_data(str(tmp_path), str(tmp_path))
    first = {"inputs": [2, 4, 1], "targets": [5, 1]}
    assert first in list(parsed(tmp_path / "words-train-*"))
    assert (tmp_path / name).read_text() == "\n".join(tokens) + "\n"


@pytest.mark.slow
def test_t2ts_folder_trains_and_a_checkpoint_goes_on(shared, tmp_path):
    from t2tlite.checkpoint import checkpoints
    from t2tlite.checkpoint.run_record import RunRecord
    from t2tlite.t2t_import import model_folder
    from t2tlite.t2t_import.tf1_checkpoint import Checkpoint
    from t2tlite.training.train import TrainArgs, train

    fixture = shared / "fixtures/t2t"
    data_dir = str(fixture / "poetry_data")
    hparams = model_folder.read_hparams(fixture / "poetry_model", overrides="batch_size=512")
    run = RunRecord.describe("poetry_line_problem", "transformer", hparams, [])
    checkpoint = Checkpoint(fixture / "poetry_model")
    model_folder.import_checkpoint(checkpoint, run, data_dir, str(tmp_path))
    schedule = TrainArgs(train_steps=1202, eval_frequency=2, eval_steps=2)
    train(run, data_dir, str(tmp_path), schedule)
    assert checkpoints.steps(tmp_path) == [1200, 1202]
    before, after = eval_log.read_evaluations(str(tmp_path))
    # Untrained it is ln(8425) = 9.04, and a wrong moment or rate would throw it back there.
    assert (before["step"], after["step"]) == (1200, 1202)
    assert before["loss"] < 5.6
    assert abs(after["loss"] - before["loss"]) < 0.2
    kept = {path.name for path in tmp_path.iterdir()}
    assert "vocab.poetry_line_problem.8192.subwords" in kept


def test_a_copied_folder_of_t2ts_needs_no_manifest(shared, tmp_path):
    """Without counts of its own, the data is what its shards hold."""
    source = shared / "fixtures/t2t/poetry_data"
    for path in [*source.glob("*-dev-*"), *source.glob("vocab.*")]:
        shutil.copy(path, tmp_path)
    problem = registry.problem("poetry_line_problem")
    assert len(problem.shards(str(tmp_path), "eval")) == 10
    first = next(parsed(tmp_path / "poetry_line_problem-dev-00000-of-00010"))
    text = problem.get_feature_encoders(str(tmp_path))["inputs"].decode(first["inputs"][:-1])
    assert text == "i 've heard bells tolling"
