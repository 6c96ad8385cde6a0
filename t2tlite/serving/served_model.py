"""The served model: what requests are checked against, and how its thread decodes a batch."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from t2tlite.text.encoder import text_ids

# A line as text, or as token ids.
Line = str | tuple[int, ...]

# What the lines of a batch share: a beam size, or that attention maps are asked for.
Kind = int | Literal["attention"]
ATTENTION: Literal["attention"] = "attention"


@dataclass(frozen=True)
class ServedModel:
    """The model as requests are checked against it; immutable, so any thread may read it.

    Attributes:
      name: its name in URLs.
      version: the checkpoint's step.
      feature: the tf.Example feature that holds a line; "targets" for a language model.
      vocab_size: token ids of a line are below it.
      beam_size: default of requests.
      samples: whether decoding draws random samples, one a row, instead of searching.
      has_attention: whether the model gives attention maps.
      classifies: whether answers are labels or numbers instead of texts.
    """

    name: str
    version: int
    feature: str
    vocab_size: int
    beam_size: int
    samples: bool
    has_attention: bool
    classifies: bool = False


class BatchDecoder:
    """Decodes batches; belongs to the thread that made the `Decoder`.

    Args:
      decoder: a `Decoder`.
      name: the model's name in URLs; "": the problem's name.
    """

    def __init__(self, decoder: Any, name: str = ""):
        self._decoder = decoder
        feature = "inputs" if decoder.problem.has_inputs else "targets"
        step = decoder.checkpoint_name.rpartition("-")[2]
        self._encoder = decoder.encoders[feature]
        self.served = ServedModel(
            name=name or decoder.run.problem,
            version=int(step) if step.isdigit() else 1,
            feature=feature,
            vocab_size=self._encoder.vocab_size,
            beam_size=decoder.decode_hparams.beam_size,
            samples=decoder.samples(decoder.decode_hparams),
            has_attention=decoder.has_attention,
            classifies=not decoder.folder.generates,
        )

    def __call__(self, kind: Kind, contents: Sequence[Any], first: int) -> Sequence[Any]:
        """Returns the hypotheses of each line of a batch, best first.

        With ATTENTION `contents` are pairs (line, answer or None); each gets its map. Errors count
        lines from `first`.
        """
        if kind == ATTENTION:
            return [self._decoder.attention(line, answer).map() for line, answer in contents]
        decode_hparams = dataclasses.replace(self._decoder.decode_hparams, beam_size=kind)
        lines = [self._text(line) for line in contents]
        return self._decoder.n_best(lines, decode_hparams, first=first)

    def warm_up(self) -> None:
        """Decodes one token, so that the first request doesn't wait for compilation."""
        texts = (self._encoder.decode([id_]) for id_ in reversed(range(self.served.vocab_size)))
        self._decoder.n_best([next(filter(str.strip, texts), "")])

    def _text(self, line: Line) -> str:
        return line if isinstance(line, str) else self._encoder.decode(text_ids(line))
