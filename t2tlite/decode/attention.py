"""Attention weights of one pair of texts, by layer and head."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from t2tlite.config import EOS_ID, PAD_ID
from t2tlite.decode import attention_maps
from t2tlite.decode.attention_maps import AttentionMap
from t2tlite.decode.batches import encode_lines, target_ids
from t2tlite.decode.decode_hparams import DecodeHParams, Hypothesis
from t2tlite.decode.engine import Engine
from t2tlite.decode.model_folder import ModelFolder
from t2tlite.errors import DataError, OutputError
from t2tlite.files import atomic
from t2tlite.text.encoder import EOS

# Label of the position before the first target, where the decoder reads a zero vector.
START = "<start>"


@dataclass(frozen=True, eq=False, repr=False)
class Attention:
    """The attention weights of a model that reads `inputs` and writes `outputs`.

    Attributes:
      inputs: tokens of the line, EOS included; none for a language model, which has one text.
      outputs: tokens of the answer, EOS included; none for a classifier. With prepend_mode they
        begin with those of the line and the separator.
      weights: float32 [layers, heads, queries, keys] by kind: "cross", from outputs to inputs;
        "decoder", from outputs to the outputs before them; "encoder", from inputs to inputs. The
        weights of a query sum to 1; the query that predicts a token has that token's index.
    """

    inputs: list[str]
    outputs: list[str]
    weights: Mapping[str, Any]

    @property
    def kind(self) -> str:
        """The kind shown by default: the first of cross, decoder, encoder that the model has."""
        return next(kind for kind in ("cross", "decoder", "encoder") if kind in self.weights)

    def map(
        self, kind: str = "", layer: int | None = None, head: int | None = None
    ) -> AttentionMap:
        """Returns one matrix of weights with its tokens.

        Args:
          kind: "cross", "decoder" or "encoder"; "": the property `kind`.
          layer: from 0; None: the mean over all.
          head: from 0; None: the mean over all.

        Raises:
          DataError: the model has no such kind, layer or head.
        """
        kind = kind or self.kind
        if kind not in self.weights:
            raise DataError(f"attention has no kind {kind!r}; choose of {', '.join(self.weights)}")
        weights = self.weights[kind]
        parts = []
        for axis, (name, number) in enumerate({"layer": layer, "head": head}.items()):
            count = weights.shape[axis]
            if number is not None:
                if number not in range(count):
                    raise DataError(
                        f"there is no {name} {number!r}; choose one of 0 to {count - 1}"
                    )
                weights = weights.take([number], axis)
                parts.append(f"{name} {number}")
        return AttentionMap(
            title=", ".join([f"{kind} attention", *(parts or ["mean of layers and heads"])]),
            rows=self.inputs if kind == "encoder" else self.outputs,
            columns=[START, *self.outputs[:-1]] if kind == "decoder" else self.inputs,
            weights=weights.mean((0, 1)),
        )

    def maps(
        self, kind: str = "", layer: int | None = None, head: int | None = None
    ) -> list[AttentionMap]:
        """Returns the map of each layer and head, or of those given, layer by layer.

        Raises:
          DataError: the model has no such kind, layer or head.
        """
        self.map(kind, layer, head)
        layers, heads = self.weights[kind or self.kind].shape[:2]
        return [
            self.map(kind, i, j)
            for i in (range(layers) if layer is None else [layer])
            for j in (range(heads) if head is None else [head])
        ]

    def save(
        self,
        path: str | os.PathLike[str],
        kind: str = "",
        layer: int | None = None,
        head: int | None = None,
    ) -> None:
        """Draws maps into a .png file or a self-contained .html page.

        Args:
          path: the file; its suffix chooses the format.
          kind: as for `map`.
          layer, head: from 0; None: all, and on a page also their mean.

        Raises:
          DataError: the model has no such kind, layer or head.
          OutputError: the file has another suffix or can't be written.
        """
        suffix = Path(path).suffix.lower()
        maps = self.maps(kind, layer, head)
        if suffix == ".png":
            columns = self.weights[kind or self.kind].shape[1] if head is None else 1
            with atomic(path) as file:
                attention_maps.draw(maps, columns).savefig(file, format="png", dpi=120)
        elif suffix == ".html":
            with atomic(path, "w") as file:
                file.write(attention_maps.page(self.map(kind, layer, head), maps))
        else:
            raise OutputError(f"{path} ends in neither .png nor .html; choose one of them")

    def __repr__(self) -> str:
        shapes = {kind: weights.shape for kind, weights in self.weights.items()}
        return f"Attention(inputs={self.inputs}, outputs={self.outputs}, weights={shapes})"

    def _repr_html_(self) -> str:
        return self.map()._repr_html_()


def attend(
    engine: Engine,
    folder: ModelFolder,
    line: str,
    answer: str | Hypothesis | None,
    decode_hparams: DecodeHParams,
) -> Attention:
    """Returns the attention weights behind an answer to a line; None if the model classifies."""
    features = {}
    if folder.problem.has_inputs:
        features["inputs"] = list(encode_lines(folder, {0: line}, decode_hparams)[0].ids)
    if not folder.generates or answer is None:
        # Its one target isn't read.
        features["targets"] = [PAD_ID]
    elif isinstance(answer, str):
        [features["targets"]] = target_ids(folder, [line], [answer], decode_hparams.decode_tag)
    else:
        features["targets"] = [*answer.ids, EOS_ID]
    if folder.hparams.prepend_mode != "none":
        features = {"targets": [*features["inputs"], PAD_ID, *features["targets"]]}
    read = {"inputs": features["inputs"]} if not folder.generates else features
    tokens = {name: token_texts(folder.encoders[name], ids) for name, ids in read.items()}
    weights = engine.attention(features)
    return Attention(tokens.get("inputs", []), tokens.get("targets", []), weights)


def token_texts(encoder: Any, ids: Sequence[int]) -> list[str]:
    """Returns the text of each token, control characters escaped."""

    def escape(text: str) -> str:
        return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)

    # A plugin's encoder may lack decode_list.
    decode_list = getattr(encoder, "decode_list", lambda ids: [encoder.decode([i]) for i in ids])
    pairs = zip(ids, decode_list(ids), strict=True)
    return [EOS if id_ == EOS_ID else escape(text) for id_, text in pairs]
