"""Decoding by CTranslate2, from the folder that `t2t-exporter --format=ctranslate2` wrote.

Texts become ids and ids texts as in every `Decoder`; CTranslate2 searches in between. Neither
TensorFlow nor Keras is loaded. `docs/export.md` says where its beam search differs from ours.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from t2tlite.checkpoint import checkpoints
from t2tlite.decode.decode_hparams import DecodeHParams, Hypothesis
from t2tlite.decode.decoder import Decoder
from t2tlite.devices import devices
from t2tlite.errors import (
    CheckpointError,
    DataError,
    DeviceError,
    HParamsError,
    OutputError,
    VocabularyError,
)
from t2tlite.text import EOS_ID, PAD_ID

log = logging.getLogger(__name__)

# Folder of the export below a model's, if none is given.
FOLDER = "ctranslate2"
# The longest text and the longest answer, in tokens: CTranslate2 keeps a vector for each position.
POSITIONS = 4096
# A beam search ends when so many times its beams have ended: T2T ranks answers by another penalty,
# and goes on until no other can win.
PATIENCE = 2

# A place in an n-best list that no answer fills, as in `t2tlite.model.beams`, which needs Keras.
_MISSING = Hypothesis("", -1e7, [])


class CTranslate2Decoder(Decoder):
    """A `Decoder` that answers by CTranslate2, on the GPU where there is one.

        decoder = CTranslate2Decoder("model")
        decoder.decode(["the woods are lovely dark and deep"])

    Args:
      output_dir: the model folder.
      export_dir: what t2t-exporter wrote; "": OUTPUT_DIR/ctranslate2.
      decode_hparams, usr_dirs: as of `Decoder`.

    Raises:
      Error: a folder holds no model, the export is of another model, CTranslate2 isn't installed or
        can't decode as asked.
    """

    def __init__(
        self,
        output_dir: str | os.PathLike[str],
        export_dir: str | os.PathLike[str] = "",
        decode_hparams: str | DecodeHParams = "",
        usr_dirs: Sequence[str] = (),
    ):
        self._export_dir = Path(export_dir or Path(output_dir, FOLDER))
        super().__init__(output_dir, "", decode_hparams, usr_dirs)

    def _load(self, checkpoint: str | int, device: devices.Devices | None) -> None:
        self._check(self.decode_hparams)
        library, folder = require_library("--engine=ctranslate2"), self._export_dir
        self._weights = folder / "model.bin"
        if not self._weights.is_file():
            raise CheckpointError(
                f"{folder} holds no CTranslate2 model (model.bin is missing); t2t-exporter "
                f"--output_dir={self.output_dir} --format=ctranslate2 writes it"
            )
        self._check_origin(json.loads((folder / "config.json").read_text(encoding="utf-8")))
        kind = "cuda" if library.get_cuda_device_count() else "cpu"
        self._device = devices.Devices("ctranslate2", "GPU" if kind == "cuda" else "CPU", 1)
        try:
            self._translator = library.Translator(
                str(folder), device=kind, intra_threads=len(os.sched_getaffinity(0))
            )
        except (RuntimeError, ValueError) as error:
            raise CheckpointError(
                f"CTranslate2 can't load {folder}: {error}; export the model again"
            ) from error
        self._sources = tokens(self.encoders["inputs"])
        self._ids = {name: id_ for id_, name in enumerate(tokens(self.encoders["targets"]))}

    @property
    def network(self) -> NoReturn:
        """There is none.

        Raises:
          DeviceError: whatever needs it, needs a `Decoder`.
        """
        raise DeviceError("CTranslate2 does nothing but answer; use a Decoder (--engine=keras)")

    def streams(self, how: DecodeHParams) -> bool:
        """No answer is written token by token."""
        return False

    def _check_origin(self, config: dict[str, Any]) -> None:
        """Tells an export of another checkpoint than the newest.

        Raises:
          VocabularyError: it is of another model.
        """
        if config.get("vocabularies") != self.run.vocabularies:
            raise VocabularyError(
                f"{self._export_dir} isn't an export of {self.output_dir}: its vocabularies are "
                f"others; export the model again"
            )
        written = config.get("checkpoint")
        steps = checkpoints.steps(self.output_dir)
        if steps and written != checkpoints.weights_path(self.output_dir, steps[-1]).stem:
            log.warning(
                "%s is of %s, and the newest checkpoint is of step %d; t2t-exporter brings it up "
                "to date",
                self._export_dir,
                written,
                steps[-1],
            )

    def _check(self, how: DecodeHParams) -> None:
        """Raises HParamsError where CTranslate2 would give other answers, or none.

        It draws other samples, and gives a banned id the logit 0, which may be the largest.
        """
        asked = ["sampling_method=random"] if self.samples(how) else []
        for name in ("min_length", "no_repeat_ngram_size", "force_decode_length"):
            if value := getattr(how, name):
                asked.append(f"{name}={value}")
        if asked:
            raise HParamsError(
                f"CTranslate2 doesn't decode as t2tlite does with {' and '.join(asked)}; leave "
                f"that out, or use --engine=keras"
            )

    def _search(
        self, rows: list[tuple[list[int], list[int]]], how: DecodeHParams, draw: int | None
    ) -> list[list[Hypothesis]]:
        self._check(how)
        if any(begun for _, begun in rows):
            raise HParamsError(
                "CTranslate2 doesn't force the beginnings of answers; use --engine=keras"
            )
        lines = [line for line, _ in rows]
        if max(map(len, lines)) > POSITIONS:
            raise DataError(
                f"a line has {max(map(len, lines)):,} tokens, and an export to CTranslate2 takes "
                f"{POSITIONS:,}; cut lines by max_input_size={POSITIONS}, or use --engine=keras"
            )
        limits = [len(line) + how.extra_length for line in lines]
        # One limit for all; where an answer went beyond its line's own, that line comes again.
        longest = max(limits)
        found = self._translate(lines, longest, how)
        again: dict[int, list[int]] = {}
        for i, limit in enumerate(limits):
            if max(len(ids) for _, ids in found[i]) > limit:
                again.setdefault(limit, []).append(i)
        for limit, places in again.items():
            answers = self._translate([lines[i] for i in places], limit, how)
            for i, answer in zip(places, answers, strict=True):
                found[i] = answer
        return [self._ranked(answer, how) for answer in found]

    def _translate(
        self, lines: list[list[int]], limit: int, how: DecodeHParams
    ) -> list[list[tuple[float, list[int]]]]:
        """Returns log probabilities and ids of the answers to ids that end with EOS.

        An answer has `limit` ids at most, and ends with EOS if it has fewer.
        """
        limit = min(limit, POSITIONS)
        beams = how.beam_size
        candidates, alpha = (PATIENCE * beams, how.alpha) if beams > 1 else (1, 0.0)
        found = self._translator.translate_batch(
            [[self._sources[id_] for id_ in line[:-1]] for line in lines],
            beam_size=beams,
            num_hypotheses=candidates,
            patience=candidates / beams,
            length_penalty=alpha,
            return_scores=True,
            return_end_token=True,
            max_input_length=0,
            max_decoding_length=limit,
            min_decoding_length=0,
        )
        return [
            [
                # Its penalty is another function of the length than T2T's.
                (score * len(names) ** alpha, [self._ids[name] for name in names])
                for score, names in zip(one.scores, one.hypotheses, strict=True)
            ]
            for one in found
        ]

    def _ranked(
        self, answer: list[tuple[float, list[int]]], how: DecodeHParams
    ) -> list[Hypothesis]:
        """Returns a search's answers, best first, scored as by `t2tlite.model.beams`."""
        ended = [(log_prob, ids) for log_prob, ids in answer if ids[-1] == EOS_ID]
        found = []
        # Those that came to the limit count only where none ended before.
        for log_prob, ids in ended or answer:
            penalty = ((5 + len(ids)) / 6) ** how.alpha if how.beam_size > 1 else 1.0
            kept = [id_ for id_ in ids if id_ not in (PAD_ID, EOS_ID)]
            text = self.encoders["targets"].decode(kept)
            found.append(Hypothesis(text, log_prob / penalty, kept))
        found.sort(key=lambda one: -one.score)
        return (found + [_MISSING] * how.beam_size)[: how.beam_size]


def require_library(what: str) -> Any:
    """Returns CTranslate2.

    Raises:
      OutputError: it isn't installed; the message begins with `what` needs it.
    """
    try:
        import ctranslate2
    except ImportError:
        raise OutputError(f"{what} needs CTranslate2; pip install t2tlite[ct2]") from None
    return ctranslate2


def tokens(encoder: Any) -> list[str]:
    """Returns a vocabulary's token for each id, all different: what CTranslate2 calls them.

    Raises:
      VocabularyError: the encoder is a class of the user's own that names no ids.
    """
    if not hasattr(encoder, "decode_list"):
        raise VocabularyError(
            f"the vocabulary {type(encoder).__qualname__} has no decode_list(ids), and CTranslate2 "
            f"needs a token for each id; derive it from t2tlite.text.TextEncoder"
        )
    names: list[str] = []
    taken: set[str] = set()
    # The last of two alike is the one that encoders use, so it keeps its name.
    for id_ in reversed(range(encoder.vocab_size)):
        [name] = encoder.decode_list([id_])
        while not name or name in taken:
            name += f"<{id_}>"
        taken.add(name)
        names.append(name)
    return names[::-1]
