"""A module beside the plugins' folders."""

from tensor2tensor.data_generators import problem

SAMPLES = 25
assert problem.DatasetSplit.TRAIN == "train"
