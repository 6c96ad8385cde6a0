"""Trap 10: the hooks before 1.4 alone, with generators that T2T dropped."""

import os

import tensorflow as tf

from tensor2tensor.data_generators import generator_utils, problem, text_encoder, translate
from tensor2tensor.data_generators.wmt import *
from tensor2tensor.utils import metrics, registry

FLAGS = tf.flags.FLAGS
EOS = text_encoder.EOS_ID


@registry.register_problem
class TrapBefore14(problem.Text2TextProblem):
    @property
    def is_character_level(self):
        return False

    @property
    def targeted_vocab_size(self):
        return 320

    @property
    def vocab_name(self):
        return "vocab.trap14"

    @property
    def num_shards(self):
        return 3

    @property
    def use_subword_tokenizer(self):
        return True

    @property
    def input_space_id(self):
        return problem.SpaceID.EN_TOK

    @property
    def target_space_id(self):
        return problem.SpaceID.DE_TOK

    def generator(self, data_dir, tmp_dir, is_training):
        vocab = generator_utils.get_or_generate_vocab(
            data_dir,
            tmp_dir,
            self.vocab_file,
            self.targeted_vocab_size,
            [["", ["pairs.en", "pairs.de"]]],
        )
        path = os.path.join(tmp_dir, "pairs")
        return translate.token_generator(path + ".en", path + ".de", vocab, EOS)

    def eval_metrics(self):
        return [metrics.Metrics.ACC, metrics.Metrics.BITS_PER_CHAR, metrics.Metrics.ROUGE_1_F]


@registry.register_problem
class TrapBefore14Characters(TrapBefore14):
    @property
    def is_character_level(self):
        return True

    @property
    def use_train_shards_for_dev(self):
        return True

    def generator(self, data_dir, tmp_dir, train):
        vocab = text_encoder.ByteTextEncoder()
        path = os.path.join(tmp_dir, "pairs")
        return bi_vocabs_token_generator(path + ".en", path + ".de", vocab, vocab, EOS)
