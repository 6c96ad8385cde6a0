"""T2T's functions that only compat has: encoders, vocabularies, shards, downloads."""

import pickle
from collections import Counter

import numpy as np
import pytest

from t2tlite.compat.tensor2tensor.data_generators import (
    generator_utils,
    problem,
    text_encoder,
    text_problems,
    tokenizer,
    translate,
    wmt,
)
from t2tlite.compat.tensor2tensor.utils import metrics, mlperf_log
from t2tlite.config import HParams
from t2tlite.data.records import read_shard
from t2tlite.errors import DataError, DownloadError, PluginError
from t2tlite.text import SentencePieceEncoder, SubwordTextEncoder, train_sentencepiece


def test_a_learned_vocabulary_is_read_by_the_name_that_t2t_gave_it(tmp_path):
    """A problem's SUBWORD vocabulary is SentencePiece's, in a file of another name."""
    made = train_sentencepiece(["one two three", "two three"], 300, tmp_path / "vocab.x.model")
    read = text_encoder.SubwordTextEncoder(tmp_path / "vocab.x.subwords")
    assert read.encode("two one") == made.encode("two one")
    assert read.decode(read.encode("two öne")) == "two öne"
    assert read.vocab_size == made.vocab_size
    again = generator_utils.get_or_generate_vocab_inner(
        str(tmp_path), "vocab.x.subwords", 999, iter(())
    )
    assert again.vocab_size == made.vocab_size
    # What is exported is the encoder itself.
    assert type(read) is type(again) is SentencePieceEncoder
    assert isinstance(read, text_encoder.SubwordTextEncoder)


def test_a_vocabulary_that_a_plugin_builds_is_t2ts_file(tmp_path, capsys):
    lines = tmp_path / "lines.txt"
    lines.write_text("one two\nthree, two\n", encoding="utf-8")
    made = generator_utils.get_or_generate_txt_vocab(str(tmp_path), "test.voc", 60, str(lines))
    assert (tmp_path / "test.voc").read_text(encoding="utf-8").startswith("'<pad>_'\n'<EOS>_'\n")
    read = generator_utils.get_or_generate_txt_vocab(str(tmp_path), "test.voc", 60, "none")
    assert read.all_subtoken_strings == made.all_subtoken_strings
    assert read.decode(read.encode("two, öne") + [1, 0]) == "two, öne<EOS><pad>"
    assert type(read) is type(made) is SubwordTextEncoder
    for encoder in (read, made):
        assert isinstance(encoder, text_encoder.SubwordTextEncoder)
    assert not isinstance(text_encoder.ByteTextEncoder(), text_encoder.SubwordTextEncoder)


def test_a_plugins_own_subclass_of_the_subword_encoder(tmp_path):
    class Upper(text_encoder.SubwordTextEncoder):
        def encode(self, s):
            return super().encode(s.upper())

    path = tmp_path / "own.subwords"
    text_encoder.SubwordTextEncoder.build_from_generator(["ONE TWO"], 40).store_to_file(path)
    encoder = Upper(path)
    assert encoder.decode(encoder.encode("one")) == "ONE"
    assert not isinstance(text_encoder.SubwordTextEncoder(path), Upper)


class SplitAtSpaces(text_encoder.SubwordTextEncoder):
    """Changes T2T's steps of encoding and decoding, with methods copied from T2T."""

    def encode(self, s):
        return self._tokens_to_subtoken_ids(text_encoder.native_to_unicode(s).split(" "))

    def subtokens(self, s):
        return [each for token in s.split(" ") for each in self._cached(token)]

    def _cached(self, token):
        place = hash(token) % self._cache_size
        if self._cache[place][0] != token:
            escaped = text_encoder._escape_token(token, self._alphabet)
            self._cache[place] = token, self._escaped_token_to_subtoken_strings(escaped)
        return self._cache[place][1]

    def decode(self, ids, strip_extraneous=False):
        return " ".join(self._subtoken_ids_to_tokens(ids))


class FirstSubtokens(text_encoder.SubwordTextEncoder):
    """Reads a file of another format, and drops subtokens in a step that T2T calls."""

    def _load_from_file_object(self, lines):
        self._init_subtokens_from_list(
            [line.strip() for line in lines], reserved_tokens=text_encoder.RESERVED_TOKENS
        )
        self._init_alphabet_from_tokens("onetw")

    def _escaped_token_to_subtoken_ids(self, escaped_token):
        return super()._escaped_token_to_subtoken_ids(escaped_token)[:1]


def test_a_subclass_of_the_subword_encoder_changes_its_steps(tmp_path):
    path = tmp_path / "own.subwords"
    text_encoder.SubwordTextEncoder.build_from_generator(["one-two one two"], 40).store_to_file(
        path
    )
    encoder = pickle.loads(pickle.dumps(SplitAtSpaces(path)))
    ids = encoder.encode("one-two ötwo")
    assert encoder.decode(ids) == "one-two ötwo"
    assert encoder.subtokens("one-two ötwo") == encoder.decode_list(ids)
    # Pickled without what it remembers.
    assert len(pickle.dumps(encoder)) < 10_000
    path.write_text("one_\nt\nwo_\n", encoding="utf-8")
    assert FirstSubtokens(path).encode("one two") == [2, 3]
    assert FirstSubtokens(path).encode_without_tokenizing("two") == [3]


def test_labels_as_one_hot_lists():
    encoder = text_encoder.OneHotClassLabelEncoder(["zero", "one", "two"])
    assert encoder.encode("one") == [0, 1, 0]
    assert encoder.encode("two", on_value=5, off_value=-1) == [-1, -1, 5]
    assert [encoder.decode(hot) for hot in ([0, 0, 1], np.array([[0], [1], [0]]))] == ["two", "one"]
    with pytest.raises(DataError, match=r"found \[0, 1\]; expected 3 numbers, one of them 1"):
        encoder.decode([0, 1])


def test_what_is_for_images_says_so():
    with pytest.raises(PluginError, match="ImageEncoder encodes images, and t2tlite has only text"):
        text_encoder.ImageEncoder(channels=3)


def test_token_counts(tmp_path):
    (tmp_path / "c-1.txt").write_text("Dude, dude.\n\n so 1\n", encoding="utf-8")
    (tmp_path / "c-2.txt").write_text("so\nmany\nwords", encoding="utf-8")
    pattern = str(tmp_path / "c-*.txt")
    by_line = tokenizer.corpus_token_counts(pattern, 0)
    assert by_line == {
        "Dude": 1,
        ", ": 1,
        "dude": 1,
        ".": 1,
        "so": 2,
        "1": 1,
        "many": 1,
        "words": 1,
    }
    assert tokenizer.corpus_token_counts(pattern, 5) == by_line - Counter(["words"])
    whole = tokenizer.corpus_token_counts(pattern, 4, split_on_newlines=False)
    assert (whole[".\n\n "], whole["\n"], whole["so"], whole["many"]) == (1, 2, 2, 0)


def test_listed_token_counts(tmp_path, caplog):
    (tmp_path / "v-1.txt").write_text("a,3\nbad\n", encoding="utf-8")
    (tmp_path / "v-2.txt").write_text("b,c,4\nd,5\n", encoding="utf-8")
    assert tokenizer.vocab_token_counts(str(tmp_path / "v-*"), 0) == {"a": 3, "b,c": 4, "d": 5}
    assert "'bad\\n' in " in caplog.text
    assert tokenizer.vocab_token_counts(str(tmp_path / "v-*"), 3) == {"a": 3, "b,c": 4}


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


def test_the_module_of_all_translation_before_1_3():
    names: dict = {}
    exec("from t2tlite.compat.tensor2tensor.data_generators.wmt import *", names)
    assert names["EOS"] == 1
    assert names["bi_vocabs_token_generator"] is translate.bi_vocabs_token_generator
    assert names["TranslateProblem"] is wmt.TranslateProblem is translate.TranslateProblem
    assert wmt._compile_data is translate.compile_data
    assert wmt.TranslateEndeWmt32k().name == "translate_ende_wmt32k"
    with pytest.raises(PluginError, match="translate.TranslateXxyy is a problem that isn't part"):
        wmt.TranslateXxyy()


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
    assert made == {"inputs": [99, ord("$") + 2, 100, 1], "targets": [1]}


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
