"""Vocabularies that a plugin makes itself, and ids that it computes."""

import os

from tensor2tensor.data_generators import generator_utils
from tensor2tensor.data_generators import problem
from tensor2tensor.data_generators import text_encoder
from tensor2tensor.data_generators import text_problems
from tensor2tensor.data_generators import tokenizer
from tensor2tensor.utils import registry

LANGUAGES = ["<en>", "<de>"]


class TrapVocabulary(text_problems.Text2TextProblem):

    @property
    def approx_vocab_size(self):
        return 300

    @property
    def is_generate_per_split(self):
        return True

    @property
    def dataset_splits(self):
        return [{"split": problem.DatasetSplit.TRAIN, "shards": 1},
                {"split": problem.DatasetSplit.EVAL, "shards": 1}]

    def generate_samples(self, data_dir, tmp_dir, dataset_split):
        del data_dir, dataset_split
        return text_problems.text2text_txt_iterator(
            os.path.join(tmp_dir, "pairs.en"), os.path.join(tmp_dir, "pairs.de"))


@registry.register_problem
class TrapReservedIds(TrapVocabulary):
    """The id of the i-th reserved token is NUM_RESERVED_TOKENS + i."""

    @property
    def additional_reserved_tokens(self):
        return LANGUAGES

    def generate_encoded_samples(self, data_dir, tmp_dir, dataset_split):
        samples = super(TrapReservedIds, self).generate_encoded_samples(
            data_dir, tmp_dir, dataset_split)
        vocab = self.get_or_create_vocab(data_dir, tmp_dir)
        german = text_encoder.NUM_RESERVED_TOKENS + LANGUAGES.index("<de>")
        assert vocab.decode([german]).strip() == "<de>"
        assert vocab.decode([0, 1]) == "<pad><EOS>"
        for sample in samples:
            yield {"inputs": [german] + sample["inputs"], "targets": sample["targets"]}


@registry.register_problem
class TrapBuiltSubwords(TrapVocabulary):
    """The vocabulary is a file that T2T could read, built from counted words."""

    def feature_encoders(self, data_dir):
        encoder = text_encoder.SubwordTextEncoder(
            os.path.join(data_dir, self.vocab_filename))
        return {"inputs": encoder, "targets": encoder}

    def get_or_create_vocab(self, data_dir, tmp_dir, force_get=False):
        vocab_path = os.path.join(data_dir, self.vocab_filename)
        if not os.path.exists(vocab_path):
            counts = tokenizer.corpus_token_counts(
                os.path.join(tmp_dir, "pairs.*"), 0, split_on_newlines=True)
            vocab = text_encoder.SubwordTextEncoder.build_to_target_size(
                120, counts, 1, 100, max_subtoken_length=10)
            vocab.store_to_file(vocab_path)
        vocab = text_encoder.SubwordTextEncoder(vocab_path)
        assert "zwei_" in vocab.all_subtoken_strings
        return vocab


@registry.register_problem
class TrapWordList(TrapVocabulary):
    """A list of words without the token that would replace others."""

    def feature_encoders(self, data_dir):
        path = os.path.join(data_dir, "words.txt")
        words = [line for line in open(path).read().split("\n") if line]
        encoder = text_encoder.TokenTextEncoder(
            None, vocab_list=words, replace_oov="<UNK>")
        return {"inputs": encoder, "targets": encoder}

    def generate_encoded_samples(self, data_dir, tmp_dir, dataset_split):
        words = set()
        for sample in self.generate_samples(data_dir, tmp_dir, dataset_split):
            words.update(sample["inputs"].split() + sample["targets"].split())
        with open(os.path.join(data_dir, "words.txt"), "w") as f:
            f.write("\n".join(sorted(words)))
        encoders = self.feature_encoders(data_dir)
        return text_problems.text2text_generate_encoded(
            self.generate_samples(data_dir, tmp_dir, dataset_split), encoders["inputs"])


@registry.register_problem
class TrapSharedVocab(TrapVocabulary):
    """The helper for vocabularies writes the file that it is told to."""

    @property
    def vocab_filename(self):
        return "vocab.trap_shared"

    def get_or_create_vocab(self, data_dir, tmp_dir, force_get=False):
        if force_get:
            path = os.path.join(data_dir, self.vocab_filename)
            return text_encoder.SubwordTextEncoder(path)
        vocab = generator_utils.get_or_generate_vocab_inner(
            data_dir, self.vocab_filename, 100,
            self.generate_text_for_vocab(data_dir, tmp_dir),
            reserved_tokens=text_encoder.RESERVED_TOKENS + LANGUAGES)
        with open(os.path.join(data_dir, self.vocab_filename)) as f:
            assert len(f.readlines()) == vocab.vocab_size
        assert vocab.decode([text_encoder.NUM_RESERVED_TOKENS]) == "<en>"
        return vocab


class SplitsAtSpaces(text_encoder.SubwordTextEncoder):
    """Another tokenizer, with methods copied from T2T's encoder."""

    def encode(self, raw_text):
        return self._tokens_to_subtoken_ids(
            text_encoder.native_to_unicode(raw_text).split(u" "))

    def _token_to_subtoken_ids(self, token):
        cache_location = hash(token) % self._cache_size
        cache_key, cache_value = self._cache[cache_location]
        if cache_key == token:
            return cache_value
        ret = self._escaped_token_to_subtoken_ids(
            text_encoder._escape_token(token, self._alphabet))
        self._cache[cache_location] = (token, ret)
        return ret

    def decode(self, ids):
        return u" ".join(self._subtoken_ids_to_tokens(ids))


@registry.register_problem
class TrapSplitsAtSpaces(TrapVocabulary):
    """A subclass of T2T's encoder; a hook that reads and adds hparams of the model."""

    def get_or_create_vocab(self, data_dir, tmp_dir, force_get=False):
        path = os.path.join(data_dir, self.vocab_filename)
        if not force_get and not os.path.exists(path):
            vocab = SplitsAtSpaces.build_from_generator(
                self.generate_text_for_vocab(data_dir, tmp_dir), 100)
            vocab.store_to_file(path)
        vocab = SplitsAtSpaces(path)
        assert vocab.decode(vocab.encode(u"one  zw\u00f6lf")) == u"one zw\u00f6lf"
        return vocab

    def hparams(self, defaults, model_hparams):
        super(TrapSplitsAtSpaces, self).hparams(defaults, model_hparams)
        assert model_hparams.get("trap_contexts") in (None, 1)
        model_hparams.add_hparam("trap_contexts", 1)
        assert "trap_contexts" in model_hparams
