"""What a user's generator yields, checked sample by sample, with errors that name the sample."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from t2tlite.errors import Error, SampleError


def source_of(name: str, task: int | None) -> str:
    """How messages name a hook, or one of the tasks that it is called for."""
    return name if task is None else f"{name}, task {task}"


def checked(
    hook: Callable[[], Any], source: str, required: Mapping[str, type]
) -> Iterator[dict[str, Any]]:
    """Passes samples on as they are made, and stops at the first that can't be used.

    Args:
      hook: makes the samples; called when the first is asked for.
      source: problem, hook and split, for messages: "g2p_cmudict: generate_samples(train)".
      required: the keys that every sample must have, with the types of their values.

    Yields:
      The same dicts.

    Raises:
      SampleError: a sample isn't a dict, lacks a key or holds another type, or the user's code
        raised; their exception is the `__cause__`, so that a command can show its traceback.
    """
    number = 0
    items = list(required.items())
    try:
        for sample in _iterator(hook(), source):
            # Nothing more than this for each of millions.
            if not isinstance(sample, dict):
                raise _unfit(sample, number, source, required)
            for key, wanted in items:
                if key not in sample or not isinstance(sample[key], wanted):
                    raise _unfit(sample, number, source, required)
            yield sample
            number += 1
    except Error:
        # Already in words for the user: a failed download, say.
        raise
    except Exception as error:
        raise SampleError(
            f"{source} raised {type(error).__name__} at sample {number}: {error}; mend the hook"
        ) from error


def users_traceback(error: SampleError) -> str:
    """Returns the traceback of a user's exception, from the first frame of their code on.

    Args:
      error: as `checked` raises it; "" is returned where no code of a user's raised.
    """
    if error.remote_traceback or error.__cause__ is None:
        return error.remote_traceback
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    frames = traceback.extract_tb(error.__cause__.__traceback__)
    theirs = [i for i, frame in enumerate(frames) if not frame.filename.startswith(package)]
    if not theirs:
        return ""
    shown = traceback.format_list(frames[theirs[0] :])
    shown += traceback.format_exception_only(error.__cause__)
    return "".join(shown).rstrip()


def _iterator(samples: Any, source: str) -> Iterator[Any]:
    try:
        return iter(samples)
    except TypeError:
        raise SampleError(
            f"{source} returned {_shown(samples)}; expected a generator of dicts: use yield"
        ) from None


def _unfit(sample: Any, number: int, source: str, required: Mapping[str, type]) -> SampleError:
    """Says what is wrong with a sample."""
    where = f"{source}, sample {number}"
    if not isinstance(sample, dict):
        return SampleError(f"{where}: found {_shown(sample)}; expected a dict of {_keys(required)}")
    absent = next((key for key in required if key not in sample), None)
    if absent is not None:
        found = ", ".join(map(repr, sample)) or "no key"
        return SampleError(f"{where}: found {found}; expected {_keys(required)}: add {absent!r}")
    key = next(key for key, wanted in required.items() if not isinstance(sample[key], wanted))
    return SampleError(
        f"{where}: {key!r} is {_shown(sample[key])}; expected {required[key].__name__}"
        + (": decode the bytes" if isinstance(sample[key], bytes) else "")
    )


def _keys(required: Mapping[str, type]) -> str:
    return " and ".join(f"{key!r} ({kind.__name__})" for key, kind in required.items())


def _shown(value: Any) -> str:
    text = repr(value)
    return f"{type(value).__name__} {text if len(text) <= 60 else text[:57] + '...'}"
