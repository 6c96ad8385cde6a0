"""Trap 9: generate_data writes the shards itself."""

from tensor2tensor.data_generators import generator_utils, text_encoder, text_problems
from tensor2tensor.utils import registry


class Base(text_problems.Text2TextProblem):
    @property
    def vocab_type(self):
        return text_problems.VocabType.CHARACTER

    def my_generator(self, count):
        encoder = text_encoder.ByteTextEncoder()
        for i in range(count):
            ids = encoder.encode(str(i))
            ids.append(text_encoder.EOS_ID)
            yield {"inputs": ids, "targets": ids}


@registry.register_problem
class TrapWritesShards(Base):
    def generate_data(self, data_dir, tmp_dir, task_id=-1):
        train = self.training_filepaths(data_dir, 3, shuffled=False)
        generator_utils.generate_files(self.my_generator(40), train)
        dev = self.dev_filepaths(data_dir, 1, shuffled=False)
        generator_utils.generate_files(self.my_generator(9), dev)
        generator_utils.shuffle_dataset(train + dev)


@registry.register_problem
class TrapWritesShuffled(Base):
    def generate_data(self, data_dir, tmp_dir, task_id=-1):
        generator_utils.generate_dataset_and_shuffle(
            self.my_generator(20),
            self.training_filepaths(data_dir, 2, shuffled=False),
            self.my_generator(5),
            self.dev_filepaths(data_dir, 1, shuffled=False),
        )
