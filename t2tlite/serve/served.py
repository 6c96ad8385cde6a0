"""The served model: a decoder as the decoding thread uses it, and what the others know of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

from t2tlite.serve.batching import Decode

# A line as text, or as the ids of its tokens.
Line = str | tuple[int, ...]


@dataclass(frozen=True)
class Served:
    """What a request may be checked against without the decoder.

    Attributes:
      name: in addresses.
      version: the checkpoint's step.
      feature: the feature of a tf.Example that holds the line: of a language model "targets".
      vocab_size: ids of a line are below it.
      beam_size: unless a request says otherwise.
      samples: whether answers are drawn, one a row, and not searched by beams.
      has_attention: whether the decoder tells what it looked at.
    """

    name: str
    version: int
    feature: str
    vocab_size: int
    beam_size: int
    samples: bool
    has_attention: bool


def describe(decoder: Any, name: str = "") -> Served:
    """Describes a `Decoder`, by default under its problem's name."""
    how = decoder.decode_hparams
    feature = "inputs" if decoder.problem.has_inputs else "targets"
    step = decoder.checkpoint_name.rpartition("-")[2]
    return Served(
        name=name or decoder.run.problem,
        version=int(step) if step.isdigit() else 1,
        feature=feature,
        vocab_size=decoder.encoders[feature].vocab_size,
        beam_size=how.beam_size,
        samples=decoder.samples(how),
        has_attention=decoder.has_attention,
    )


def decoding(decoder: Any, feature: str) -> Decode:
    """Returns the function that decodes a batch.

    Args:
      decoder: a `Decoder`.
      feature: whose encoder turns ids into a line's text.

    Returns:
      A function of a kind and of contents. Of `predict_kind` and lines it returns each line's
      answers, best first; of ATTENTION and (line, answer) pairs the map of each.
    """

    def text(line: Line) -> str:
        return line if isinstance(line, str) else decoder.encoders[feature].decode(list(line))

    def decode(kind: Hashable, contents: list[Any]) -> Sequence[Any]:
        if kind == ATTENTION:
            return [decoder.attention(line, answer).map() for line, answer in contents]
        assert isinstance(kind, tuple)
        how = dataclasses.replace(decoder.decode_hparams, beam_size=kind[1])
        return decoder.n_best([text(line) for line in contents], how)

    return decode


ATTENTION = ("attention",)


def predict_kind(beam_size: int) -> tuple[str, int]:
    """What lines have in common that are decoded with so many beams."""
    return ("predict", beam_size)


def loader(
    make_decoder: Callable[[], Any], name: str, loaded: Callable[[Served], None]
) -> Callable[[], Decode]:
    """Returns what a `Batcher` makes its decoding function by.

    Args:
      make_decoder: makes the `Decoder`.
      name: of the model in addresses; "": its problem's.
      loaded: told what is served, once a line has been decoded, so that the first client need not
        wait for what is compiled.
    """

    def make_decode() -> Decode:
        decoder = make_decoder()
        served = describe(decoder, name)
        decode = decoding(decoder, served.feature)
        encoder = decoder.encoders[served.feature]
        texts = (encoder.decode([one]) for one in reversed(range(served.vocab_size)))
        decoder.n_best([next(filter(str.strip, texts), "")])
        loaded(served)
        return decode

    return make_decode
