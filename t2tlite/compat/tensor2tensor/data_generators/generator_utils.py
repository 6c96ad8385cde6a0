"""As `tensor2tensor.data_generators.generator_utils`: downloads, vocabularies, shards."""

import glob
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

from t2tlite.compat.shards import (
    UNSHUFFLED_SUFFIX,
    generate_files,
    outputs_exist,
    shuffle_dataset,
)
from t2tlite.compat.tensor2tensor.data_generators import text_encoder, tokenizer
from t2tlite.data.records import read_shard, serialized, shard_paths
from t2tlite.errors import DownloadError
from t2tlite.plugins.stand_ins import absent_names
from t2tlite.sources import download
from t2tlite.sources.download import gunzip_file, maybe_download_from_drive
from t2tlite.sources.text_files import txt_line_iterator
from t2tlite.translate import generate_lines_for_vocab

__getattr__ = absent_names(__name__)


def sharded_name(base_name: str, shard: int, total_shards: int) -> str:
    """Returns the name of one shard."""
    return shard_paths("", base_name, total_shards)[shard]


def shard_filepath(fname: str, num_shards: int) -> list[str]:
    """Returns the names of all shards."""
    return shard_paths("", fname, num_shards)


def train_data_filenames(problem: str, output_dir: str, num_shards: int) -> list[str]:
    """Returns the paths of the training shards."""
    return shard_paths(output_dir, f"{problem}-train", num_shards)


def dev_data_filenames(problem: str, output_dir: str, num_shards: int) -> list[str]:
    """Returns the paths of the evaluation shards."""
    return shard_paths(output_dir, f"{problem}-dev", num_shards)


def test_data_filenames(problem: str, output_dir: str, num_shards: int) -> list[str]:
    """Returns the paths of the test shards."""
    return shard_paths(output_dir, f"{problem}-test", num_shards)


def combined_data_filenames(problem: str, output_dir: str, num_training_shards: int) -> list[str]:
    """Returns the paths of all shards, one each for evaluation and test."""
    return [
        *train_data_filenames(problem, output_dir, num_training_shards),
        *dev_data_filenames(problem, output_dir, 1),
        *test_data_filenames(problem, output_dir, 1),
    ]


def to_example(dictionary: dict[str, Any]) -> Any:
    """Returns a tf.train.Example of a dict of lists."""
    import tensorflow as tf

    return tf.train.Example.FromString(serialized(dictionary))


def generate_dataset_and_shuffle(
    train_gen: Iterable[dict[str, Any]],
    train_paths: Sequence[str],
    dev_gen: Iterable[dict[str, Any]],
    dev_paths: Sequence[str],
    shuffle: bool = True,
) -> None:
    """Writes training and evaluation shards."""
    generate_files(train_gen, train_paths)
    generate_files(dev_gen, dev_paths)
    if shuffle:
        shuffle_dataset([*train_paths, *dev_paths])


def tfrecord_iterator(
    filenames: str | Sequence[str], gzipped: bool = False, example_spec: Any = None
) -> Iterator[bytes]:
    """Yields the records of shards."""
    for name in [filenames] if isinstance(filenames, str) else filenames:
        yield from read_shard(name)


def maybe_download(directory: str, filename: str, uri: str) -> str:
    """Returns the path of a file in a folder, fetched from a URL or path if it is missing."""
    path = os.path.join(directory, filename)
    if not urlparse(uri).scheme and not os.path.exists(path):
        if not os.path.exists(uri):
            raise DownloadError(f"{uri} doesn't exist; put the file there, or save it as {path}")
        uri = Path(uri).resolve().as_uri()
    return download.maybe_download(directory, filename, uri)


def get_or_generate_vocab_inner(
    data_dir: str | None,
    vocab_filename: str | None,
    vocab_size: int,
    generator: Iterable[str],
    max_subtoken_length: int | None = None,
    reserved_tokens: Sequence[str] | None = None,
) -> text_encoder.SubwordTextEncoder:
    """Returns the vocabulary of a file, learned from texts if the file is missing."""
    path = Path(data_dir, vocab_filename) if data_dir and vocab_filename else None
    if path and (path.exists() or text_encoder.sentencepiece_path(path).exists()):
        found: text_encoder.SubwordTextEncoder = text_encoder.SubwordTextEncoder(path)
        return found
    vocab = text_encoder.SubwordTextEncoder.build_from_generator(
        generator, vocab_size, max_subtoken_length, reserved_tokens
    )
    if path:
        vocab.store_to_file(path)
    return vocab


def get_or_generate_vocab(
    data_dir: str,
    tmp_dir: str,
    vocab_filename: str,
    vocab_size: int,
    sources: Sequence[Sequence[Any]],
    file_byte_budget: float = 1e6,
    max_subtoken_length: int | None = None,
) -> text_encoder.SubwordTextEncoder:
    """Returns the vocabulary of a file, learned from `[[url, [file, ...]], ...]` if missing."""
    texts = generate_lines_for_vocab(tmp_dir, sources, file_byte_budget)
    return get_or_generate_vocab_inner(
        data_dir, vocab_filename, vocab_size, texts, max_subtoken_length
    )


def get_or_generate_tabbed_vocab(
    data_dir: str,
    tmp_dir: str,
    source_filename: str,
    index: int,
    vocab_filename: str,
    vocab_size: int,
) -> text_encoder.SubwordTextEncoder:
    """Returns the vocabulary of a file, learned from one column of a TSV file if missing."""

    def texts() -> Iterator[str]:
        for line in txt_line_iterator(os.path.join(tmp_dir, source_filename)):
            if "\t" in line:
                yield line.split("\t", 1)[index].strip()

    return get_or_generate_vocab_inner(data_dir, vocab_filename, vocab_size, texts())


def get_or_generate_txt_vocab(
    data_dir: str, vocab_filename: str, vocab_size: int, filepatterns: str | Sequence[str]
) -> text_encoder.SubwordTextEncoder:
    """Returns the vocabulary of a file, learned from the lines of text files if missing."""
    patterns = [filepatterns] if isinstance(filepatterns, str) else filepatterns
    files = [name for pattern in patterns for name in sorted(glob.glob(pattern))]

    def texts() -> Iterator[str]:
        for name in files:
            yield from txt_line_iterator(name)

    return get_or_generate_vocab_inner(data_dir, vocab_filename, vocab_size, texts())
