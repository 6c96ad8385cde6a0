"""The problem classes for translation: a subclass lists where its parallel texts are.

    @registry.register_problem
    class TranslateEnnl(translate.TranslateProblem):
        def source_data_files(self, dataset_split):
            stem = "train" if dataset_split == problem.DatasetSplit.TRAIN else "dev"
            return [["http://host/corpus.tgz", (f"{stem}.en", f"{stem}.nl")]]

The address is a URL, the name of an archive in tmp_dir, or "" if the texts themselves are in
tmp_dir. `compile_data` describes all forms of an entry.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from t2tlite.batches.examples import RecordFeature
from t2tlite.config import HParams
from t2tlite.data.encoding import Encoding
from t2tlite.errors import DataError
from t2tlite.files import atomic
from t2tlite.problem import FILE_WORD, DatasetSplit
from t2tlite.problem_vocabulary import encoder_of, sentencepiece_filename
from t2tlite.sources.corpora import Corpus
from t2tlite.sources.text_files import text2text_distill_iterator, text2text_txt_iterator
from t2tlite.text_problems import Text2TextProblem

log = logging.getLogger(__name__)

# Characters of each language that its own vocabulary is learned from.
_VOCAB_CHARACTERS_OF_LANGUAGE = 2e7


class TranslateProblem(Text2TextProblem):
    """Parallel texts in two languages with one vocabulary. Implement `source_data_files`.

    The pairs of each split are first written to two files in tmp_dir, such as
    NAME-compiled-train.lang1 and .lang2. If you put these there yourself, they are used.
    """

    page_form = "answer"
    page_title = "Translate"
    page_invitation = "Write a sentence. Several go on lines of their own."
    page_label = "Text to translate"
    page_placeholder = "A sentence"
    page_action = "Translate"

    def source_data_files(self, dataset_split: str) -> Sequence[Any]:
        """Returns the corpora of a split, as `compile_data` takes them."""
        raise NotImplementedError(f"{type(self).__name__} has no source_data_files; write one")

    def vocab_data_files(self) -> Sequence[Any]:
        """Returns the corpora of the vocabulary; an entry may name any number of files."""
        return self.source_data_files(DatasetSplit.TRAIN)

    @property
    def datatypes_to_clean(self) -> list[str] | None:
        """The file types of which training pairs are cleaned; `compile_data` takes them."""
        return None

    def data_files(self, tmp_dir: str, dataset_split: str) -> Sequence[Any]:
        """Returns the corpora to compile; override it if they depend on the files in tmp_dir."""
        return self.source_data_files(dataset_split)

    def compiled(self, tmp_dir: str, dataset_split: str) -> str:
        """Compiles a split if necessary; returns the path of both files without their suffix."""
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
        """Yields lines from all parts of `vocab_data_files`.

        If a subclass lists no corpora, or sets `max_samples_for_vocab`, they are those of the
        training samples.
        """
        listed = any(
            getattr(type(self), hook) is not getattr(TranslateProblem, hook)
            for hook in ("source_data_files", "vocab_data_files")
        )
        if listed and not self.max_samples_for_vocab:
            return generate_lines_for_vocab(tmp_dir, self.vocab_data_files())
        return super().generate_text_for_vocab(data_dir, tmp_dir)


class TwoVocabTranslateProblem(TranslateProblem):
    """Parallel texts in two languages, each with its own vocabulary of `approx_vocab_size` tokens.

    Set the hparam shared_embedding_and_softmax_weights to False, or the two vocabularies share one
    embedding table.
    """

    @property
    def source_vocab_name(self) -> str:
        """The vocabulary file of the inputs; a SentencePiece file ends in .model instead."""
        return f"vocab.{self.dataset_filename()}.source.{self.approx_vocab_size}.subwords"

    @property
    def target_vocab_name(self) -> str:
        """The vocabulary file of the targets, likewise."""
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
            side: encoder_of(self, data_dir, name, texts(language))
            for side, (name, language) in sides.items()
        }


class TranslateDistillProblem(TranslateProblem):
    """Distillation: learns a teacher's predictions. `source_data_files` returns a path prefix.

    The files PREFIXinputs, PREFIXgold and PREFIXprediction hold the texts, the references and the
    teacher's predictions, line by line. The records have all three; training uses the predictions
    as targets. The vocabulary is the teacher's: copy it into data_dir.
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

    @property
    def record_features(self) -> dict[str, RecordFeature]:
        return {**super().record_features, "targets": RecordFeature("dist_targets")}

    def example_reading_spec(self) -> tuple[dict[str, Any], Any]:
        spec, decoders = super().example_reading_spec()
        return {"inputs": spec["inputs"], "dist_targets": spec["targets"]}, decoders

    def preprocess_example(self, example: dict[str, Any], mode: str, hparams: HParams) -> Any:
        example["targets"] = example.pop("dist_targets")
        return super().preprocess_example(example, mode, hparams)


def generate_lines_for_vocab(
    tmp_dir: str, sources: Iterable[Any], file_byte_budget: float = 1e6
) -> Iterator[str]:
    """Yields lines from all parts of a list of files, as T2T's function of this name.

    Args:
      tmp_dir: as for `compile_data`.
      sources: as for `compile_data`, but an entry may name any number of files.
      file_byte_budget: about how many characters to yield of each file.

    Raises:
      DataError: a file is missing, or its content isn't what its name says.
      DownloadError: a download failed, or can't be unpacked.
    """
    for entry in sources:
        yield from Corpus(tmp_dir, entry).sampled_lines(file_byte_budget)


def compile_data(
    tmp_dir: str,
    datasets: Sequence[Any],
    filename: str,
    datatypes_to_clean: Iterable[str] | None = None,
) -> str:
    """Writes the pairs of a list of corpora to two parallel files, as T2T's function of this name.

    Existing files are used unless they were written by this function from another list or from
    files that have changed since.

    Args:
      tmp_dir: the folder of the corpora; missing ones are downloaded and unpacked there.
      datasets: a list of corpora:
        ["http://host/corpus.tgz", ("train.en", "train.de")]: parallel files;
        ["http://host/corpus.tar", ("tsv", 3, 2, "folder/*.gz")]: two columns of tables;
        ["http://host/corpus.tmx.gz", ("tmx", "corpus.tmx.gz")]: a translation memory.
      filename: name of the two files, without .lang1 and .lang2.
      datatypes_to_clean: the file types to clean, of "txt" (parallel files), "tsv" and "tmx". The
        rules expect English as the first language.

    Returns:
      The path of the two files without .lang1 and .lang2.

    Raises:
      DataError: a file is missing, its content isn't what its name says, or there are no pairs.
      DownloadError: a download failed, or can't be unpacked.
      OutputError: tmp_dir can't be written.
    """
    path = Path(tmp_dir).expanduser() / filename
    outputs = [path.with_name(f"{filename}.lang{number}") for number in (1, 2)]
    clean = sorted(datatypes_to_clean or [])
    # By way of JSON, which has lists only; the datasets may have tuples.
    inputs = {"datasets": json.loads(json.dumps(datasets, default=str)), "cleaned": clean}
    record = path.with_name(f"{filename}.json")
    if all(output.exists() for output in outputs) and _is_current(record, inputs):
        log.info("using the existing %s.lang1 and .lang2", path)
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
            raise DataError(f"{filename}: found no pairs in {datasets!r}; check the files")
    files = {str(path): _state(path) for corpus in corpora for path in corpus.paths}
    with atomic(record, "w") as file:
        json.dump({**inputs, "files": files}, file, indent=1)
    log.info("%s.lang1 and .lang2: %d pairs", path, count)
    return str(path)


def _is_current(record: Path, inputs: dict[str, Any]) -> bool:
    """Returns whether compiled files match their inputs; files without a record always do."""
    if not record.exists():
        return True
    try:
        recorded = json.loads(record.read_text(encoding="utf-8"))
        files = dict(recorded.pop("files"))
    except (AttributeError, LookupError, TypeError, ValueError):
        return False
    # Corpora may be deleted once they are compiled.
    return recorded == inputs and all(
        _state(Path(path)) == state for path, state in files.items() if os.path.exists(path)
    )


def _state(path: Path) -> list[int]:
    """Returns the size of a file in bytes and its modification time in ns."""
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]
