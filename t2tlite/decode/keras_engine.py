"""The engine that decodes by Keras, on TensorFlow or JAX."""

from __future__ import annotations

import bisect
import dataclasses
import functools
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from t2tlite.checkpoint import checkpoints
from t2tlite.config import EOS_ID, PAD_ID
from t2tlite.decode.decode_hparams import DecodeHParams
from t2tlite.decode.engine import Answer, Engine, Row
from t2tlite.decode.ensemble_members import Member
from t2tlite.decode.memory import DecodingMemory
from t2tlite.decode.model_folder import ModelFolder
from t2tlite.devices import devices, free_memory
from t2tlite.errors import DataError, DeviceError

# Rows are padded to a multiple of this many tokens, so that few shapes are traced.
LENGTH_STEP = 8
# Compiled searches that are kept, those used last; a change of what `of_search` returns adds one.
# More than the settings of a server's requests can need by default: 16 beam sizes, and for sampling
# 10 cuts to top_k, with and without top_p.
MOST_SEARCHES = 40
# A batch that needs no more memory than this is always tried: estimates are rough.
_SMALL_BYTES = 2**28
# Of a row, even where memory suffices for more.
_MOST_TOKENS = 2**24


class KerasEngine(Engine):
    """Keras, on one machine.

    Args:
      folder: the model folder.
      checkpoint: as for `Decoder`.
      device: from `t2tlite.devices.devices.choose`; None: one of Keras's current backend.
      members: of an ensemble, the model itself first; `checkpoint` isn't read then.
      trained: a network that is being trained, which decodes with the weights of the moment, in
        float32; no checkpoint is read then, and all machines of `device` that share its weights
        decode together.

    Attributes:
      network: the Keras model, or the `Ensemble` of several.

    Raises:
      CheckpointError: there is no such checkpoint, or it is of another model.
      DeviceError: `device` spans several machines.
    """

    # Of the number of tokens that was asked for last.
    _likeliest: Any = None

    def __init__(
        self,
        folder: ModelFolder,
        checkpoint: str | int = "",
        device: devices.Devices | None = None,
        members: Sequence[Member] = (),
        trained: Any = None,
    ):
        self._folder = folder
        self._members = list(members) or [Member(folder, checkpoint)]
        self._device = device = device or devices.choose()
        if device.workers > 1 and trained is None:
            raise DeviceError(
                f"decoding runs on one machine, and this is one of {device.workers}; unset "
                f"TF_CONFIG, or decode on a machine that is no part of a TPU pod"
            )
        from t2tlite.model import protocol

        self._networks = [trained] if trained is not None else self._new_networks()
        self.network = self._networks[0]
        if len(self._networks) > 1:
            from t2tlite.model.ensemble import Ensemble

            modality = folder.problem_hparams.modality["targets"]
            self.network = Ensemble(self._networks, modality)
        if trained is None:
            self.load_checkpoint(self._members[0].checkpoint)
        else:
            self.weights = Path(folder.path)
            self._all_weights: list[Path] = []
        self.backend, self.row_shares = device.backend, device.row_shares
        self.is_one_device = self.can_stream = device.count * device.model_parallel == 1
        self.has_attention = protocol.has_attention(self.network)
        self._searches: dict[tuple[Any, ...], Any] = {}
        # Batches and streams sampled without a seed, by random_seed.
        self._drawn = Counter[int]()

    def _new_networks(self) -> list[Any]:
        with self._device.scope():
            return [one.folder.run.make_model(one.folder.problem_hparams) for one in self._members]

    def load_checkpoint(self, checkpoint: str | int) -> None:
        """Replaces the weights of the model, and reads the other members' once more."""
        self._members[0] = self._members[0]._replace(checkpoint=checkpoint)
        paths = [checkpoints.find(one.folder.path, one.checkpoint) for one in self._members]
        for network, path in zip(self._networks, paths, strict=True):
            checkpoints.load_weights(network, path)
        self.weights, self._all_weights = paths[0], paths

    @property
    def all_weights(self) -> list[Path]:
        return self._all_weights

    def search(
        self, rows: Sequence[Row], decode_hparams: DecodeHParams, seed: int | None = None
    ) -> list[list[Answer]]:
        from t2tlite.model.precision import products_in_float32

        search = self._search_model(decode_hparams)
        features = self._search_features(rows, decode_hparams, seed)
        with products_in_float32(self.network):
            outputs = search.predict_on_batch(self._device.feed(features))
        # Rows that only fill the batch are left out.
        return [self._answers(outputs["ids"][i], outputs["scores"][i]) for i in range(len(rows))]

    def max_tokens(self, rows: int, decode_hparams: DecodeHParams | None = None) -> int:
        memories, padded = self._memories, decode_hparams
        if decode_hparams:
            room = self._room(decode_hparams)
            padded = dataclasses.replace(decode_hparams, extra_length=room)
        return self._most_tokens(
            rows,
            lambda tokens: sum(
                memory.search(tokens, padded) if padded else memory.score(tokens)
                for memory in memories
            ),
        )

    def _most_tokens(self, rows: int, row_bytes: Callable[[int], int]) -> int:
        """Returns the most tokens of a row for which the memory that is left suffices."""
        left = free_memory.left(self._device)
        # Machines that decode together must make the same batches.
        if left is None or self._device.workers > 1:
            return sys.maxsize

        def batch_bytes(tokens: int) -> int:
            width = max(self.min_width, tokens)
            batch_rows, width = padded_shape(rows, width, self._device)
            return -(-batch_rows // self._device.row_shares) * row_bytes(width)

        budget = max(left, _SMALL_BYTES)
        return bisect.bisect_right(range(_MOST_TOKENS), budget, key=batch_bytes) - 1

    def stream(self, row: Row, decode_hparams: DecodeHParams) -> Iterator[Answer]:
        features = self._search_features([row], decode_hparams)
        for ids_BKT, scores_BK in self._stream_model(decode_hparams).steps(features):
            yield self._answers(ids_BKT[0], scores_BK[0])[0]

    def warm_up(self, decode_hparams: DecodeHParams, rows: int, stream: bool) -> None:
        features = self._search_features([Row([])] * rows, decode_hparams)
        if stream:
            self._stream_model(decode_hparams).warm_up(features)
        else:
            self._search_model(decode_hparams).predict_on_batch(self._device.feed(features))

    def score(self, features: Mapping[str, Sequence[Sequence[int]]]) -> list[tuple[float, int]]:
        outputs = self._scorer.predict_on_batch(self._device.feed(self._padded(features)))
        pairs = zip(outputs["loss"].tolist(), outputs["tokens"].tolist(), strict=True)
        return [(-loss, int(tokens)) for loss, tokens in pairs][: len(features["targets"])]

    def likeliest(
        self, features: Mapping[str, Sequence[Sequence[int]]], count: int
    ) -> list[tuple[Any, Any]]:
        model = self._likeliest_model(count)
        outputs = model.predict_on_batch(self._device.feed(self._padded(features)))
        return [
            (outputs["ids"][i, : len(row)], outputs["log_probs"][i, : len(row)])
            for i, row in enumerate(features["targets"])
        ]

    def _padded(self, features: Mapping[str, Sequence[Sequence[int]]]) -> dict[str, Any]:
        padded = {name: self.pad(rows) for name, rows in features.items()}
        if self._folder.classifies:
            padded["targets"] = padded["targets"][:, :1]
        return padded

    def attention(self, features: Mapping[str, Sequence[int]]) -> dict[str, Any]:
        longest = max(map(len, features.values()))
        if longest > (most := self._most_tokens(1, self._memories[0].attention)):
            raise DataError(
                f"the attention weights of {longest:,} tokens don't fit in memory, and those of "
                f"{most:,} do; give a shorter line"
            )
        padded = {name: self.pad([ids]) for name, ids in features.items()}
        outputs = self._attention_model.predict_on_batch(self._device.feed(padded))
        weights = {}
        for kind in sorted(outputs):
            queries = len(features["inputs" if kind == "encoder" else "targets"])
            keys = len(features["targets" if kind == "decoder" else "inputs"])
            weights[kind] = outputs[kind][0, :, :, :queries, :keys]
        return weights

    def pad(self, rows: Sequence[Sequence[int]]) -> Any:
        """Returns ids as int32 [B, L], filled up with PAD to one of few shapes."""
        width = max(self.min_width, *map(len, rows))
        ids_BL = np.full(padded_shape(len(rows), width, self._device), PAD_ID, np.int32)
        for i, row in enumerate(rows):
            ids_BL[i, : len(row)] = row
        return ids_BL

    def _search_features(
        self, rows: Sequence[Row], decode_hparams: DecodeHParams, seed: int | None = None
    ) -> dict[str, Any]:
        """Returns what `make_search` takes; a row that only fills the batch has length 0."""
        ids_BL = self.pad([row.ids for row in rows])
        lengths_B = np.zeros(len(ids_BL), np.int32)
        lengths_B[: len(rows)] = [len(row.ids) for row in rows]
        features = {"ids": ids_BL, "lengths": lengths_B}
        if any(row.prefix for row in rows):
            features["prefix"] = self.pad([row.prefix for row in rows])
        if not self._folder.generates:
            return features
        count = len(ids_BL)
        room_BR = np.zeros((count, self._room(decode_hparams)), np.int32)
        room_BR[:, : decode_hparams.extra_length] = 1
        features["room"] = room_BR
        if self._folder.samples(decode_hparams):
            steps = sum(features[name].shape[1] for name in ("ids", "prefix") if name in features)
            steps += room_BR.shape[1]
            features |= self._draws(rows, (count, steps), decode_hparams, seed)
        elif decode_hparams.beam_size > 1:
            features["alpha"] = np.full(count, decode_hparams.alpha, np.float32)
        return features

    def _room(self, decode_hparams: DecodeHParams) -> int:
        """Returns the most tokens by which an answer may exceed its line, rounded up if static."""
        least = decode_hparams.min_length + 1 if decode_hparams.min_length else 0
        room = max(decode_hparams.extra_length, least)
        # An eighth at most is for nothing.
        step = 1 << max(3, room.bit_length() - 4) if self._device.static_shapes else 1
        return -(-room // step) * step

    def _draws(
        self, rows: Sequence[Row], shape: tuple[int, int], decode_hparams: DecodeHParams,
        seed: int | None,
    ) -> dict[str, Any]:  # fmt: skip
        """Returns what sampling takes: random numbers [B, T], and how each row uses them."""
        from t2tlite.decode.keras_search import sampling_cuts

        number = decode_hparams.random_seed
        # The first number tells the three uses of a seed apart.
        if seed is None:
            source = (0, number, self._drawn[number])
            self._drawn[number] += 1
        else:
            source = (1, number, seed)
        uniform_BT = np.random.default_rng(source).random(shape, np.float32)
        for i, row in enumerate(rows):
            if row.seed is not None:
                uniform_T = np.random.default_rng((2, number, row.seed)).random(
                    shape[1], np.float32
                )
                uniform_BT[i] = uniform_T
        temperature, top_k, top_p = sampling_cuts(self._folder.hparams, decode_hparams)
        draws = {"uniform": uniform_BT, "temperature": np.full(shape[0], temperature, np.float32)}
        if top_k:
            draws["top_k"] = np.full(shape[0], min(top_k, 2**31 - 1), np.int32)
        if top_p < 1:
            draws["top_p"] = np.full(shape[0], top_p, np.float32)
        return draws

    def _answers(self, ids_KT: Any, scores_K: Any) -> list[Answer]:
        from t2tlite.search.beams import MISSING_SCORE

        answers: list[Answer] = []
        for ids, score in zip(ids_KT.tolist(), scores_K.tolist(), strict=True):
            # The rest of an n-best list that the search couldn't fill.
            if answers and score <= MISSING_SCORE:
                break
            if self._folder.generates:
                ids = ids[: ids.index(EOS_ID)] if EOS_ID in ids else ids
                ids = [id_ for id_ in ids if id_ != PAD_ID]
            answers.append(Answer(ids, score))
        return answers

    def _search_model(self, decode_hparams: DecodeHParams) -> Any:
        from t2tlite.decode.keras_search import make_search, sampling_cuts

        # A copy of the hparams, as the caller may change its own.
        compiled, hparams = dataclasses.replace(decode_hparams), self._folder.hparams
        cuts: tuple[int, bool] | None = None
        samples = self._folder.samples(decode_hparams)
        compiled.sampling_method = "random" if samples else "argmax"
        if samples:
            compiled.beam_size = 1
            _, top_k, top_p = sampling_cuts(hparams, decode_hparams)
            top_k = min(top_k, self._folder.problem_hparams.vocab_size["targets"])
            # A power of four, of which each row uses `top_k` ids.
            most = 4 ** (((top_k - 1).bit_length() + 1) // 2) if top_k else -1
            compiled.sampling_keep_top_k, cuts = most, (most, top_p < 1)
        key = (*compiled.of_search(), cuts)
        search = self._searches.pop(key, None)
        if search is None:
            if len(self._searches) >= MOST_SEARCHES:
                del self._searches[next(iter(self._searches))]
            about = self._folder.problem_hparams, hparams, compiled
            search = make_search(self.network, *about, self._device.gather)
            self._compile(search)
        # The one used last is last.
        self._searches[key] = search
        return search

    def _stream_model(self, decode_hparams: DecodeHParams) -> Any:
        from t2tlite.decode.keras_streaming import Stream

        search_model = self._search_model(decode_hparams)
        if search_model.stream is None:
            search_model.stream = Stream(search_model)
        return search_model.stream

    @functools.cached_property
    def _scorer(self) -> Any:
        from t2tlite.model.teacher_forcing import Scorer

        modality = self._folder.problem_hparams.modality["targets"]
        return self._compile(Scorer(self.network, modality, self._device.gather))

    def _likeliest_model(self, count: int) -> Any:
        from t2tlite.model.teacher_forcing import Likeliest

        if self._likeliest is None or self._likeliest.count != count:
            vocab_size = self._folder.problem_hparams.vocab_size["targets"]
            model = Likeliest(self.network, count, vocab_size, self._device.gather)
            self._likeliest = self._compile(model)
        return self._likeliest

    @functools.cached_property
    def _attention_model(self) -> Any:
        from t2tlite.model.teacher_forcing import AttentionRecorder

        return self._compile(AttentionRecorder(self.network, self._device.gather))

    @functools.cached_property
    def _memories(self) -> list[DecodingMemory]:
        """The needs of each member, which hold their caches at the same time."""
        return [
            DecodingMemory(network, one.folder.hparams, one.folder.problem_hparams)
            for network, one in zip(self._networks, self._members, strict=True)
        ]

    def _compile(self, model: Any) -> Any:
        model.compile(jit_compile=self._device.static_shapes)
        return model


def padded_shape(rows: int, width: int, device: devices.Devices) -> tuple[int, int]:
    """Returns rows and width of a batch after padding to one of few shapes."""
    width = -(-width // LENGTH_STEP) * LENGTH_STEP
    if device.static_shapes:
        # Each new shape is a compilation: powers of two keep them few.
        rows, width = (1 << max(0, number - 1).bit_length() for number in (rows, width))
        rows = -(-rows // device.row_shares) * device.row_shares
    return rows, width
