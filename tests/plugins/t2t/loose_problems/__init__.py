"""What Tensor2Tensor doesn't check: labels, lengths, names, and hparams made from nothing."""

from tensor2tensor.data_generators import problem
from tensor2tensor.data_generators import text_problems
from tensor2tensor.utils import hparam
from tensor2tensor.utils import registry

COLOURS = ["red", "green", "blue", "grey"]


@registry.register_problem("trap_loose_labels")
class LooseLabels(text_problems.Text2ClassProblem):
    """Fewer names than classes, texts as bytes, a name of its own."""

    @property
    def name(self):
        return "loose_labels_of_mine"

    @property
    def is_generate_per_split(self):
        return False

    @property
    def dataset_splits(self):
        return [{"split": problem.DatasetSplit.TRAIN, "shards": 2},
                {"split": problem.DatasetSplit.EVAL, "shards": 1}]

    @property
    def vocab_type(self):
        return text_problems.VocabType.CHARACTER

    @property
    def num_classes(self):
        return 4

    def class_labels(self, data_dir):
        del data_dir
        return COLOURS[:2]

    def generate_samples(self, data_dir, tmp_dir, dataset_split):
        del data_dir, tmp_dir, dataset_split
        for i in range(90):
            text = u"it is %s, n\u00b0 %d" % (COLOURS[i % 4], i)
            yield {"inputs": text.encode("utf-8"), "label": i % 4}


@registry.register_hparams
def trap_from_nothing():
    hparams = hparam.HParams(
        hidden_size=32, filter_size=64, num_heads=2, num_hidden_layers=1,
        batch_size=128, max_length=200, batching="pad", trap_sizes=[1, 2])
    hparams.parse("trap_sizes=[3,4],num_heads=4")
    hparams.parse_json('{"hidden_size": 48}')
    try:
        hparams.add_hparam("num_heads", 8)
    except ValueError:
        return hparams
    raise AssertionError("an hparam was added twice")
