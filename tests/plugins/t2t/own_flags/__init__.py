"""Trap 3: TF1's flags, read and defined while the plugin is imported."""

import tensorflow as tf

from tensor2tensor.data_generators import text_problems
from tensor2tensor.utils import registry

FLAGS = tf.flags.FLAGS
tf.flags.DEFINE_bool("trap_upper", False, "Whether targets are in capitals.")
tf.app.flags.DEFINE_integer("trap_samples", 5, "How many samples there are.")


@registry.register_problem()
class TrapOwnFlags(text_problems.Text2TextProblem):
    @property
    def approx_vocab_size(self):
        return 2**9

    @property
    def is_generate_per_split(self):
        return False

    @property
    def dataset_splits(self):
        return [{"split": "train", "shards": 3}, {"split": "eval", "shards": 1}]

    def generate_samples(self, data_dir, tmp_dir, dataset_split):
        tf.logging.info("writing to %s", FLAGS.data_dir)
        for i in range(FLAGS.trap_samples):
            text = "sample number %d" % i
            yield {"inputs": text, "targets": text.upper() if FLAGS.trap_upper else text}


if __name__ == "__main__":
    tf.app.run()
