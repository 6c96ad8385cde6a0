"""Trap: problems of T2T's own modules are subclassed, with the helpers that are private there."""

import json
import os

from tensor2tensor.data_generators import babi_qa, lm1b, squad, text_problems
from tensor2tensor.data_generators.babi_qa import FeatureNames
from tensor2tensor.utils import registry

import tensorflow as tf

STORY = "1 Mary went to the %s.\n2 Where is Mary? \t%s\t1\n3 John slept.\n4 Who slept?\tJohn\t3\n"
PLACES = ["kitchen", "garden", "office", "hall"]


def write_stories(tmp_dir):
    folder = os.path.join(tmp_dir, "tasks_1-20_v1-2", "en")
    tf.gfile.MakeDirs(folder)
    for part in ("train", "test"):
        name = babi_qa._TASKS["qa1"] + "_%s.txt" % part
        with tf.gfile.GFile(os.path.join(folder, name), "w") as f:
            for place in PLACES * 10:
                f.write(STORY % (place, place))


@registry.register_problem
class TrapBabiConcat(babi_qa.BabiQaConcat):
    """Own stories, task 1 only."""

    @property
    def babi_subset(self):
        return "en"

    @property
    def babi_task_id(self):
        return "qa1"

    @property
    def joint_training(self):
        return False

    def dataset_filename(self):
        return "trap_babi"

    def generate_samples(self, data_dir, tmp_dir, dataset_split):
        write_stories(tmp_dir)
        return super(TrapBabiConcat, self).generate_samples(data_dir, tmp_dir, dataset_split)


@registry.register_problem
class TrapBabiParsed(text_problems.QuestionAndContext2TextProblem):
    """The parser alone; question and story are joined while they are read."""

    @property
    def vocab_type(self):
        return text_problems.VocabType.TOKEN

    def generate_samples(self, data_dir, tmp_dir, dataset_split):
        write_stories(tmp_dir)
        instances = babi_qa._babi_parser(tmp_dir, "qa1", "en", dataset_split, joint_training=False)
        texts = [babi_qa._normalize_string(i[FeatureNames.QUESTION]) for i in instances]
        texts += [" ".join(i[FeatureNames.STORY]) for i in instances]
        texts += [i[FeatureNames.ANSWER] for i in instances]
        babi_qa._build_vocab(texts, data_dir, self.vocab_filename)
        for instance in instances:
            yield {
                "inputs": instance[FeatureNames.QUESTION],
                "context": " ".join(instance[FeatureNames.STORY]),
                "targets": instance[FeatureNames.ANSWER],
            }

    def preprocess_example(self, example, unused_mode, unused_hparams):
        sep = tf.convert_to_tensor([self.QUESTION_SEPARATOR_ID], dtype=example["inputs"].dtype)
        example["inputs"] = tf.concat([example["inputs"], sep, example["context"]], 0)
        return example

    def hparams(self, defaults, unused_model_hparams):
        super(TrapBabiParsed, self).hparams(defaults, unused_model_hparams)
        del defaults.modality["context"]
        del defaults.vocab_size["context"]


@registry.register_problem
class TrapSquad(squad.SquadConcat):
    """SQuAD's files, written here."""

    @property
    def approx_vocab_size(self):
        return 300

    def dataset_filename(self):
        return "trap_squad"

    def generate_samples(self, data_dir, tmp_dir, dataset_split):
        for name in ("train-v1.1.json", "dev-v1.1.json"):
            qas = [
                {
                    "id": str(n),
                    "question": "where is number %d ?" % n,
                    "answers": [{"text": "at %d" % n, "answer_start": 0}],
                }
                for n in range(30)
            ]
            article = {"title": "numbers", "paragraphs": [{"context": "numbers.", "qas": qas}]}
            with tf.gfile.Open(os.path.join(tmp_dir, name), "w") as f:
                f.write(json.dumps({"version": "1.1", "data": [article]}))
        return super(TrapSquad, self).generate_samples(data_dir, tmp_dir, dataset_split)


@registry.register_problem
class TrapLm1b(lm1b.LanguagemodelLm1b32k):
    """Own sentences in place of the corpus, T2T's replacement of unknown words."""

    @property
    def approx_vocab_size(self):
        return 300

    def generate_samples(self, data_dir, tmp_dir, dataset_split):
        for n in range(60):
            line = "one two %d three" % n
            yield {"targets": lm1b._replace_oov({"one", "two", "three"}, line)}
