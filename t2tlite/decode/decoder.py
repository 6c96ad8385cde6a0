"""The `Decoder`: a trained model that takes text and gives text."""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from numbers import Integral
from typing import Any, overload

from t2tlite import console
from t2tlite.decode.attention import Attention, attend
from t2tlite.decode.batches import (
    Batch,
    add_prefixes,
    encode_lines,
    make_batches,
    search_rows,
    too_long,
)
from t2tlite.decode.decode_hparams import DecodeHParams, Hypothesis
from t2tlite.decode.engine import Answer, not_finite_error
from t2tlite.decode.loaded_model import LoadedModel
from t2tlite.decode.mbr import ranked
from t2tlite.decode.scoring import Score, score_pairs
from t2tlite.decode.texts import describe, pairs_of, text_of, texts_of
from t2tlite.devices.free_memory import is_out_of_memory
from t2tlite.errors import DataError, HParamsError

_no_meter = contextlib.nullcontext(lambda lines: None)


class Decoder(LoadedModel):
    """A trained model, loaded once, that decodes lines of text.

    >>> decoder = Decoder("model")
    >>> answer = decoder.decode("3 1 4 1 5")
    >>> answers = decoder.decode(["2 7 1", "8 2 8"], beam_size=2)
    >>> len(answers)
    2

    "Lines" are any iterable of texts, in its own order: a list, a generator, a pandas Series.

    Args:
      output_dir: what t2t-trainer wrote.
      checkpoint: a step, or the path of a weights file; "best": the best that was evaluated in
        training; "": the newest.
      decode_hparams: how to decode, with T2T's names: "beam_size=4,alpha=0.6", a dict of them, or
        a `DecodeHParams`. The methods take single ones as keywords: `decode(lines, beam_size=1)`.
      usr_dirs: plugin folders, if the model needs some that this user hasn't loaded before on this
        machine, or that have moved; their code is imported.
      device: where Keras computes; None: one device of its current backend.
      make_engine: loads another engine than Keras, which reads `checkpoint` and `device`.
      ensemble: other model folders with the same vocabularies, whose newest checkpoints decode
        together with this one: each next token's probability is the mean of theirs.
      ensemble_checkpoints: checkpoints of this folder that decode together, in place of
        `checkpoint`: steps, paths, "best", or "last" for the newest.

    Attributes:
      engine: the loaded model.
      from_nothing: whether a language model writes a text for a blank line; otherwise, as in files,
        servers and exports, a blank line gets a blank answer.

    Raises:
      Error: the folder holds no model, or its vocabulary or plugins are missing.
    """

    from_nothing = False

    @overload
    def decode(self, lines: str, **decode_hparams: Any) -> str: ...
    @overload
    def decode(self, lines: Iterable[str], **decode_hparams: Any) -> list[str]: ...
    def decode(self, lines: str | Iterable[str], **decode_hparams: Any) -> str | list[str]:
        """Returns the best answer to a text, or to each of several; a blank one gets a blank one.

        Args:
          lines: a text, or any iterable of texts.
          decode_hparams: for this call, by name.

        Raises:
          Error: as `n_best`.
        """
        if "n" in decode_hparams:
            raise HParamsError("n: decode gives one answer to a line; n_best gives several")
        if isinstance(lines, str):
            return self.n_best(lines, n=1, **decode_hparams)[0].text
        return [hypotheses[0].text for hypotheses in self.n_best(lines, **decode_hparams)]

    @overload
    def n_best(
        self,
        lines: str,
        decode_hparams: DecodeHParams | Mapping[str, Any] | str | None = None,
        prefixes: str | None = None,
        first: int = 0,
        n: int | None = None,
        **overrides: Any,
    ) -> list[Hypothesis]: ...
    @overload
    def n_best(
        self,
        lines: Iterable[str],
        decode_hparams: DecodeHParams | Mapping[str, Any] | str | None = None,
        prefixes: Iterable[str] | None = None,
        first: int = 0,
        n: int | None = None,
        **overrides: Any,
    ) -> list[list[Hypothesis]]: ...
    def n_best(
        self,
        lines: str | Iterable[str],
        decode_hparams: DecodeHParams | Mapping[str, Any] | str | None = None,
        prefixes: str | Iterable[str] | None = None,
        first: int = 0,
        n: int | None = None,
        **overrides: Any,
    ) -> list[Hypothesis] | list[list[Hypothesis]]:
        """Returns the answers to a text, or to each of several, best first.

        A line gets as many answers as there are beams, fewer if no others exist, and at least one.

        Args:
          lines: a text, or any iterable of texts; for a language model, their beginnings.
          decode_hparams: for this call; a string or dict changes those of the decoder.
          prefixes: for each line the text that its answers begin with, which scores don't count;
            "": none. White space at its end is left to the model.
          first: number of the first line, from 0, where it comes from; for messages.
          n: how many answers a line gets; a search has at least as many beams then. When sampling,
            that many are drawn.
          overrides: decode hparams for this call, by name.

        Raises:
          DataError: `lines` aren't texts, the model takes no prefixes, there isn't one for each
            line, or a line is too long for the memory.
          HParamsError: a decode hparam doesn't exist or isn't possible.
          CheckpointError: the scores are not finite, so the weights are damaged.
        """
        decode_hparams = self.decode_hparams.for_call(decode_hparams, overrides)
        if isinstance(lines, str):
            one = [prefixes] if isinstance(prefixes, str) else prefixes
            return self.n_best([lines], decode_hparams, one, first, n)[0]
        texts = texts_of(lines, first=first)
        if isinstance(prefixes, str):
            raise DataError("found one prefix for several lines; give a list, one for each line")
        begins = None if prefixes is None else texts_of(prefixes, "prefix", first)
        if n is None:
            return self.search_lines(texts, decode_hparams, begins, first)
        decode_hparams, copies = self._for_n_answers(decode_hparams, n)
        begins = begins and [prefix for prefix in begins for _ in range(copies)]
        drawn = [text for text in texts for _ in range(copies)]
        answers = self.search_lines(drawn, decode_hparams, begins, first)
        groups = (answers[i : i + copies] for i in range(0, len(answers), copies))
        rows = ([answer for answers in group for answer in answers] for group in groups)
        return [sorted(row, key=lambda answer: -answer.score)[:n] for row in rows]

    def _for_n_answers(self, decode_hparams: DecodeHParams, n: int) -> tuple[DecodeHParams, int]:
        """Returns how to decode so that a line gets n answers, and how often each is decoded."""
        if isinstance(n, bool) or not isinstance(n, Integral) or n < 1:
            raise DataError(f"n is {describe(n)}; expected a whole number of answers from 1")
        n = int(n)
        if self.samples(decode_hparams):
            return decode_hparams, n
        beams = max(n, decode_hparams.beam_size)
        return dataclasses.replace(decode_hparams, beam_size=beams).check(), 1

    def search_lines(
        self,
        lines: Sequence[str],
        decode_hparams: DecodeHParams,
        prefixes: Sequence[str] | None = None,
        first: int = 0,
        seeds: Sequence[int | None] | None = None,
    ) -> list[list[Hypothesis]]:
        """Does the work of `n_best`, after its checks of types and ranges.

        Args:
          lines, decode_hparams, prefixes, first: as for `n_best`.
          seeds: for each line a number that its samples depend on, whatever other lines there are;
            None: as `n_best`.
        """
        hypotheses = [[Hypothesis("", 0.0, [])] for _ in lines]
        batches = self.make_batches(lines, decode_hparams, prefixes, first)
        if seeds is not None:
            batches = [batch.seeded(seeds) for batch in batches]
        count = sum(len(batch.rows) for batch in batches)
        meter = console.meter("decoding", "lines", count) if len(batches) > 2 else _no_meter
        with meter as advance:
            for batch in batches:
                answers = self.search(batch, decode_hparams)
                for i, row, answer in zip(batch.indices, batch.rows, answers, strict=True):
                    if not answer:
                        raise DataError(too_long(self.engine, first + i + 1, row, decode_hparams))
                    hypotheses[i] = answer
                advance(len(batch.rows))
        return hypotheses

    def make_batches(
        self,
        lines: Sequence[str],
        decode_hparams: DecodeHParams | None = None,
        prefixes: Sequence[str] | None = None,
        first: int = 0,
    ) -> list[Batch]:
        """Returns the batches, for `search`, of the lines that need decoding; as for `n_best`."""
        decode_hparams = (decode_hparams or self.decode_hparams).check()
        if prefixes is not None and len(prefixes) != len(lines):
            raise DataError(
                f"there are {len(lines)} lines and {len(prefixes)} prefixes; give one for each "
                f"line, an empty one for no prefix"
            )
        decoded = {i: line for i, line in enumerate(lines) if self._is_decoded(line)}
        rows = encode_lines(self.folder, decoded, decode_hparams, first)
        if prefixes is not None:
            rows = add_prefixes(self.folder, rows, prefixes)
        return make_batches(rows, decode_hparams, self.engine.row_shares)

    def search(
        self, batch: Batch, decode_hparams: DecodeHParams | None = None, seed: int | None = None
    ) -> list[list[Hypothesis]]:
        """Returns the answers to each line of a batch of `make_batches`, best first.

        A line that is too long for the memory has none.

        Args:
          batch, decode_hparams: what to decode and how.
          seed: makes samples depend on this number and `random_seed` alone; None: they also depend
            on the samples drawn before.
        """
        decode_hparams = decode_hparams or self.decode_hparams
        rows = search_rows(self.engine, batch.rows, decode_hparams, seed)
        found = [[self._hypothesis(answer) for answer in answers] for answers in rows]
        return ranked(found, decode_hparams.mbr)

    def stream(
        self,
        line: str,
        decode_hparams: DecodeHParams | Mapping[str, Any] | str | None = None,
        seed: int | None = None,
        **overrides: Any,
    ) -> Iterator[Hypothesis]:
        """Yields the answer to a line after each of its tokens; the last one is `n_best`'s.

        Where `streams` is false, it yields only the last one. Arguments and errors are as for
        `n_best`; `seed` is a number that the samples depend on, as in `search_lines`.
        """
        decode_hparams = self.decode_hparams.for_call(decode_hparams, overrides)
        return self._stream(text_of(line, "the line"), decode_hparams, seed)

    def _stream(
        self, line: str, decode_hparams: DecodeHParams, seed: int | None
    ) -> Iterator[Hypothesis]:
        if not (self._is_decoded(line) and self.streams(decode_hparams)):
            yield self.search_lines([line], decode_hparams, seeds=[seed])[0][0]
            return
        row = encode_lines(self.folder, {0: line}, decode_hparams)[0]._replace(seed=seed)
        if row.size > self.engine.max_tokens(1, decode_hparams):
            raise DataError(too_long(self.engine, 1, row, decode_hparams))
        try:
            yield from map(self._hypothesis, self.engine.stream(row, decode_hparams))
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            raise DataError(too_long(self.engine, 1, row, decode_hparams)) from None

    def streams(self, decode_hparams: DecodeHParams) -> bool:
        """Whether `stream` yields token by token: neither beams nor several devices do."""
        one_path = decode_hparams.beam_size == 1 or self.samples(decode_hparams)
        return self.engine.can_stream and one_path and self.folder.generates

    def score(self, pairs: Iterable[tuple[str, str]]) -> list[Score]:
        """Returns how probable the second text of each pair is, given the first.

        Args:
          pairs: any iterable of (input, target), such as `zip(inputs, targets)`. A language model
            reads the targets alone, and takes texts in place of pairs, too. The label of a
            classifier may be an integer.

        Raises:
          DataError: `pairs` aren't pairs of texts; one is too long for the memory, or no label of a
            classifier.
          CheckpointError: the scores are not finite, so the weights are damaged.
        """
        pairs = pairs_of(pairs, self.problem.has_inputs, self.classifies)
        with console.meter("scoring", "pairs", len(pairs)) as advance:
            tag = self.decode_hparams.decode_tag
            return score_pairs(self.engine, self.folder, pairs, advance, tag)

    def attention(self, line: str, answer: str | Hypothesis | None = None) -> Attention:
        """Returns the attention weights behind an answer: all layers and heads.

        Args:
          line: a text; for a language model, the beginning of the answer.
          answer: a text or one of `n_best`'s; None: the best one. A classifier has none, and that
            of a language model holds the line.

        Returns:
          Tokens and weights; a notebook shows them.

        Raises:
          DataError: the line is no text or blank, or the model gives no attention weights.
        """
        line = text_of(line, "the line")
        if answer is not None and not isinstance(answer, Hypothesis):
            answer = text_of(answer, "the answer")
        if not self.has_attention:
            raise DataError(f"model {self.run.model} doesn't give its attention weights")
        # A language model's answer holds the line.
        if not line.strip() and (answer is None or self.problem.has_inputs):
            raise DataError("the line is blank, so there are no weights to show; give it some text")
        if answer is None and self.folder.generates:
            answer = self.n_best([line])[0][0]
        return attend(self.engine, self.folder, line, answer, self.decode_hparams)

    def _is_decoded(self, line: str) -> bool:
        return bool(line.strip()) or (self.from_nothing and not self.problem.has_inputs)

    def _hypothesis(self, answer: Answer) -> Hypothesis:
        if not math.isfinite(answer.score):
            raise not_finite_error(self.weights)
        text = self.encoders["targets"].decode(self.folder.tags.without(answer.ids))
        return Hypothesis(text, answer.score, answer.ids)
