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
    iterator: Iterator[Any] | None = None
    number = -1
    while True:
        number += 1
        try:
            if iterator is None:
                iterator = _iterator(hook(), source)
            sample = next(iterator)
        except StopIteration:
            return
        except Error:
            # Already in words for the user: a failed download, say.
            raise
        except Exception as error:
            raise SampleError(
                f"{source} raised {type(error).__name__} at sample {number}: {error}; mend the hook"
            ) from error
        yield _check(sample, number, source, required)


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


def _check(sample: Any, number: int, source: str, required: Mapping[str, type]) -> dict[str, Any]:
    where = f"{source}, sample {number}"
    if not isinstance(sample, dict):
        raise SampleError(f"{where}: found {_shown(sample)}; expected a dict of {_keys(required)}")
    for key, wanted in required.items():
        if key not in sample:
            found = ", ".join(map(repr, sample)) or "no key"
            raise SampleError(f"{where}: found {found}; expected {_keys(required)}: add {key!r}")
        if not isinstance(sample[key], wanted):
            raise SampleError(
                f"{where}: {key!r} is {_shown(sample[key])}; expected {wanted.__name__}"
                + (": decode the bytes" if isinstance(sample[key], bytes) else "")
            )
    return sample


def _keys(required: Mapping[str, type]) -> str:
    return " and ".join(f"{key!r} ({kind.__name__})" for key, kind in required.items())


def _shown(value: Any) -> str:
    text = repr(value)
    return f"{type(value).__name__} {text if len(text) <= 60 else text[:57] + '...'}"
