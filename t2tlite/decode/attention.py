"""Attention weights of one pair of texts, by layer and head."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from t2tlite.config import EOS_ID, PAD_ID
from t2tlite.data.encoding import encode_batch
from t2tlite.decode import attention_maps
from t2tlite.decode.attention_maps import AttentionMap
from t2tlite.decode.batches import encode_lines
from t2tlite.decode.decode_hparams import Hypothesis
from t2tlite.decode.engine import Engine
from t2tlite.decode.model_folder import ModelFolder
from t2tlite.errors import DataError, OutputError
from t2tlite.files import atomic
from t2tlite.text.encoder import EOS

# Label of the position before the first target, where the decoder reads a zero vector.
START = "<start>"


@dataclass(frozen=True, eq=False)
class Attention:
    """The attention weights of a model that reads `inputs` and writes `outputs`.

    Attributes:
      inputs: tokens of the line, EOS included; none for a language model, which has one text.
      outputs: tokens of the answer, EOS included; none for a classifier.
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
        weights_LHQK = self.weights[kind]
        numbers = {"layer": (layer, len(weights_LHQK)), "head": (head, weights_LHQK.shape[1])}
        for name, (number, count) in numbers.items():
            if number is not None and not 0 <= number < count:
                raise DataError(f"there is no {name} {number}; choose one of 0 to {count - 1}")
        if layer is not None:
            weights_LHQK = weights_LHQK[layer : layer + 1]
        if head is not None:
            weights_LHQK = weights_LHQK[:, head : head + 1]
        parts = [f"{name} {n}" for name, (n, _) in numbers.items() if n is not None]
        return AttentionMap(
            title=", ".join([f"{kind} attention", *(parts or ["mean of layers and heads"])]),
            rows=self.inputs if kind == "encoder" else self.outputs,
            columns=[START, *self.outputs[:-1]] if kind == "decoder" else self.inputs,
            weights=weights_LHQK.mean((0, 1)),
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

    def _repr_html_(self) -> str:
        return self.map()._repr_html_()


def attend(
    engine: Engine,
    folder: ModelFolder,
    line: str,
    answer: str | Hypothesis | None,
    max_input_size: int,
) -> Attention:
    """Returns the attention weights of the model while it writes an answer to a line.

    Args:
      engine: has attention.
      folder: encodes the texts.
      line: for a language model, the beginning of the answer.
      answer: None for a classifier, which reads none.
      max_input_size: as of `encode_lines`.
    """
    features = {}
    if folder.problem.has_inputs:
        features["inputs"] = list(encode_lines(folder, {0: line}, max_input_size)[0].ids)
    if folder.classifies or answer is None:
        # Its one target isn't read.
        features["targets"] = [PAD_ID]
    elif isinstance(answer, str):
        text = folder.text_prefixes["targets"] + answer
        features["targets"] = [*encode_batch(folder.encoders["targets"], [text])[0], EOS_ID]
    else:
        features["targets"] = [*answer.ids, EOS_ID]
    tokens: dict[str, list[str]] = {"inputs": [], "targets": []}
    for name in ["inputs"] if folder.classifies else features:
        tokens[name] = token_texts(folder.encoders[name], features[name])
    return Attention(tokens["inputs"], tokens["targets"], engine.attention(features))


def token_texts(encoder: Any, ids: Sequence[int]) -> list[str]:
    """Returns the text of each token, control characters escaped."""
    if hasattr(encoder, "decode_list"):
        texts = encoder.decode_list(ids)
    else:
        # A plugin's encoder may lack it.
        texts = [encoder.decode([id_]) for id_ in ids]
    return [EOS if id_ == EOS_ID else _escape(text) for id_, text in zip(ids, texts, strict=True)]


def _escape(text: str) -> str:
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)
