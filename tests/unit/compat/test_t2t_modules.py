"""T2T's functions that only compat has: encoders, vocabularies, shards, downloads."""

import pytest

from t2tlite.compat.tensor2tensor.data_generators import (
    generator_utils,
    problem,
    text_encoder,
    text_problems,
    translate,
)
from t2tlite.compat.tensor2tensor.utils import metrics, mlperf_log
from t2tlite.config import HParams
from t2tlite.data.records import read_shard
from t2tlite.errors import DownloadError


def test_a_learned_vocabulary_is_read_by_the_name_that_t2t_gave_it(tmp_path):
    made = generator_utils.get_or_generate_vocab_inner(
        str(tmp_path), "vocab.x.subwords", 300, ["one two three", "two three"]
    )
    assert (tmp_path / "vocab.x.model").exists()
    read = text_encoder.SubwordTextEncoder(tmp_path / "vocab.x.subwords")
    assert read.encode("two one") == made.encode("two one")
    assert read.decode(read.encode("two öne")) == "two öne"
    assert read.vocab_size == made.vocab_size
    again = generator_utils.get_or_generate_vocab_inner(
        str(tmp_path), "vocab.x.subwords", 999, iter(())
    )
    assert again.vocab_size == made.vocab_size


def test_a_vocabulary_of_word_counts(tmp_path):
    made = text_encoder.SubwordTextEncoder.build_to_target_size(
        300, {"abc": 5, "abd": 3}, 1, 100, max_subtoken_length=2
    )
    made.store_to_file(tmp_path / "vocab.counts")
    read = text_encoder.SubwordTextEncoder(tmp_path / "vocab.counts")
    assert read.decode(read.encode("abd abc")) == "abd abc"


def test_the_base_encoder_and_escapes():
    encoder = text_encoder.TextEncoder()
    assert encoder.encode("0 7") == [2, 9]
    assert encoder.decode([2, 9, 1, 0]) == "0 7 <EOS> <pad>"
    assert encoder.decode([2, 9, 1, 0], strip_extraneous=True) == "0 7"
    escaped = text_encoder._escape_token("a_\\ü", set("abc\\u_0123456789;"))
    assert escaped == "a\\u\\\\\\252;_"
    assert text_encoder._unescape_token(escaped) == "a_\\ü"
    assert text_encoder.native_to_unicode("ü".encode()) == "ü"


def test_shards_are_written_and_shuffled(tmp_path):
    paths = generator_utils.train_data_filenames("p-unshuffled", str(tmp_path), 2)
    examples = [{"targets": [i]} for i in range(1, 8)]
    generator_utils.generate_files(iter([*examples, None]), paths, max_cases=6)
    assert [len(list(read_shard(path))) for path in paths] == [3, 3]
    before = sorted(read_shard(paths[0]))
    generator_utils.shuffle_dataset(paths)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["p-train-00000-of-00002", "p-train-00001-of-00002"]
    assert sorted(read_shard(tmp_path / names[0])) == before
    generator_utils.generate_files(iter([{"targets": [9]}]), paths)
    assert sorted(path.name for path in tmp_path.iterdir()) == names


def test_generators_that_t2t_dropped(tmp_path):
    (tmp_path / "a").write_text("x\ny\n")
    (tmp_path / "b").write_text("1\n2\n")
    encoder = text_encoder.ByteTextEncoder()
    made = list(translate.token_generator(tmp_path / "a", tmp_path / "b", encoder, 1))
    assert made[1] == {"inputs": [ord("y") + 2, 1], "targets": [ord("2") + 2, 1]}
    (tmp_path / "c").write_text("x\t1\n")
    made = list(translate.tabbed_generator(tmp_path / "c", encoder, encoder))
    assert made == [{"inputs": [ord("x") + 2], "targets": [ord("1") + 2]}]


def test_downloads(tmp_path):
    (tmp_path / "here").write_text("text")
    path = generator_utils.maybe_download(str(tmp_path), "copy", str(tmp_path / "here"))
    assert (tmp_path / "copy").read_text() == "text" and path == str(tmp_path / "copy")
    with pytest.raises(DownloadError, match="gone doesn't exist; put the file there, or save it"):
        generator_utils.maybe_download(str(tmp_path), "x", str(tmp_path / "gone"))
    (tmp_path / "page").write_text("<!DOCTYPE html><p>Too large to scan</p>")
    with pytest.raises(DownloadError, match="returned a web page"):
        generator_utils.maybe_download_from_drive(
            str(tmp_path), "drive", (tmp_path / "page").as_uri()
        )
    assert not (tmp_path / "drive").exists()


def test_several_texts_in_one_label_out(tmp_path):
    class Pairs(text_problems.TextConcat2ClassProblem):
        vocab_type = text_problems.VocabType.CHARACTER
        num_classes = 2

        def generate_samples(self, data_dir, tmp_dir, dataset_split):
            yield {"inputs": ["a", "b"], "label": 1}

    (made,) = Pairs().generate_encoded_samples(str(tmp_path), "", "train")
    assert made == {"inputs": [99, 1, ord("$") + 2, 100, 1], "targets": [1]}


def test_examples_are_truncated_with_either_order_of_arguments():
    hparams = HParams(max_input_seq_length=2)
    for order in ([hparams, "train"], ["train", hparams]):
        made = problem.preprocess_example_common({"inputs": [1, 2, 3], "targets": [4]}, *order)
        assert made == {"inputs": [1, 2], "targets": [4]}


def test_names():
    assert metrics.Metrics.ACC == "accuracy" and metrics.Metrics.ROC_AUC == "roc_auc"
    assert mlperf_log.PREPROC_TOKENIZE_EVAL == "preproc_tokenize_eval"
    assert text_problems.Text2textTmpdir.__name__ == "Text2textTmpdir"
    assert issubclass(translate.TranslateProblem, text_problems.Text2TextProblem)
