"""Trap 8: a third feature, read with TF1's names, and modalities in the form before 1.10."""

import tensorflow as tf

from tensor2tensor.data_generators import problem, text_encoder, text_problems
from tensor2tensor.layers import modalities
from tensor2tensor.utils import registry


@registry.register_problem
class TrapOldModalities(text_problems.Text2TextProblem):
    @property
    def vocab_type(self):
        return text_problems.VocabType.CHARACTER

    @property
    def dataset_splits(self):
        return [{"split": "train", "shards": 1}, {"split": "eval", "shards": 1}]

    def generate_samples(self, data_dir, tmp_dir, dataset_split):
        for i in range(30):
            yield {"inputs": str(i), "targets": str(i)[::-1], "context": "of %d" % i}

    def generate_encoded_samples(self, data_dir, tmp_dir, dataset_split):
        encoder = self.get_or_create_vocab(data_dir, tmp_dir)
        for sample in self.generate_samples(data_dir, tmp_dir, dataset_split):
            sample["context"] = encoder.encode(sample["context"])
            for sample in text_problems.text2text_generate_encoded([sample], encoder):
                yield sample

    def feature_encoders(self, data_dir):
        encoders = super(TrapOldModalities, self).feature_encoders(data_dir)
        encoders["context"] = text_encoder.ByteTextEncoder()
        return encoders

    def example_reading_spec(self):
        fields, decoders = super(TrapOldModalities, self).example_reading_spec()
        fields["context"] = tf.VarLenFeature(tf.int64)
        return (fields, decoders)

    def preprocess_example(self, example, mode, hparams):
        if mode == tf.estimator.ModeKeys.TRAIN:
            example["inputs"] = tf.concat([tf.to_int64(example["context"]), example["inputs"]], 0)
        return problem.preprocess_example_common(example, mode, hparams)

    def hparams(self, defaults, unused_model_hparams):
        p = defaults
        p.stop_at_eos = int(True)
        size = self._encoders["inputs"].vocab_size
        p.input_modality = {
            "inputs": (registry.Modalities.SYMBOL, size),
            "context": (registry.Modalities.SYMBOL + ":default", size),
        }
        p.target_modality = (registry.Modalities.SYMBOL, self._encoders["targets"].vocab_size)
        p.input_space_id = problem.SpaceID.EN_CHR
        p.target_space_id = problem.SpaceID.GENERIC


@registry.register_problem
class TrapLaterModalities(TrapOldModalities):
    def hparams(self, defaults, model_hparams):
        super(TrapLaterModalities, self).hparams(defaults, model_hparams)
        p = defaults
        p.modality["inputs"] = modalities.SymbolModality
        p.modality["targets"] = modalities.ModalityType.SYMBOL
        p.modality["context"] = modalities.SymbolModality
        p.vocab_size["context"] = 258
        p.loss_multiplier = 1.4
