"""The engine that decodes by CTranslate2, without TensorFlow and Keras.

docs/export.md says where its beam search differs from T2T's.
"""

from __future__ import annotations

import logging
import os
import zlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from t2tlite import cores
from t2tlite.checkpoint import checkpoints
from t2tlite.config import EOS_ID, PAD_ID
from t2tlite.decode.decode_hparams import DecodeHParams
from t2tlite.decode.decoder import Decoder
from t2tlite.decode.engine import Answer, Engine, Row
from t2tlite.decode.model_folder import ModelFolder
from t2tlite.errors import CheckpointError, HParamsError, OutputError, VocabularyError
from t2tlite.files import read_json

log = logging.getLogger(__name__)

# Folder of the export below the model folder, by default.
FOLDER = "ctranslate2"
# The most tokens of a line and of an answer: the export holds a position vector for each.
POSITIONS = 4096
# A beam search ends after `PATIENCE * beam_size` finished hypotheses. T2T's ends when no other
# hypothesis can win, and its length penalty ranks them differently.
PATIENCE = 2


class CTranslate2Engine(Engine):
    """CTranslate2, on the GPU where there is one. It only searches.

    Args:
      folder: the model folder.
      export_dir: what t2t-exporter wrote; "": the folder "ctranslate2" in the model folder.

    Raises:
      CheckpointError: there is no export, or it is damaged.
      VocabularyError: the export is of another model.
      OutputError: CTranslate2 isn't installed.
    """

    backend = "ctranslate2"

    def __init__(self, folder: ModelFolder, export_dir: str | os.PathLike[str] = ""):
        library = require_library("--engine=ctranslate2")
        self._folder = folder
        self._export_dir = Path(export_dir or Path(folder.path, FOLDER))
        self.weights = self._export_dir / "model.bin"
        if not self.weights.is_file():
            raise CheckpointError(
                f"{self._export_dir} holds no CTranslate2 model (model.bin is missing); "
                f"t2t-exporter --output_dir={folder.path} --format=ctranslate2 writes it"
            )
        self._check_origin()
        try:
            self._translator = library.Translator(
                str(self._export_dir),
                device="cuda" if library.get_cuda_device_count() else "cpu",
                intra_threads=cores.available(),
            )
        except (RuntimeError, ValueError) as error:
            raise CheckpointError(
                f"CTranslate2 can't load {self._export_dir}: {error}; export the model again"
            ) from error
        self._input_tokens = tokens(folder.encoders["inputs"])
        targets = tokens(folder.encoders["targets"])
        self._target_ids = {token: id_ for id_, token in enumerate(targets)}

    def _check_origin(self) -> None:
        """Checks that the export is whole and of this model; warns of an old checkpoint."""
        path, output_dir = self._export_dir / "config.json", self._folder.path
        try:
            config = dict(read_json(path))
        except (OSError, TypeError, ValueError) as error:
            raise CheckpointError(f"{path} is damaged ({error}); export the model again") from None
        if config.get("vocabularies") != self._folder.run.vocabularies:
            raise VocabularyError(
                f"{self._export_dir} isn't an export of {output_dir}: its vocabularies are "
                f"others; export the model again"
            )
        # Older exports have no checksum.
        if config.get("model_crc32", checksum := weights_checksum(self.weights)) != checksum:
            raise CheckpointError(
                f"{self.weights} is damaged (its checksum is wrong); export the model again"
            )
        exported = config.get("checkpoint")
        steps = checkpoints.steps(output_dir)
        if steps and exported != checkpoints.weights_path(output_dir, steps[-1]).stem:
            message = "%s is of %s, and the newest checkpoint is of step %d; export the model again"
            log.warning(message, self._export_dir, exported, steps[-1])

    def search(
        self, rows: Sequence[Row], decode_hparams: DecodeHParams, seed: int | None = None
    ) -> list[list[Answer]]:
        check_search(self._folder, decode_hparams)
        if any(row.prefix for row in rows):
            raise HParamsError("CTranslate2 takes no prefixes of answers; use --engine=keras")
        limits = [len(row.ids) + decode_hparams.extra_length for row in rows]
        # CTranslate2 takes one limit for all; rows with an answer beyond their own are repeated.
        answers = self._translate(rows, max(limits), decode_hparams)
        repeated: dict[int, list[int]] = {}
        for i, limit in enumerate(limits):
            if max(len(answer.ids) for answer in answers[i]) > limit:
                repeated.setdefault(limit, []).append(i)
        for limit, indices in repeated.items():
            shorter = self._translate([rows[i] for i in indices], limit, decode_hparams)
            for i, row_answers in zip(indices, shorter, strict=True):
                answers[i] = row_answers
        return [_rank(row_answers, decode_hparams) for row_answers in answers]

    def max_tokens(self, rows: int, decode_hparams: DecodeHParams | None = None) -> int:
        return POSITIONS

    def _translate(
        self, rows: Sequence[Row], limit: int, decode_hparams: DecodeHParams
    ) -> list[list[Answer]]:
        """Returns unsorted answers with their log-probabilities, EOS included in the ids.

        An answer has at most `limit` ids; a shorter one ends with EOS.
        """
        beams = decode_hparams.beam_size
        candidates, alpha = (PATIENCE * beams, decode_hparams.alpha) if beams > 1 else (1, 0.0)
        results = self._translator.translate_batch(
            [[self._input_tokens[id_] for id_ in row.ids[:-1]] for row in rows],
            beam_size=beams,
            num_hypotheses=candidates,
            patience=candidates / beams,
            length_penalty=alpha,
            return_scores=True,
            return_end_token=True,
            max_input_length=0,
            max_decoding_length=min(limit, POSITIONS),
            min_decoding_length=0,
        )

        def make_answer(names: list[str], score: float) -> Answer:
            # Its length penalty is length^alpha.
            return Answer([self._target_ids[name] for name in names], score * len(names) ** alpha)

        return [[*map(make_answer, result.hypotheses, result.scores)] for result in results]


class CTranslate2Decoder(Decoder):
    """A `Decoder` with this engine. It raises HParamsError if the decode hparams don't suit it."""

    def __init__(
        self,
        output_dir: str | os.PathLike[str],
        export_dir: str | os.PathLike[str] = "",
        decode_hparams: str | DecodeHParams = "",
        usr_dirs: Sequence[str] = (),
    ):
        make_engine = partial(CTranslate2Engine, export_dir=export_dir)
        super().__init__(output_dir, "", decode_hparams, usr_dirs, make_engine=make_engine)
        check_search(self.folder, self.decode_hparams)


def check_search(folder: ModelFolder, decode_hparams: DecodeHParams) -> None:
    """Raises HParamsError where CTranslate2 would give other answers, or none.

    It draws other samples, and gives a banned id the logit 0, which may be the largest.
    """
    refused = ["sampling_method=random"] if folder.samples(decode_hparams) else []
    for name in ("min_length", "no_repeat_ngram_size", "force_decode_length"):
        if value := getattr(decode_hparams, name):
            refused.append(f"{name}={value}")
    if refused:
        # It may be how the model samples by default.
        advice = (
            "give a beam_size to search" if folder.samples(decode_hparams) else "leave that out"
        )
        raise HParamsError(
            f"CTranslate2 doesn't decode as t2tlite does with {' and '.join(refused)}; "
            f"{advice}, or use --engine=keras"
        )


def _rank(answers: Sequence[Answer], decode_hparams: DecodeHParams) -> list[Answer]:
    """Returns answers as a search of ours does: best first, scored as by `t2tlite.search.beams`."""
    beams = decode_hparams.beam_size
    # Answers that ran into their limit count only where none ended before.
    ended = [answer for answer in answers if answer.ids[-1:] == [EOS_ID]] or answers
    ranked = []
    for ids, log_prob in ended:
        penalty = ((5 + len(ids)) / 6) ** decode_hparams.alpha if beams > 1 else 1.0
        ids = [id_ for id_ in ids if id_ not in (PAD_ID, EOS_ID)]
        ranked.append(Answer(ids, log_prob / penalty))
    ranked.sort(key=lambda answer: -answer.score)
    return ranked[:beams]


def require_library(what: str) -> Any:
    """Imports CTranslate2; raises OutputError, "WHAT needs CTranslate2", if it isn't installed."""
    try:
        import ctranslate2
    except ImportError:
        raise OutputError(f"{what} needs CTranslate2; pip install t2tlite[ct2]") from None
    return ctranslate2


def weights_checksum(path: Path) -> str:
    """Returns the CRC-32 of an export's model.bin, in hexadecimal."""
    crc = 0
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            crc = zlib.crc32(chunk, crc)
    return f"{crc:08x}"


def tokens(encoder: Any) -> list[str]:
    """Returns a name for each id of a vocabulary, all different; CTranslate2 has no other ids.

    Raises:
      VocabularyError: a plugin's encoder has no `decode_list`.
    """
    if not hasattr(encoder, "decode_list"):
        raise VocabularyError(
            f"the vocabulary {type(encoder).__qualname__} has no decode_list(ids), and CTranslate2 "
            f"needs a token for each id; derive it from t2tlite.text.TextEncoder"
        )
    names: list[str] = []
    taken: set[str] = set()
    # Encoders use the last of several equal tokens, so that one keeps its name.
    for id_ in reversed(range(encoder.vocab_size)):
        [name] = encoder.decode_list([id_])
        while not name or name in taken:
            name += f"<{id_}>"
        taken.add(name)
        names.append(name)
    return names[::-1]
