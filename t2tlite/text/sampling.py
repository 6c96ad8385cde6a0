"""Sampled segmentations: a text in other pieces each time, which regularises training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from t2tlite.assignments import Bounds, check_value, convert, field_hints
from t2tlite.errors import DataError, HParamsError, VocabularyError
from t2tlite.text.sentencepiece_encoder import SentencePieceEncoder


@dataclass(frozen=True)
class SampledSegmentations:
    """How often a training example is in the data, and how its other copies are segmented.

    The first copy has the segmentation that decoding has, too. With a vocabulary of byte-pair
    encoding, as t2tlite learns it, the others have BPE-dropout (Provilkov et al. 2020), with one of
    the unigram model subword regularization (Kudo 2018).

    >>> SampledSegmentations(copies=16, alpha=0.1)
    SampledSegmentations(copies=16, alpha=0.1, nbest_size=-1, features=())

    Attributes:
      copies: of each training example, 1 or more.
      alpha: BPE: the probability that a merge is left out, from 0 to 1. Unigram: the smoothing, the
        smaller the more even.
      nbest_size: unigram only: draw from that many likeliest segmentations; -1: from all.
      features: the texts to sample; () all: "inputs", "targets".

    Raises:
      DataError: a value isn't of its type, or is outside its bounds.
    """

    copies: Annotated[int, Bounds(1, 10_000)] = 8
    alpha: Annotated[float, Bounds(0.0, 1.0)] = 0.1
    nbest_size: Annotated[int, Bounds(2, 10_000, also=-1)] = -1
    features: Sequence[str] = ()

    def __post_init__(self) -> None:
        try:
            for name, hint in field_hints(type(self)).items():
                if name != "features":
                    value = convert(name, getattr(self, name), hint)
                    check_value(name, value, hint)
                    object.__setattr__(self, name, value)
        except HParamsError as error:
            raise DataError(f"sampled_segmentations: {error}") from None
        if isinstance(self.features, str):
            raise DataError(
                f"sampled_segmentations: features={self.features!r}; expected a tuple, "
                f"({self.features!r},)"
            )

    def check(self, encoders: Mapping[str, Any]) -> SampledSegmentations:
        """Checks that the encoders can sample, by the feature; returns self.

        Raises:
          DataError: a feature isn't a text.
          VocabularyError: a vocabulary has only one segmentation of a text.
        """
        if not encoders:
            raise DataError(
                "sampled_segmentations: the problem has a generate_encoded_samples of its own, "
                "which yields ids; remove one of the two"
            )
        for name in self.features or encoders:
            if name not in encoders:
                raise DataError(
                    f"sampled_segmentations: {name!r} isn't a text of this problem; expected "
                    f"features of {', '.join(encoders)}"
                )
            encoder = encoders[name]
            if not isinstance(encoder, SentencePieceEncoder):
                raise VocabularyError(
                    f"sampled_segmentations: the encoder of {name!r} ({type(encoder).__name__}) "
                    f"has one segmentation of a text; use a SentencePiece vocabulary (vocab_type "
                    f"SUBWORD), or leave the feature out of features"
                )
            self.encoder(encoder, 0).encode_batch(["a"])
        return self

    def encoder(self, encoder: SentencePieceEncoder, seed: int) -> _Sampler:
        """Returns an encoder whose segmentations are drawn."""
        return _Sampler(encoder, self, seed)


@dataclass(frozen=True)
class _Sampler:
    """Encodes texts in segmentations that depend on the seed and the batch of texts."""

    base: SentencePieceEncoder
    sampling: SampledSegmentations
    seed: int

    def encode_batch(self, texts: list[str]) -> list[list[int]]:
        """Returns the ids of each text."""
        return self.base.sample_batch(
            texts, self.seed, self.sampling.alpha, self.sampling.nbest_size
        )
