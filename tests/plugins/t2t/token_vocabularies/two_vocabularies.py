"""Trap 7: a vocabulary for each side, and EOS appended by hand."""

import os

from tensor2tensor.data_generators import generator_utils, text_encoder, text_problems
from tensor2tensor.utils import registry


@registry.register_problem
class TrapTwoVocabularies(text_problems.Text2TextProblem):
    @property
    def source_vocab_name(self):
        return "trap.source.vocab.300"

    @property
    def target_vocab_name(self):
        return "trap.target.subwords"

    @property
    def dataset_splits(self):
        return [{"split": "train", "shards": 1}, {"split": "eval", "shards": 1}]

    def feature_encoders(self, data_dir):
        return {
            "inputs": text_encoder.SubwordTextEncoder(
                os.path.join(data_dir, self.source_vocab_name)
            ),
            "targets": text_encoder.SubwordTextEncoder(
                os.path.join(data_dir, self.target_vocab_name)
            ),
        }

    def generate_encoded_samples(self, data_dir, tmp_dir, dataset_split):
        source = generator_utils.get_or_generate_vocab(
            data_dir, tmp_dir, self.source_vocab_name, 300, [["", ["pairs.en"]]]
        )
        target = generator_utils.get_or_generate_vocab_inner(
            data_dir, self.target_vocab_name, 310, iter(["eins zwei drei", "vier"])
        )
        for i in range(30):
            yield {
                "inputs": source.encode("one two %d" % i) + [text_encoder.EOS_ID],
                "targets": target.encode("eins zwei %d" % i) + [text_encoder.EOS_ID],
            }
