"""What a model looks at: the attention weights of one pair of texts, by layer and head."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from t2tlite.data.encoding import encode_batch
from t2tlite.decode import attention_maps
from t2tlite.decode.attention_maps import AttentionMap
from t2tlite.decode.batches import encode_lines
from t2tlite.decode.decode_hparams import Hypothesis
from t2tlite.errors import DataError, OutputError
from t2tlite.files import atomic
from t2tlite.text import EOS_ID, PAD_ID
from t2tlite.text.encoder import EOS

if TYPE_CHECKING:
    from t2tlite.decode.decoder import Decoder

# What stands before the first target: a zero vector, no token.
START = "<start>"


@dataclass(frozen=True, eq=False)
class Attention:
    """The attention weights of a model that reads `inputs` and writes `outputs`.

    Attributes:
      inputs: tokens of the line, EOS included; none for a language model, which has one text.
      outputs: tokens of the answer, EOS included; none for a classifier.
      weights: float32 [layers, heads, queries, keys] by kind: "cross", where outputs look at
        inputs; "decoder", where outputs look at what was written before; "encoder", where inputs
        look at inputs. The weights of a query sum to 1, and what writes a token is that token's
        row.
    """

    inputs: list[str]
    outputs: list[str]
    weights: Mapping[str, Any]

    @property
    def kind(self) -> str:
        """The kind that is shown unless another is asked for: how output depends on input."""
        return next(kind for kind in ("cross", "decoder", "encoder") if kind in self.weights)

    def map(
        self, kind: str = "", layer: int | None = None, head: int | None = None
    ) -> AttentionMap:
        """Returns one matrix of weights with its tokens.

        Args:
          kind: "cross", "decoder" or "encoder"; "": the first of them that the model has.
          layer: number, from 0; None: the mean over all.
          head: number, from 0; None: the mean over all.

        Raises:
          DataError: the model has no such kind, layer or head.
        """
        kind = kind or self.kind
        if kind not in self.weights:
            raise DataError(f"attention has no kind {kind!r}; choose of {', '.join(self.weights)}")
        found = self.weights[kind]
        numbers = {"layer": (layer, len(found)), "head": (head, found.shape[1])}
        for name, (number, count) in numbers.items():
            if number is not None and not 0 <= number < count:
                raise DataError(f"there is no {name} {number}; choose one of 0 to {count - 1}")
        chosen = found if layer is None else found[layer : layer + 1]
        chosen = chosen if head is None else chosen[:, head : head + 1]
        named = [f"{name} {one}" for name, (one, _) in numbers.items() if one is not None]
        return AttentionMap(
            title=", ".join([f"{kind} attention", *(named or ["mean of layers and heads"])]),
            rows=self.inputs if kind == "encoder" else self.outputs,
            columns=[START, *self.outputs[:-1]] if kind == "decoder" else self.inputs,
            weights=chosen.mean((0, 1)),
        )

    def maps(
        self, kind: str = "", layer: int | None = None, head: int | None = None
    ) -> list[AttentionMap]:
        """Returns the maps of all layers and heads, or of the ones given, layer by layer."""
        self.map(kind, layer, head)
        layers, heads = self.weights[kind or self.kind].shape[:2]
        return [
            self.map(kind, one_layer, one_head)
            for one_layer in (range(layers) if layer is None else [layer])
            for one_head in (range(heads) if head is None else [head])
        ]

    def save(
        self,
        path: str | os.PathLike[str],
        kind: str = "",
        layer: int | None = None,
        head: int | None = None,
    ) -> None:
        """Draws maps into a file: .png, or .html, a page that needs nothing else.

        Args:
          path: the file; its ending says which.
          kind: as for `map`.
          layer, head: number; None: all, and on a page also their mean.

        Raises:
          DataError: the model has no such kind, layer or head.
          OutputError: the file has another ending or can't be written.
        """
        ending = Path(path).suffix.lower()
        maps = self.maps(kind, layer, head)
        if ending == ".png":
            columns = self.weights[kind or self.kind].shape[1] if head is None else 1
            with atomic(path) as file:
                attention_maps.draw(maps, columns).savefig(file, format="png", dpi=120)
        elif ending == ".html":
            with atomic(path, "w") as file:
                file.write(attention_maps.page(self.map(kind, layer, head), maps))
        else:
            raise OutputError(f"{path} ends in neither .png nor .html; choose one of them")

    def _repr_html_(self) -> str:
        return self.map()._repr_html_()


def attend(decoder: Decoder, line: str, answer: str | Hypothesis | None = None) -> Attention:
    """Returns what the model looks at while it writes an answer; see `Decoder.attention`."""
    if not decoder.has_attention:
        raise DataError(f"model {decoder.run.model} doesn't tell its attention weights")
    # A language model's answer holds the line.
    if not line.strip() and (answer is None or decoder.problem.has_inputs):
        raise DataError("the line is blank, so there is nothing to look at; give it some text")
    how, features = decoder.decode_hparams, {}
    if decoder.problem.has_inputs:
        features["inputs"] = encode_lines(decoder, [line], [0], how, 0)[0]
    # A classifier's one target isn't read.
    features["targets"] = [PAD_ID] if decoder.classifies else _target(decoder, line, answer)
    padded = {name: decoder.padded([ids]) for name, ids in features.items()}
    found = decoder.watched.predict_on_batch(decoder.device.feed(padded))
    tokens = {
        name: token_texts(decoder.encoders[name], ids)
        for name, ids in features.items()
        if not (name == "targets" and decoder.classifies)
    }
    inputs, outputs = tokens.get("inputs", []), tokens.get("targets", [])
    sizes = {"encoder": (inputs, inputs), "decoder": (outputs, outputs), "cross": (outputs, inputs)}
    weights = {}
    for kind in sorted(found):
        queries, keys = map(len, sizes[kind])
        weights[kind] = found[kind][0, :, :, :queries, :keys]
    return Attention(inputs, outputs, weights)


def _target(decoder: Decoder, line: str, answer: str | Hypothesis | None) -> list[int]:
    if isinstance(answer, str):
        ids = encode_batch(decoder.encoders["targets"], [decoder.sides[1] + answer])[0]
    else:
        ids = (answer or decoder.n_best([line])[0][0]).ids
    return [*ids, EOS_ID]


def token_texts(encoder: Any, ids: Sequence[int]) -> list[str]:
    """Returns a name for each id that people can tell apart, on one line and without controls."""
    if hasattr(encoder, "decode_list"):
        texts = encoder.decode_list(ids)
    else:
        # An encoder of a user's own need not have it.
        texts = [encoder.decode([one]) for one in ids]
    return [
        EOS if one == EOS_ID else _printable(text) for one, text in zip(ids, texts, strict=True)
    ]


def _printable(text: str) -> str:
    return "".join(one if one.isprintable() else repr(one)[1:-1] for one in text)
