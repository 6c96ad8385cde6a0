"""The recipe for translation: a class that lists where parallel texts are.

@registry.register_problem
class TranslateEnnl(translate.TranslateProblem):
    def source_data_files(self, dataset_split):
        stem = "train" if dataset_split == problem.DatasetSplit.TRAIN else "dev"
        return [["http://host/corpus.tgz", (f"{stem}.en", f"{stem}.nl")]]

The address may be an URL or the name of a file in tmp_dir, "" if the texts lie there as they are.
`t2tlite/sources/corpora.py` says what else an entry can be.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from t2tlite.config import HParams
from t2tlite.data.encoding import Encoding
from t2tlite.errors import DataError
from t2tlite.files import atomic
from t2tlite.problem import FILE_WORD, DatasetSplit
from t2tlite.sources.corpora import Corpus
from t2tlite.sources.text_files import text2text_distill_iterator, text2text_txt_iterator
from t2tlite.text_problems import (
    Text2TextProblem,
    sentencepiece_filename,
)

log = logging.getLogger(__name__)

# Characters of each file that a shared vocabulary is made from, T2T's number.
_VOCAB_CHARACTERS_OF_FILE = 1e6
# Characters of each language that its own vocabulary is made from.
_VOCAB_CHARACTERS_OF_LANGUAGE = 2e7


class TranslateProblem(Text2TextProblem):
    """Parallel texts in two languages, which share a vocabulary. Implement `source_data_files`.

    The pairs of a split are first gathered in two files in tmp_dir, NAME-compiled-train.lang1 and
    .lang2; put some there yourself and nothing else is needed.
    """

    def source_data_files(self, dataset_split: str) -> Sequence[Any]:
        """Returns what `compile_data` reads for a split: [[address, (file, file)], ...]."""
        raise NotImplementedError(f"{type(self).__name__} has no source_data_files; write one")

    def vocab_data_files(self) -> Sequence[Any]:
        """Returns what the vocabulary is made from; an entry may name one file, or any number."""
        return self.source_data_files(DatasetSplit.TRAIN)

    @property
    def datatypes_to_clean(self) -> list[str] | None:
        """Of "txt", "tsv" and "tmx" those whose training pairs are cleaned; English comes first."""
        return None

    def data_files(self, tmp_dir: str, dataset_split: str) -> Sequence[Any]:
        """Returns what is compiled: source_data_files, unless it depends on what is in tmp_dir."""
        return self.source_data_files(dataset_split)

    def compiled(self, tmp_dir: str, dataset_split: str) -> str:
        """Returns the path of a split's two compiled files without .lang1 and .lang2."""
        train = dataset_split == DatasetSplit.TRAIN
        return compile_data(
            tmp_dir,
            self.data_files(tmp_dir, dataset_split),
            f"{self.name}-compiled-{FILE_WORD[dataset_split]}",
            datatypes_to_clean=self.datatypes_to_clean if train else None,
        )

    def generate_samples(
        self,
        data_dir: str,
        tmp_dir: str,
        dataset_split: str,
        custom_iterator: Callable[[str, str], Iterator[dict[str, Any]]] = text2text_txt_iterator,
    ) -> Iterator[dict[str, Any]]:
        path = self.compiled(tmp_dir, dataset_split)
        return custom_iterator(f"{path}.lang1", f"{path}.lang2")

    def generate_text_for_vocab(self, data_dir: str, tmp_dir: str) -> Iterator[str]:
        """Yields lines from all over vocab_data_files.

        Where there are none, since generate_samples is the problem's own, or where
        max_samples_for_vocab limits them, they are those of the samples.
        """
        own = type(self)
        listed = (
            own.source_data_files is not TranslateProblem.source_data_files
            or own.vocab_data_files is not TranslateProblem.vocab_data_files
        )
        if listed and not self.max_samples_for_vocab:
            return generate_lines_for_vocab(tmp_dir, self.vocab_data_files())
        return super().generate_text_for_vocab(data_dir, tmp_dir)


class TwoVocabTranslateProblem(TranslateProblem):
    """Parallel texts in two languages with a vocabulary each, of approx_vocab_size tokens both.

    With vocabularies of one size the hparam shared_embedding_and_softmax_weights makes them share
    a table of embeddings nevertheless; set it to False.
    """

    @property
    def source_vocab_name(self) -> str:
        """The inputs' vocabulary file; a SentencePiece file ends in .model instead of .subwords."""
        return f"vocab.{self.dataset_filename()}.source.{self.approx_vocab_size}.subwords"

    @property
    def target_vocab_name(self) -> str:
        """The same of the targets."""
        return f"vocab.{self.dataset_filename()}.target.{self.approx_vocab_size}.subwords"

    @property
    def vocabulary_filenames(self) -> list[str]:
        names = [self.source_vocab_name, self.target_vocab_name]
        return [*names, *map(sentencepiece_filename, names)]

    def feature_encoders(self, data_dir: str | None) -> dict[str, Any]:
        return self._encoders_of(data_dir or "", None)

    def _encoding(self, data_dir: str, tmp_dir: str) -> Encoding:
        return Encoding(self._encoders_of(data_dir, tmp_dir), self._prefixes)

    def _encoders_of(self, data_dir: str, tmp_dir: str | None) -> dict[str, Any]:
        def texts(language: str) -> Callable[[], Iterable[str]] | None:
            if tmp_dir is None:
                return None
            return lambda: Corpus(
                tmp_dir, ["", [self.compiled(tmp_dir, DatasetSplit.TRAIN) + language]]
            ).sampled_lines(_VOCAB_CHARACTERS_OF_LANGUAGE)

        sides = {
            "inputs": (self.source_vocab_name, ".lang1"),
            "targets": (self.target_vocab_name, ".lang2"),
        }
        return {
            side: self._vocabulary(data_dir, name, texts(language))
            for side, (name, language) in sides.items()
        }


class TranslateDistillProblem(TranslateProblem):
    """Learns what a teacher answered, from parallel files: `source_data_files` returns a path.

    The path followed by "inputs", "gold" and "prediction" names the texts, the right answers and
    the teacher's. All three are in the records; training reads the teacher's as targets. The
    vocabulary is the teacher's: copy it into data_dir.
    """

    @property
    def _sample_types(self) -> dict[str, type]:
        return {**super()._sample_types, "dist_targets": str}

    def get_or_create_vocab(
        self, data_dir: str, tmp_dir: str | None, force_get: bool = False
    ) -> Any:
        return super().get_or_create_vocab(data_dir, tmp_dir, force_get=True)

    def generate_samples(  # type: ignore[override]
        self, data_dir: str, tmp_dir: str, dataset_split: str
    ) -> Iterator[dict[str, Any]]:
        path = str(self.source_data_files(dataset_split))
        return text2text_distill_iterator(f"{path}inputs", f"{path}gold", f"{path}prediction")

    def _encoding(self, data_dir: str, tmp_dir: str) -> Encoding:
        common = super()._encoding(data_dir, tmp_dir)
        encoder = self.get_or_create_vocab(data_dir, tmp_dir)
        return Encoding(
            {**common.encoders, "dist_targets": encoder},
            {**common.prefixes, "dist_targets": self.targets_prefix},
        )

    def example_reading_spec(self) -> tuple[dict[str, Any], Any]:
        spec, decoders = super().example_reading_spec()
        return {"inputs": spec["inputs"], "dist_targets": spec["targets"]}, decoders

    def preprocess_example(self, example: dict[str, Any], mode: str, hparams: HParams) -> Any:
        example["targets"] = example.pop("dist_targets")
        return super().preprocess_example(example, mode, hparams)


def generate_lines_for_vocab(
    tmp_dir: str, sources: Iterable[Any], file_byte_budget: float = _VOCAB_CHARACTERS_OF_FILE
) -> Iterator[str]:
    """Yields lines from all over the files of a list, as T2T's function in generator_utils.

    Args:
      tmp_dir: as in `compile_data`.
      sources: as in `compile_data`, but an entry may name one file, or any number.
      file_byte_budget: characters to take of each file.

    Raises:
      DataError: as `compile_data` does.
      DownloadError: likewise.
    """
    for entry in sources:
        yield from Corpus(tmp_dir, entry).sampled_lines(file_byte_budget)


def compile_data(
    tmp_dir: str,
    datasets: Sequence[Any],
    filename: str,
    datatypes_to_clean: Iterable[str] | None = None,
) -> str:
    """Gathers the pairs of a list of corpora in two parallel files, as T2T's function.

    Where both files are there already they are taken as they are, be they T2T's or the user's; if
    they were made here, and from another list or other files since, they are made anew.

    Args:
      tmp_dir: where files are looked for, and are downloaded and unpacked to.
      datasets: [[address, (file, file)], ...], see `t2tlite/sources/corpora.py`.
      filename: name of the two files, without .lang1 and .lang2.
      datatypes_to_clean: of "txt" (parallel files), "tsv" and "tmx" those to clean.

    Returns:
      The path of the two files without .lang1 and .lang2.

    Raises:
      DataError: a file isn't there, isn't what its name says, or all of them hold no pair.
      DownloadError: a download failed, or can't be unpacked.
      OutputError: tmp_dir can't be written to.
    """
    path = Path(tmp_dir).expanduser() / filename
    outputs = [path.with_name(f"{filename}.lang{number}") for number in (1, 2)]
    clean = sorted(datatypes_to_clean or [])
    # JSON knows no tuples, which lists mix with lists.
    wanted = {"datasets": json.loads(json.dumps(datasets, default=str)), "cleaned": clean}
    record = path.with_name(f"{filename}.json")
    if all(one.exists() for one in outputs) and _is_current(record, wanted):
        log.info("%s.lang1 and .lang2 are there already", path)
        return str(path)
    corpora = [Corpus(tmp_dir, entry) for entry in datasets]
    count = 0
    with atomic(outputs[0], "w") as source_file, atomic(outputs[1], "w") as target_file:
        for corpus in corpora:
            log.info("reading %s", ", ".join(map(str, corpus.paths)))
            for source, target in corpus.pairs(clean):
                source_file.write(f"{source}\n")
                target_file.write(f"{target}\n")
                count += 1
        if not count:
            raise DataError(f"{filename}: found no pair of texts in {datasets!r}; check the files")
    files = {str(one): _state(one) for corpus in corpora for one in corpus.paths}
    with atomic(record, "w") as file:
        json.dump({**wanted, "files": files}, file, indent=1)
    log.info("%s.lang1 and .lang2: %d pairs", path, count)
    return str(path)


def _is_current(record: Path, wanted: dict[str, Any]) -> bool:
    """Whether compiled files are from this list, and from the files as they are or were."""
    if not record.exists():
        return True
    try:
        made = json.loads(record.read_text(encoding="utf-8"))
        files = made.pop("files")
    except (ValueError, LookupError):
        return False
    return made == wanted and all(
        _state(Path(one)) == state for one, state in files.items() if os.path.exists(one)
    )


def _state(path: Path) -> list[int]:
    """What changes when a file does: its size, and the time of its last change in ns."""
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]
