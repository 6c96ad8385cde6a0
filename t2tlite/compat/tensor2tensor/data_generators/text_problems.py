"""As `tensor2tensor.data_generators.text_problems`."""

import importlib
import os
from collections.abc import Iterator
from typing import Any

from t2tlite import text_problems as _text_problems
from t2tlite.compat.problems import (
    Text2ClassProblem,
    Text2RealProblem,
    Text2SelfProblem,
    Text2TextProblem,
    names_of,
    with_t2t_names,
)
from t2tlite.compat.sharded import ChoppedTextProblem, DistributedText2TextProblem
from t2tlite.compat.tensor2tensor.data_generators import generator_utils, problem, text_encoder
from t2tlite.compat.tensor2tensor.utils import metrics, mlperf_log, registry
from t2tlite.errors import DataError, DownloadError, PluginError
from t2tlite.files import make_folder
from t2tlite.sources.text_files import txt_line_iterator
from t2tlite.text_problems import VocabType

# By name, because the built-in problems are plugins.
_tmpdir = importlib.import_module("t2tlite.problems.text2text_tmpdir")
_questions = importlib.import_module("t2tlite.problems.questions")
QuestionAndContext2TextProblem = with_t2t_names(_questions.QuestionAndContext2TextProblem)
Text2textTmpdir: Any = with_t2t_names(_tmpdir.Text2textTmpdir)
Text2textTmpdirTokens = with_t2t_names(_tmpdir.Text2textTmpdirTokens)


class Text2TextRemotedir(Text2textTmpdir):  # type: ignore[misc]
    """The files of text2text_tmpdir in the folder SRC_REMOTE_DIR, instead of tmp_dir.

    Files of a remote folder, such as gs://bucket/texts, are copied into tmp_dir first.
    """

    SRC_REMOTE_DIR = ""

    def generate_samples(
        self, data_dir: str, tmp_dir: str, dataset_split: str
    ) -> Iterator[dict[str, Any]]:
        if not self.SRC_REMOTE_DIR:
            raise PluginError(f"{type(self).__name__} has no SRC_REMOTE_DIR; set it to a folder")
        folder = str(self.SRC_REMOTE_DIR)
        if "://" in folder:
            folder = self._copied(folder, os.path.join(tmp_dir, self.name))
        samples: Iterator[dict[str, Any]] = super().generate_samples(
            data_dir, folder, dataset_split
        )
        return samples

    def _copied(self, source: str, folder: str) -> str:
        import tensorflow as tf

        make_folder(folder)
        for name in (*self.TRAIN_FILES, *self.EVAL_FILES):
            path = os.path.join(folder, name)
            try:
                if not os.path.exists(path):
                    tf.io.gfile.copy(f"{source.rstrip('/')}/{name}", path)
            except tf.errors.OpError as error:
                raise DownloadError(
                    f"can't copy {source}/{name}: {error.message}; copy it to {path} yourself"
                ) from error
        return folder


class TextConcat2ClassProblem(Text2ClassProblem):
    """Several texts as input, one label as target: "inputs" is a list of texts."""

    CONCAT_TOKEN = "$"

    @property
    def _sample_types(self) -> dict[str, type]:
        return {"inputs": list, "label": int}

    def generate_text_for_vocab(self, data_dir: str, tmp_dir: str) -> Iterator[str]:
        for texts in super().generate_text_for_vocab(data_dir, tmp_dir):
            yield from texts

    def generate_encoded_samples(
        self, data_dir: str, tmp_dir: str, dataset_split: str
    ) -> Iterator[dict[str, Any]]:
        samples = self._checked_samples(data_dir, tmp_dir, dataset_split)
        encoder = self.get_or_create_vocab(data_dir, tmp_dir)
        separator = encoder.encode(self.CONCAT_TOKEN)[0]
        for sample in samples:
            ids: list[int] = []
            for number, text in enumerate(sample["inputs"]):
                ids += [*([separator] if number else []), *encoder.encode(text)]
            yield {"inputs": [*ids, text_encoder.EOS_ID], "targets": [sample["label"]]}


def text2text_generate_encoded(
    sample_generator: Any,
    vocab: Any,
    targets_vocab: Any = None,
    has_inputs: bool = True,
    inputs_prefix: str = "",
    targets_prefix: str = "",
    **unused: Any,
) -> Iterator[dict[str, Any]]:
    """As t2tlite's, without T2T's arguments for packed examples."""
    return _text_problems.text2text_generate_encoded(
        sample_generator, vocab, targets_vocab, has_inputs, inputs_prefix, targets_prefix
    )


def txt_and_label_iterator(txt_path: str) -> Iterator[list[Any]]:
    """Yields text and number of lines such as "some text TAB Extra_Label: 3"."""
    for row, line in enumerate(txt_line_iterator(txt_path), 1):
        text, _, label = line.rpartition("\tExtra_Label: ")
        try:
            yield [text, int(label)]
        except ValueError:
            raise DataError(
                f"{txt_path}, line {row}: found {line!r}; expected a text, a tab, and "
                f"'Extra_Label: ' with a number"
            ) from None


def text2text_txt_iterator_with_label(
    source_txt_path: str, target_txt_path: str
) -> Iterator[dict[str, Any]]:
    """Yields samples of two parallel files, with the "extra_label" of the second one's lines."""
    samples = _text_problems.text2text_txt_iterator(source_txt_path, target_txt_path)
    labelled = txt_and_label_iterator(target_txt_path)
    for sample, (targets, label) in zip(samples, labelled, strict=True):
        yield {**sample, "targets": targets, "extra_label": [label]}


def text2text_txt_iterator_with_index(
    source_txt_path: str, target_txt_path: str
) -> Iterator[dict[str, Any]]:
    """Yields samples of two parallel files, with their numbers as "idx"."""
    samples = _text_problems.text2text_txt_iterator(source_txt_path, target_txt_path)
    for number, sample in enumerate(samples):
        yield {**sample, "idx": [number]}


def text2real_txt_iterator(source_txt_path: str, target_txt_path: str) -> Iterator[dict[str, Any]]:
    """Yields samples of a file of texts and one of numbers, several of a line between spaces."""
    for row, sample in enumerate(
        _text_problems.text2text_txt_iterator(source_txt_path, target_txt_path), 1
    ):
        try:
            yield {**sample, "targets": [float(number) for number in sample["targets"].split()]}
        except ValueError:
            raise DataError(
                f"{target_txt_path}, line {row}: found {sample['targets']!r}; expected numbers"
            ) from None


__getattr__ = names_of(_text_problems, __name__)
