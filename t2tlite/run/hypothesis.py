"""What decoding gives: answers with scores, and what hooks get of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from t2tlite.run.decode_hparams import DecodeHParams


@dataclass(frozen=True)
class Hypothesis:
    """One answer.

    Attributes:
      text: decoded.
      score: log probability in nats; with a beam, divided by the length penalty.
      ids: its tokens without EOS.
    """

    text: str
    score: float
    ids: list[int]


@dataclass(frozen=True)
class DecodeHookArgs:
    """What a problem's decode hooks get after a file was decoded.

    Attributes:
      output_dir: the model folder.
      inputs: the lines.
      hypotheses: the answers to each line, best first.
      problem: the problem.
      decode_hparams: how it was decoded.
    """

    output_dir: str
    inputs: Sequence[str]
    hypotheses: Sequence[Sequence[Hypothesis]]
    problem: Any
    decode_hparams: DecodeHParams
