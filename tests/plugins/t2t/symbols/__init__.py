"""Trap: symbols that T2T turns into ids and ends with EOS, and scores from T2T's utilities."""

from tensor2tensor.data_generators import algorithmic
from tensor2tensor.utils import bleu_hook
from tensor2tensor.utils import misc_utils
from tensor2tensor.utils import registry


@registry.register_problem
class TrapSymbols(algorithmic.AlgorithmicProblem):

  @property
  def num_symbols(self):
    return 5

  @property
  def train_length(self):
    return 6

  @property
  def dev_length(self):
    return 8

  @property
  def train_size(self):
    return 40

  @property
  def dev_size(self):
    return 20

  @property
  def num_shards(self):
    return 2

  def generator(self, nbr_symbols, max_length, nbr_cases):
    assert misc_utils.camelcase_to_snakecase(type(self).__name__) == self.name
    for i in range(nbr_cases):
      inputs = [(i + k) % nbr_symbols for k in range(max_length)]
      assert bleu_hook.compute_bleu([inputs], [inputs]) == 1.0
      yield {"inputs": inputs, "targets": sorted(inputs)}
