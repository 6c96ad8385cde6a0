"""The served model: what requests are checked against, and how its thread decodes a batch."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from t2tlite import buckets
from t2tlite.checkpoint import checkpoints
from t2tlite.decode.batches import encode_lines
from t2tlite.decode.decode_hparams import DecodeHParams, Hypothesis
from t2tlite.problem_page import ANSWER, PageTexts
from t2tlite.serving import page_texts
from t2tlite.text.encoder import text_ids

# A line as text, or as token ids.
Line = str | tuple[int, ...]


class SeededLine(NamedTuple):
    """A line whose samples depend on `seed`, whatever else is in the batch."""

    line: Line
    seed: int

    def __len__(self) -> int:
        return len(self.line)


@dataclass(unsafe_hash=True)
class Settings(DecodeHParams):
    """Decode hparams of a request, which don't change: lines of equal ones share a batch."""

    @property
    def samples(self) -> bool:
        """Whether answers are drawn at random, one a row, instead of searched."""
        return self.sampling_method == "random"


# What the lines of a batch share: their settings, or that attention maps are asked for.
Kind = Settings | Literal["attention"]
ATTENTION: Literal["attention"] = "attention"


@dataclass(frozen=True)
class ServedModel:
    """The model as requests are checked against it; immutable, so any thread may read it.

    Attributes:
      name: its name in URLs.
      version: the checkpoint's step.
      checkpoint: the name of the weights file, without its ending.
      load_seconds: how long loading the checkpoint took.
      feature: the tf.Example feature that holds a line; "targets" for a language model.
      vocab_size: token ids of a line are below it.
      settings: defaults of requests; `sampling_method` isn't "".
      has_attention: whether the model gives attention maps.
      encode: returns the token ids that the model reads for a line of text and a `decode_tag`.
      decode: returns the text of token ids of an answer.
      classifies: whether answers are labels or numbers instead of texts.
      page: all texts of the web page.
    """

    name: str
    version: int
    checkpoint: str
    load_seconds: float
    feature: str
    vocab_size: int
    settings: Settings
    has_attention: bool
    encode: Callable[[str, str], Sequence[int]]
    decode: Callable[[Sequence[int]], str]
    classifies: bool = False
    page: PageTexts = PageTexts(form=ANSWER)

    @property
    def continues(self) -> bool:
        """Whether it is a language model, whose answers begin with the line."""
        return self.feature == "targets"


class BatchDecoder:
    """Decodes batches; belongs to the thread that made the `Decoder`.

    Args:
      decoder: a `Decoder`.
      name: the model's name in URLs; "": the problem's name.
      checkpoint: what `load_newest` looks for: "" or "best".
      page: texts of the web page, in place of the problem's.

    Attributes:
      served: the model with its present checkpoint.
    """

    def __init__(
        self,
        decoder: Any,
        name: str = "",
        checkpoint: str = "",
        page: PageTexts = PageTexts(),  # noqa: B008
    ):
        self._decoder = decoder
        self._checkpoint = checkpoint
        feature = "inputs" if decoder.problem.has_inputs else "targets"
        self._encoder = decoder.encoders[feature]
        method = "random" if decoder.samples(decoder.decode_hparams) else "argmax"
        settings = vars(decoder.decode_hparams) | {"sampling_method": method}
        self.served = ServedModel(
            name=name or decoder.run.problem,
            version=_version(decoder.weights),
            checkpoint=decoder.checkpoint_name,
            load_seconds=0.0,
            feature=feature,
            vocab_size=self._encoder.vocab_size,
            settings=Settings(**settings),
            has_attention=decoder.has_attention,
            encode=lambda line, tag: (
                encode_lines(decoder.folder, {0: line}, DecodeHParams(decode_tag=tag))[0].ids
            ),
            decode=decoder.encoders["targets"].decode,
            classifies=not decoder.folder.generates,
            page=page_texts.texts_of(decoder.folder, page),
        )

    def __call__(self, kind: Kind, contents: Sequence[Any], first: int) -> Sequence[Any]:
        """Returns the hypotheses of each line of a batch, best first.

        With ATTENTION `contents` are pairs (line, answer or None); each gets its map. Errors count
        lines from `first`.
        """
        if isinstance(kind, str):
            return [self._decoder.attention(line, answer).map() for line, answer in contents]
        lines, seeds = zip(*map(self._text_and_seed, contents), strict=True)
        return self._decoder.search_lines(lines, kind, first=first, seeds=seeds)

    def stream(self, kind: Settings, content: Line | SeededLine) -> Iterator[Hypothesis]:
        """Yields the answer to a line after each of its tokens."""
        line, seed = self._text_and_seed(content)
        return self._decoder.stream(line, kind, seed=seed)

    def loaded_since(self, started: float) -> None:
        """Notes that the model is ready now, and that loading began at that `time.monotonic()`."""
        self.served = dataclasses.replace(self.served, load_seconds=time.monotonic() - started)

    def warm_up(self) -> None:
        """Decodes one token, so that the first request doesn't wait for compilation."""
        texts = (self._encoder.decode([id_]) for id_ in reversed(range(self.served.vocab_size)))
        self._decoder.n_best([next(filter(str.strip, texts), "")])

    def newest(self) -> Path:
        """Returns the weights file that `load_newest` would load; any thread may call it.

        Raises:
          CheckpointError: the model folder has none.
        """
        buckets.refresh(self._decoder.folder.path)
        return checkpoints.find(self._decoder.folder.path, self._checkpoint)

    def load_newest(self) -> bool:
        """Loads the newest (or best) checkpoint; returns whether it is another than before.

        Raises:
          CheckpointError: it is missing, damaged or of another model; the former one stays.
        """
        path = self.newest()
        if path == self._decoder.weights:
            return False
        started = time.monotonic()
        self._decoder.load_checkpoint(str(path))
        named = {"version": _version(path), "checkpoint": self._decoder.checkpoint_name}
        self.served = dataclasses.replace(self.served, **named)
        self.loaded_since(started)
        return True

    def _text_and_seed(self, content: Line | SeededLine) -> tuple[str, int | None]:
        line, seed = content if isinstance(content, SeededLine) else (content, None)
        return line if isinstance(line, str) else self._encoder.decode(text_ids(line)), seed


def _version(weights: Path) -> int:
    step = weights.name.removesuffix(".safetensors").rpartition("-")[2]
    return int(step) if step.isdigit() else 1
