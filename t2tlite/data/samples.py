"""Checks what a user's generator yields, with errors that name the sample."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from t2tlite import user_code
from t2tlite.data.weights import WEIGHT, weight_of
from t2tlite.errors import DataError, Error, SampleError
from t2tlite.text.encoder import as_text, encode_utf8


def source_of(name: str, task: int | None) -> str:
    """Returns how messages name a hook, or one of the tasks that it is called for."""
    return name if task is None else f"{name}, task {task}"


def checked(
    hook: Callable[[], Any], source: str, required: Mapping[str, type], skips_none: bool = False
) -> Iterator[dict[str, Any]]:
    """Yields the samples of a hook, and raises at the first one that can't be used.

    Args:
      hook: returns the samples; called when the first is asked for.
      source: problem, hook and split, for messages: "g2p_cmudict: generate_samples(train)".
      required: the keys that every sample must have, with the types of their values.
      skips_none: whether None in place of a sample is left out, as T2T does with encoded ones.

    Raises:
      SampleError: a sample isn't a dict, lacks a key or has a value of another type, or the user's
        code raised; their exception is the `__cause__`, and `users_traceback` has their frames.
    """
    number = 0
    try:
        for sample in _iterate(hook(), source):
            # Runs for millions of samples, so the happy path does nothing else.
            if not isinstance(sample, dict):
                if sample is None and skips_none:
                    continue
                raise _sample_error(sample, number, source, required)
            for key, expected in required.items():
                if key not in sample or not isinstance(sample[key], expected):
                    sample = _converted(sample, key, number, source, required)
            if WEIGHT in sample:
                weight = weight_of(sample[WEIGHT], f"{source}, sample {number}")
                sample = {**sample, WEIGHT: weight}
            for key, value in sample.items():
                if type(value) is str and not value.isascii():
                    _check_text(key, value, number, source)
                elif type(value) is map:
                    # Code that was written for Python 2, where it was a list.
                    sample = {**sample, key: list(value)}
            yield sample
            number += 1
    except Error:
        # It has a message for the user already: a failed download, for example.
        raise
    except Exception as error:
        sample_error = SampleError(
            f"{source} raised {type(error).__name__} at sample {number}: {error}; "
            f"{user_code.advice(error) or 'mend the hook'}"
        )
        sample_error.users_traceback = user_code.traceback_of(error)
        raise sample_error from error


def one_label(samples: Iterable[Mapping[str, Any]], source: str) -> Iterator[Mapping[str, Any]]:
    """Yields samples whose "targets" are one class label.

    Raises:
      SampleError: a sample has none, or several.
    """
    for number, sample in enumerate(samples):
        labels = sample.get("targets", ())
        count = len(labels) if hasattr(labels, "__len__") else 1
        if count != 1:
            raise SampleError(
                f"{source}: sample {number} has {count} labels; expected one: yield "
                f'"targets": [label], or derive the problem from Text2TextProblem'
            )
        yield sample


def _iterate(samples: Any, source: str) -> Iterator[Any]:
    try:
        return iter(samples)
    except TypeError:
        raise SampleError(
            f"{source} returned {_describe(samples)}; expected a generator of dicts: use yield"
        ) from None


def _converted(
    sample: dict[str, Any], key: str, number: int, source: str, required: Mapping[str, type]
) -> dict[str, Any]:
    """Returns a copy of a sample with a value as it must be: UTF-8 bytes as text, a NumPy integer.

    Raises:
      SampleError: the value can't be converted, or there is none.
    """
    value: Any = sample.get(key)
    expected = required[key]
    if expected is str and isinstance(value, bytes):
        try:
            return {**sample, key: as_text(value)}
        except DataError as error:
            raise SampleError(f"{source}, sample {number}: {key!r}: {error}") from None
    if expected is int and hasattr(value, "__index__"):
        return {**sample, key: operator.index(value)}
    raise _sample_error(sample, number, source, required)


def _sample_error(
    sample: Any, number: int, source: str, required: Mapping[str, type]
) -> SampleError:
    """Returns an error that says what is wrong with a sample."""
    where = f"{source}, sample {number}"
    keys = " and ".join(f"{key!r} ({expected.__name__})" for key, expected in required.items())
    if not isinstance(sample, dict):
        return SampleError(f"{where}: found {_describe(sample)}; expected a dict of {keys}")
    missing = next((key for key in required if key not in sample), None)
    if missing is not None:
        present = ", ".join(map(repr, sample)) or "no key"
        return SampleError(f"{where}: found {present}; expected {keys}: add {missing!r}")
    key = next(k for k, expected in required.items() if not isinstance(sample[k], expected))
    return SampleError(
        f"{where}: {key!r} is {_describe(sample[key])}; expected {required[key].__name__}"
    )


def _check_text(key: str, text: str, number: int, source: str) -> None:
    """Raises SampleError if a text has a lone surrogate."""
    try:
        encode_utf8(text)
    except DataError as error:
        raise SampleError(f"{source}, sample {number}: {key!a}: {error}") from None


def _describe(value: Any) -> str:
    text = repr(value)
    return f"{type(value).__name__} {text if len(text) <= 60 else text[:57] + '...'}"
