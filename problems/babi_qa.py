"""The bAbI tasks: short stories with questions (Weston et al. 2015), as T2T's plugins know them.

A task has a number, such as "qa1"; "qa0" is all of them together.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from t2tlite import metrics, problem, registry, text, text_problems
from t2tlite.config import HParams, ProblemHParams
from t2tlite.errors import DataError
from t2tlite.text import tokenizer

from . import archive, questions, token_vocabulary

log = logging.getLogger(__name__)

_FOLDER = "tasks_1-20_v1-2"
_URL = f"http://www.thespermwhale.com/jaseweston/babi/{_FOLDER}.tar.gz"
_ALL = "qa0"
_TASKS = {
    _ALL: "qa0_all-tasks",
    "qa1": "qa1_single-supporting-fact",
    "qa2": "qa2_two-supporting-facts",
    "qa3": "qa3_three-supporting-facts",
    "qa4": "qa4_two-arg-relations",
    "qa5": "qa5_three-arg-relations",
    "qa6": "qa6_yes-no-questions",
    "qa7": "qa7_counting",
    "qa8": "qa8_lists-sets",
    "qa9": "qa9_simple-negation",
    "qa10": "qa10_indefinite-knowledge",
    "qa11": "qa11_basic-coreference",
    "qa12": "qa12_conjunction",
    "qa13": "qa13_compound-coreference",
    "qa14": "qa14_time-reasoning",
    "qa15": "qa15_basic-deduction",
    "qa16": "qa16_basic-induction",
    "qa17": "qa17_positional-reasoning",
    "qa18": "qa18_size-reasoning",
    "qa19": "qa19_path-finding",
    "qa20": "qa20_agents-motivations",
}
# Tasks with answers of several words, which become one token.
_LISTS = ("qa8", "qa19", _ALL)

# Names of the registered problems.
REGISTERED_PROBLEMS: list[str] = []


class FeatureNames:
    """The parts of an instance that `_babi_parser` returns."""

    STORY = "story"
    QUESTION = "question"
    ANSWER = "answer"

    @classmethod
    def features(cls) -> Iterator[str]:
        """Yields the three names."""
        yield from (cls.STORY, cls.QUESTION, cls.ANSWER)


def _normalize_string(raw_str: str) -> str:
    """Returns words and punctuation separated by single spaces."""
    return " ".join(token.strip() for token in tokenizer.encode(raw_str))


def _prepare_babi_data(tmp_dir: str, data_dir: str) -> str:
    """Returns `tmp_dir` after downloading and unpacking the tasks, unless they are there."""
    archive.obtain(tmp_dir, _URL, [_FOLDER])
    return tmp_dir


def _build_vocab(
    generator: Iterable[str], vocab_dir: str, vocab_name: str
) -> text.TokenTextEncoder:
    """Returns the encoder of a vocabulary of all words of texts; writes it if it is missing."""
    path = os.path.join(vocab_dir, vocab_name)
    token_vocabulary.write_most_frequent(path, generator)
    return text.TokenTextEncoder(path)


def _babi_parser(
    tmp_dir: str,
    babi_task_id: str,
    subset: str,
    dataset_split: str,
    joint_training: bool = True,
) -> list[dict[str, Any]]:
    """Returns the questions of a split, each with the story so far: dicts by `FeatureNames`.

    Args:
      tmp_dir: the folder of tasks_1-20_v1-2.
      babi_task_id: the task, "qa0" to "qa20".
      subset: "en", "en-10k", "shuffled" or "shuffled-10k".
      dataset_split: "train"; otherwise the task's test file is read.
      joint_training: whether the training split is that of all tasks.

    Raises:
      DataError: a file is missing or has another form.
    """
    train = dataset_split == problem.DatasetSplit.TRAIN
    task = _ALL if train and joint_training else babi_task_id
    names = [_TASKS[one] for one in ([t for t in _TASKS if t != _ALL] if task == _ALL else [task])]
    folder = Path(tmp_dir).expanduser() / _FOLDER / subset
    as_one_token = joint_training or babi_task_id in _LISTS
    instances: list[dict[str, Any]] = []
    for name in names:
        path = folder / f"{name}_{'train' if train else 'test'}.txt"
        instances += _instances(path, as_one_token)
    return instances


def _instances(path: Path, as_one_token: bool) -> Iterator[dict[str, Any]]:
    """Yields the questions of a file."""
    story: list[str] = []
    for row, line in enumerate(text_problems.txt_line_iterator(path), 1):
        number, _, statement = line.partition(" ")
        cells = statement.split("\t")
        if not number.isdigit() or len(cells) > 3:
            raise DataError(
                f"{path}, line {row}: found {line!r}; expected a number and a statement, or a "
                f"number and a question, an answer and facts between tabs"
            )
        if number == "1":
            story = []
        if len(cells) == 1:
            story.append(_normalize_string(statement))
            continue
        answer = cells[1].replace(",", "") if as_one_token else cells[1]
        yield {
            FeatureNames.STORY: list(story),
            FeatureNames.QUESTION: _normalize_string(cells[0]),
            FeatureNames.ANSWER: answer,
        }


class BabiQa(questions.QuestionAndContext2TextProblem):
    """A question, and a story as its context -> the answer, one of the vocabulary's tokens."""

    dataset_splits = [
        {"split": problem.DatasetSplit.TRAIN, "shards": 1},
        {"split": problem.DatasetSplit.EVAL, "shards": 1},
    ]
    vocab_type = text_problems.VocabType.TOKEN

    def __init__(self, was_reversed: bool = False, was_copy: bool = False) -> None:
        super().__init__(was_reversed, was_copy)
        if was_reversed or was_copy:
            raise DataError(
                f"{self.name} has no _rev and no _copy: its targets are labels; use {self.name}"
            )

    @property
    def babi_subset(self) -> str:
        """The folder of the tasks: "en", "en-10k", "shuffled" or "shuffled-10k"."""
        raise NotImplementedError(f"{type(self).__name__} has no babi_subset")

    @property
    def babi_task_id(self) -> str:
        """The task, "qa1" to "qa20", or "qa0" for all."""
        raise NotImplementedError(f"{type(self).__name__} has no babi_task_id")

    @property
    def joint_training(self) -> bool:
        """Whether to train on all tasks; evaluation is on the problem's own."""
        return True

    def dataset_filename(self) -> str:
        return f"babi_qa_{self.babi_subset}_{_TASKS[self.babi_task_id]}"

    @property
    def vocab_file(self) -> str:
        """T2T's further name of the vocabulary, which isn't used for the file."""
        return f"{self.babi_subset}_{_TASKS[self.babi_task_id]}.vocab"

    def get_labels_encoder(self, data_dir: str | None) -> Any:
        """Returns the encoder of the answers."""
        return text.TokenTextEncoder(os.path.join(data_dir or "", self.vocab_filename))

    def generate_samples(
        self, data_dir: str, tmp_dir: str, dataset_split: str
    ) -> Iterator[dict[str, Any]]:
        tmp_dir = _prepare_babi_data(tmp_dir, data_dir)
        _build_vocab(self.generate_text_for_vocab(data_dir, tmp_dir), data_dir, self.vocab_filename)
        for instance in self._parsed(tmp_dir, dataset_split):
            yield {
                "context": " ".join(filter(None, instance[FeatureNames.STORY])),
                "inputs": instance[FeatureNames.QUESTION],
                "targets": instance[FeatureNames.ANSWER],
            }

    def generate_text_for_vocab(self, data_dir: str, tmp_dir: str) -> Iterator[str]:
        """Yields the texts of both splits, since an answer must be a known token."""
        for split in (problem.DatasetSplit.TRAIN, problem.DatasetSplit.EVAL):
            for instance in self._parsed(tmp_dir, split):
                yield from instance[FeatureNames.STORY]
                yield instance[FeatureNames.QUESTION]
                yield instance[FeatureNames.ANSWER]

    def _parsed(self, tmp_dir: str, split: str) -> list[dict[str, Any]]:
        return _babi_parser(
            tmp_dir, self.babi_task_id, self.babi_subset, split, self.joint_training
        )

    def _samples_to_encode(
        self, data_dir: str, tmp_dir: str, dataset_split: str, task_id: int | None = None
    ) -> Iterator[dict[str, Any]]:
        encoder = None
        for sample in super()._samples_to_encode(data_dir, tmp_dir, dataset_split, task_id):
            encoder = encoder or self.get_labels_encoder(data_dir)
            label = encoder.encode(sample["targets"])
            if len(label) != 1:
                raise DataError(
                    f"{self.name}: the answer {sample['targets']!r} has {len(label)} tokens; "
                    f"expected one: correct generate_samples"
                )
            yield {**sample, "targets": label}

    def _encoding(self, data_dir: str, tmp_dir: str) -> Any:
        encoding = super()._encoding(data_dir, tmp_dir)
        encoders = {name: encoding.encoders[name] for name in ("inputs", "context")}
        return type(encoding)(encoders, encoding.prefixes)

    def feature_encoders(self, data_dir: str | None) -> dict[str, Any]:
        encoders = super().feature_encoders(data_dir)
        return {**encoders, "targets": self.get_labels_encoder(data_dir)}

    def hparams(self, defaults: ProblemHParams, model_hparams: HParams) -> None:
        super().hparams(defaults, model_hparams)
        defaults.stop_at_eos = False
        defaults.modality["targets"] = "class_label"

    @property
    def record_features(self) -> dict[str, Any]:
        features = super().record_features
        return {**features, "targets": replace(features["targets"], width=1)}

    def example_reading_spec(self) -> tuple[dict[str, Any], Any]:
        import tensorflow as tf

        features, decoders = super().example_reading_spec()
        return {**features, "targets": tf.io.FixedLenFeature([1], tf.int64)}, decoders

    def eval_metrics(self) -> list[str]:
        return [metrics.Metrics.ACC]


class BabiQaConcat(BabiQa):
    """A question, a separator and a story -> the answer, one of the vocabulary's tokens."""

    def preprocess_example(self, example: dict[str, Any], mode: str, hparams: HParams) -> Any:
        return self.joined(example)

    def hparams(self, defaults: ProblemHParams, model_hparams: HParams) -> None:
        super().hparams(defaults, model_hparams)
        defaults.modality.pop("context", None)
        defaults.vocab_size.pop("context", None)


def _register_babi_problems() -> None:
    """Registers babi_qa_concat_task1_1k and so on: each task with 1,000 and 10,000 questions."""
    for subset, size in (("en", "1k"), ("en-10k", "10k")):
        for task in _TASKS:
            number = "AllTasks" if task == _ALL else f"Task{task.removeprefix('qa')}"
            name = f"BabiQaConcat{number}_{size}"
            tasks = "all bAbI tasks" if task == _ALL else f"bAbI task {_TASKS[task]}"
            doc = f"Question and story -> answer, {tasks}, trained on all tasks of {subset}."
            values = {"babi_task_id": task, "babi_subset": subset, "__doc__": doc}
            values["__module__"] = __name__
            registered = registry.register_problem(type(name, (BabiQaConcat,), values))
            REGISTERED_PROBLEMS.append(registry.snake_case(registered.__name__))


_register_babi_problems()
