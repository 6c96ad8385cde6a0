"""T2T's classes of problems whose samples come from many files, one part for each shard."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from t2tlite.compat.problems import Text2SelfProblem, Text2TextProblem
from t2tlite.compat.shards import generate_files, shuffle_dataset
from t2tlite.data import generate
from t2tlite.data.encoding import Encoding
from t2tlite.data.samples import checked, source_of
from t2tlite.data.streams import Stream
from t2tlite.errors import DataError
from t2tlite.metrics import Metrics
from t2tlite.problem import DatasetSplit
from t2tlite.sources.text_files import each_line


def _check_task(problem: Any, task_id: int, tasks: int) -> None:
    if not 0 <= task_id < tasks:
        raise DataError(
            f"{problem.name} has no task {task_id}; choose --task_id from 0 to {tasks - 1}, or "
            f"leave it out to run all tasks"
        )


class DistributedText2TextProblem(Text2TextProblem):
    """A problem whose samples are in many files; each task reads some and writes one shard.

    Implement `input_files`, and `generate_samples` with a fourth argument, the files to read.
    t2t-datagen runs all tasks; with --task_id=N only task N, such as one on each machine. The
    vocabulary is created by the first that needs it.
    """

    def generate_samples(  # type: ignore[override]
        self, data_dir: str, tmp_dir: str, dataset_split: str, input_files: Sequence[str]
    ) -> Iterator[dict[str, Any]]:
        """Yields the samples of some of the files.

        Args:
          data_dir: the data folder.
          tmp_dir: the folder of downloads and of the user's own files.
          dataset_split: the split that they are for.
          input_files: the files to read.
        """
        raise NotImplementedError(f"{type(self).__name__} has no generate_samples; write one")

    def input_files(self, dataset_split: str = DatasetSplit.TRAIN) -> list[str]:
        """Returns the files of a split; those of "train" are all if not is_generate_per_split."""
        raise NotImplementedError(f"{type(self).__name__} has no input_files; write one")

    @property
    def num_output_shards(self) -> int:
        """The number of shards of all splits, and of tasks."""
        return sum(map(len, self.filepaths_by_split("").values()))

    @property
    def num_generate_tasks(self) -> int:
        return self.num_output_shards

    @property
    def split_to_input_filenames(self) -> dict[str, list[str]]:
        """The files by split.

        Raises:
          DataError: there are fewer than shards.
        """
        splits = [DatasetSplit.TRAIN]
        if self.is_generate_per_split:
            splits = [one["split"] for one in self.dataset_splits]
        files = {split: list(self.input_files(split)) for split in splits}
        count = sum(map(len, files.values()))
        if count < self.num_output_shards:
            raise DataError(
                f"{self.name}: input_files has {count} files for {self.num_output_shards} shards; "
                f"expected a file or more for each: lower the shards in dataset_splits"
            )
        return files

    def _task_id_to_output_split(self, task_id: int) -> tuple[str, int, int]:
        """Returns a task's split, the number of its shards, and the task's number among these."""
        _check_task(self, task_id, self.num_output_shards)
        for one in self.dataset_splits:
            if task_id < one["shards"]:
                break
            task_id -= one["shards"]
        return one["split"], one["shards"], task_id

    def _task_id_to_output_file(self, data_dir: str, task_id: int) -> str:
        split, shards, number = self._task_id_to_output_split(task_id)
        return self.data_filepaths(split, data_dir, shards, False)[number]

    def _task_id_to_input_files(self, task_id: int) -> list[str]:
        split, shards, number = self._task_id_to_output_split(task_id)
        if not self.is_generate_per_split:
            split, shards, number = DatasetSplit.TRAIN, self.num_output_shards, task_id
        return self._divide_equally(self.split_to_input_filenames[split], shards, number)

    @staticmethod
    def _divide_equally(input_files: list[str], num_tasks: int, task_id: int) -> list[str]:
        """Returns consecutive files, for the first tasks one more than for the last."""
        size, longer = divmod(len(input_files), num_tasks)
        start = task_id * size + min(task_id, longer)
        return input_files[start : start + size + (task_id < longer)]

    def generate_text_for_vocab(self, data_dir: str, tmp_dir: str) -> Iterator[str]:
        files: list[str] = []
        for task in range(self.num_output_shards):
            if self._task_id_to_output_split(task)[0] == DatasetSplit.TRAIN:
                files += self._task_id_to_input_files(task)
        samples = self.generate_samples(data_dir, tmp_dir, DatasetSplit.TRAIN, files)
        for sample in itertools.islice(samples, self.max_samples_for_vocab):
            yield from (sample[name] for name in self._vocab_features)

    def generate_encoded_samples(  # type: ignore[override]
        self, data_dir: str, tmp_dir: str, dataset_split: str, input_files: Sequence[str]
    ) -> Iterator[dict[str, Any]]:
        """Yields the samples of some of the files as lists of ids, each with EOS at its end."""
        samples = self._samples_of(data_dir, tmp_dir, dataset_split, input_files)
        # The problem may write its TOKEN vocabulary while it generates.
        samples = itertools.chain(list(itertools.islice(samples, 1)), samples)
        return self._encoding(data_dir, tmp_dir).encoded(samples)

    def _samples_of(
        self, data_dir: str, tmp_dir: str, split: str, files: Sequence[str]
    ) -> Iterator[dict[str, Any]]:
        hook = functools.partial(self.generate_samples, data_dir, tmp_dir, split, files)
        return checked(hook, f"{self.name}: generate_samples({split})", self._sample_types)

    def generate_data(self, data_dir: str, tmp_dir: str, task_id: int = -1) -> None:
        """Writes the shard of a task, or all shards if `task_id` is -1."""
        if task_id < 0:
            self.dataset_to_write(data_dir, tmp_dir).write(self.num_workers)
            return
        split, _, _ = self._task_id_to_output_split(task_id)
        files = self._task_id_to_input_files(task_id)
        shard = [self._task_id_to_output_file(data_dir, task_id)]
        samples = self.generate_encoded_samples(data_dir, tmp_dir, split, files)
        generate_files(samples, shard)
        shuffle_dataset(shard)

    def dataset_to_write(self, data_dir: str, tmp_dir: str) -> generate.Dataset:
        paths = self.filepaths_by_split(data_dir)
        streams = [self._stream(data_dir, tmp_dir, split, {split: paths[split]}) for split in paths]
        return self._dataset_of(streams, data_dir, self.vocabulary_filenames, tmp_dir)

    def _stream(
        self, data_dir: str, tmp_dir: str, split: str, paths: dict[str, list[str]]
    ) -> Stream:
        all_tasks = range(self.num_output_shards)
        tasks = [task for task in all_tasks if self._task_id_to_output_split(task)[0] == split]
        files = [self._task_id_to_input_files(task) for task in tasks]
        if not self._overrides_encoding:
            return Stream(
                f"{self.name}: generate_samples({split})",
                lambda task: self._samples_of(data_dir, tmp_dir, split, files[task]),
                paths,
                lambda: self._encoding(data_dir, tmp_dir).copying(self.sampled_segmentations),
                tasks=len(tasks),
            )
        source = f"{self.name}: generate_encoded_samples({split})"
        Encoding({}).copying(self.sampled_segmentations)

        def encoded(task: int) -> Iterator[dict[str, Any]]:
            hook = self.generate_encoded_samples
            part = data_dir, tmp_dir, split, files[task]
            return checked(lambda: hook(*part), source_of(source, task), {"targets": object})

        return Stream(source, encoded, paths, tasks=len(tasks))

    @property
    def _overrides_encoding(self) -> bool:
        hook = type(self).generate_encoded_samples
        return hook is not DistributedText2TextProblem.generate_encoded_samples


class ChoppedTextProblem(Text2SelfProblem):
    """A language model of files of text, chopped into examples of `sequence_length` tokens.

    Implement `train_text_filepaths`, `dev_text_filepaths` and `sequence_length`. Each task writes
    one shard; t2t-datagen runs all, with --task_id=N only task N.
    """

    multiprocess_generate = True
    # What becomes of the tokens at the end of a task: "pad" or "drop".
    remainder_policy = "pad"
    max_chars_for_vocab = 10**7
    max_dev_chars = 10**7

    def train_text_filepaths(self, tmp_dir: str) -> list[str]:
        """Returns the files of the training split, downloaded if they must be."""
        raise NotImplementedError(f"{type(self).__name__} has no train_text_filepaths; write one")

    def dev_text_filepaths(self, tmp_dir: str) -> list[str]:
        """Returns the files of the evaluation split, downloaded if they must be."""
        raise NotImplementedError(f"{type(self).__name__} has no dev_text_filepaths; write one")

    @property
    def sequence_length(self) -> int:
        """The length of an example in tokens; it has no EOS."""
        raise NotImplementedError(f"{type(self).__name__} has no sequence_length; write one")

    def max_length(self, model_hparams: Any) -> int:
        return self.sequence_length

    @property
    def num_train_shards(self) -> int:
        """The number of training shards: those of the first split."""
        return int(self.dataset_splits[0]["shards"])

    @property
    def num_dev_shards(self) -> int:  # type: ignore[override]
        """The number of evaluation shards: those of the second split."""
        return int(self.dataset_splits[1]["shards"])

    @property
    def num_generate_tasks(self) -> int:
        return self.num_train_shards + self.num_dev_shards

    def prepare_to_generate(self, data_dir: str, tmp_dir: str) -> None:
        self.get_or_create_vocab(data_dir, tmp_dir)
        self.train_text_filepaths(tmp_dir)
        self.dev_text_filepaths(tmp_dir)

    def text_filepaths_for_task(self, tmp_dir: str, task_id: int) -> list[str]:
        """Returns the files that a task reads: every n-th of n tasks of the split."""
        _check_task(self, task_id, self.num_generate_tasks)
        if task_id < self.num_train_shards:
            return self.train_text_filepaths(tmp_dir)[task_id :: self.num_train_shards]
        number = task_id - self.num_train_shards
        return self.dev_text_filepaths(tmp_dir)[number :: self.num_dev_shards]

    def filepath_to_unicode_strings(self, filepath: str) -> Iterator[str]:
        """Yields the texts of a file; by default one, all of it."""
        yield "".join(f"{line}\n" for line in each_line(filepath))

    def file_generator(
        self,
        filepaths: Iterable[str],
        max_chars_per_file: int | None = None,
        max_chars_total: int | None = None,
    ) -> Iterator[str]:
        """Yields the texts of files, the last ones cut off where a limit is reached.

        Args:
          filepaths: the files.
          max_chars_per_file: characters to read of a file; None: all.
          max_chars_total: characters to read of all files together; None: all.
        """
        left = max_chars_total or float("inf")
        for path in filepaths:
            left_of_file = min(max_chars_per_file or float("inf"), left)
            for text in self.filepath_to_unicode_strings(path):
                part = text[: int(min(left_of_file, len(text)))]
                left, left_of_file = left - len(part), left_of_file - len(part)
                if part:
                    yield part
                if left_of_file <= 0:
                    break
            if left <= 0:
                return

    def generate_text_for_vocab(self, data_dir: str, tmp_dir: str) -> Iterator[str]:
        files = self.train_text_filepaths(tmp_dir)
        return self.file_generator(files, max_chars_total=self.max_chars_for_vocab)

    def example_generator(
        self, encoder: Any, tmp_dir: str, task_id: int
    ) -> Iterator[dict[str, list[int]]]:
        """Yields the examples of a task, {"targets": ids}."""
        files = self.text_filepaths_for_task(tmp_dir, task_id)
        limit = None
        if task_id >= self.num_train_shards and files:
            limit = self.max_dev_chars // (self.num_dev_shards * len(files))
        length, ids = self.sequence_length, []
        for text in self.file_generator(files, max_chars_per_file=limit):
            ids += encoder.encode(text)
            whole = len(ids) - len(ids) % length
            for start in range(0, whole, length):
                yield {"targets": ids[start : start + length]}
            ids = ids[whole:]
        if ids and self.remainder_policy == "pad":
            yield {"targets": ids + [0] * (length - len(ids))}

    def generate_data(self, data_dir: str, tmp_dir: str, task_id: int = -1) -> None:
        """Writes the shard of a task."""
        _check_task(self, task_id, self.num_generate_tasks)
        encoder = self.get_or_create_vocab(data_dir, tmp_dir)
        train = self.num_train_shards
        if task_id < train:
            path = self.training_filepaths(data_dir, train, False)[task_id]
        else:
            path = self.dev_filepaths(data_dir, self.num_dev_shards, False)[task_id - train]
        generate_files(self.example_generator(encoder, tmp_dir, task_id), [path])
        shuffle_dataset([path])

    def eval_metrics(self) -> list[str]:
        return [Metrics.ACC, Metrics.NEG_LOG_PERPLEXITY]
