"""A table of names: whose each is, where it was registered, and which ones are close to another.

`registry.py` has the tables.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import os
import re
import sys
from collections.abc import Callable, Iterator
from types import CodeType, FrameType
from typing import Any, NamedTuple, TypeVar, overload

from t2tlite.errors import DuplicateNameError, HParamsError, PluginError, UnknownNameError

P = TypeVar("P", bound=Callable[..., Any])

# T2T's regular expressions: a word starts at a capital letter that is followed by lower case
# ("PoetryLine" -> "Poetry_Line"), or at one that follows lower case or a digit ("wmt32K").
_WORD_START = re.compile("(.)([A-Z][a-z0-9]+)")
_WORD_END = re.compile("([a-z0-9])([A-Z])")


def snake_case(name: str) -> str:
    """Returns T2T's default name of a class or function: `SQuAD` -> `s_qu_ad`."""
    return _WORD_END.sub(r"\1_\2", _WORD_START.sub(r"\1_\2", name)).lower()


def _letters(name: str) -> str:
    """Returns a name's letters and digits in lower case."""
    return re.sub(r"[\W_]", "", name).lower()


class Lazy(NamedTuple):
    """A registered object whose module is imported when it is first used, not when it is listed."""

    target: str  # "package.module:attribute"
    doc: str  # its description in --registry_help

    def load(self) -> Any:
        """Imports the module and returns the object."""
        module, attribute = self.target.split(":")
        return getattr(importlib.import_module(module), attribute)


def _runs(function: Any) -> bool:
    """Whether a function is among the callers."""
    code = getattr(function, "__code__", None)
    frame: FrameType | None = sys._getframe(1)
    while code and frame is not None and frame.f_code is not code:
        frame = frame.f_back
    return bool(code and frame)


def _takes_one(function: Any) -> bool:
    try:
        inspect.signature(function).bind(None)
    except TypeError:
        return False
    return True


class _Registration(NamedTuple):
    """An entry, and what registered it."""

    entry: Any
    built_in: bool
    where: str  # "file:line" of the decorator
    module: str
    code: CodeType  # of the module or function that ran the decorator

    @classmethod
    def of_caller(cls, entry: Any) -> _Registration:
        """Returns the registration by the innermost code outside of this module."""
        frame = sys._getframe(1)
        while frame.f_globals is globals() and frame.f_back is not None:
            frame = frame.f_back
        module, code = frame.f_globals.get("__name__", ""), frame.f_code
        file = code.co_filename
        # Not of a name such as "<stdin>".
        file = os.path.realpath(file) if os.path.exists(file) else file
        return cls(
            entry,
            module.startswith(f"{__package__}."),
            f"{file}:{frame.f_lineno}",
            module,
            code,
        )

    def repeats(self, other: _Registration) -> bool:
        """Whether this is the same definition as `other`, run again.

        The same file may have two module names, and a module that is edited and loaded again, or a
        notebook's cell, registers its names again.
        """
        scopes = [(one.module, one.code.co_name) for one in (self, other)]
        again = scopes[0] == scopes[1] and self.code is not other.code
        return again or self.where == other.where


class Registry:
    """A table of entries by name.

    A user's entry takes precedence over a built-in one of the same name, in whichever order they
    are registered, so that new built-ins don't break older plugins. Entries that data folders
    describe are between them.

    Args:
      kind: of its entries, for error messages: "problem", "hparams set".
      takes: the one argument that its functions must take; any, if empty.
    """

    # Set by t2tlite.plugins, a layer above. Loads the installed plugins; returns what is loaded.
    load_plugins: Callable[[], None] = staticmethod(lambda: None)
    searched: Callable[[], str] = staticmethod(lambda: "nowhere")
    # Returns why there is no entry of a kind and name, "" if nothing is known.
    explain: Callable[[str, str], str] = staticmethod(lambda kind, name: "")

    def __init__(self, kind: str, takes: str = ""):
        self.kind = kind
        # What else was searched for entries, for the error of a name that isn't there.
        self.also_searched = ""
        self._takes = takes
        self._users: dict[str, _Registration] = {}
        self._found: dict[str, _Registration] = {}
        self._built_in: dict[str, _Registration] = {}

    def add(self, name: str, entry: Any) -> None:
        """Registers an entry; the same definition may be registered again.

          Raises:
            DuplicateNameError: another entry has the name, and neither is built in.
            PluginError: files can't be named by it.
        HParamsError: a range doesn't take the one argument of ranges.
        """
        if not name.strip(".") or set(name) & set("/\\") or not name.isprintable():
            raise PluginError(
                f"the name of a {self.kind}: {name!a} isn't a plain file name; leave out slashes"
            )
        new = _Registration.of_caller(entry)
        if self._takes and not _takes_one(entry):
            raise HParamsError(
                f"{new.where}: {self.kind} {name} must take a single argument, {self._takes}; "
                f"found {inspect.signature(entry)}"
            )
        table = self._built_in if new.built_in else self._users
        old = table.get(name)
        if old is not None and not new.repeats(old):
            raise DuplicateNameError(
                f"{self.kind} {name} is already registered: at {old.where} and at {new.where}; "
                f"rename one of them"
            )
        table[name] = new

    def add_found(self, name: str, entry: Any, where: str) -> None:
        """Registers an entry that a file describes, in place of an earlier one.

        It takes precedence over a built-in entry of the name, and a user's over it.

        Args:
          name: of the entry.
          entry: what the file describes.
          where: the file.
        """
        self._found[name] = _Registration.of_caller(entry)._replace(built_in=False, where=where)

    @overload
    def register(self, name: P) -> P: ...
    @overload
    def register(self, name: str | None = None) -> Callable[[P], P]: ...
    def register(self, name: Any = None) -> Any:
        """Registers a class or function: `@register`, `@register()` or `@register("name")`.

        Raises:
          DuplicateNameError: another class or function has the name.
        """
        if name is not None and not isinstance(name, str):
            self.add(snake_case(name.__name__), name)
            return name

        def decorate(entry: P) -> P:
            self.add(name or snake_case(entry.__name__), entry)
            return entry

        return decorate

    def get(self, name: str) -> Any:
        """Returns the entry registered as `name`.

        Raises:
          UnknownNameError: the name isn't registered.
        """
        if name not in self:
            raise UnknownNameError(
                f"{self.kind} {name!r} was never registered; {self._closest(name)}. Looked in "
                f"{Registry.searched()}{self.also_searched}; --registry_help lists all names, "
                f"--t2t_usr_dir adds a folder"
            )
        found = self._first(name)
        if _runs(found.entry):
            # A user's transformer_base that starts from transformer_base means the built-in one.
            if found.built_in or name not in self._built_in:
                raise PluginError(
                    f"{found.where}: {self.kind} {name} starts from itself; name another"
                )
            found = self._built_in[name]
        return found.entry.load() if isinstance(found.entry, Lazy) else found.entry

    def _closest(self, name: str) -> str:
        """Returns which names are close to one that isn't registered, as a part of a sentence."""
        # Case and hyphens don't matter: "PoetryLineProblem" and "poetry-line-problem" are close.
        names = {_letters(known): known for known in self}
        wanted = _letters(name)
        if wanted not in names and (reason := Registry.explain(self.kind, name)):
            return reason
        close = [wanted] if wanted in names else difflib.get_close_matches(wanted, names)
        if len(close) < 2:
            return f"the closest name is {names[close[0]]}" if close else "none is close"
        *first, last = (names[one] for one in close)
        return f"the closest names are {', '.join(first)} and {last}"

    def clear(self) -> None:
        """Forgets all entries, built-in ones, too."""
        Registry.load_plugins()
        for table in (self._users, self._found, self._built_in):
            table.clear()

    def where(self, name: str) -> str:
        """Returns the file and line that registered a name, of a built-in its module."""
        found = self._first(name)
        return found.entry.target if isinstance(found.entry, Lazy) else found.where

    def _first(self, name: str) -> _Registration:
        return self._users.get(name) or self._found.get(name) or self._built_in[name]

    def __contains__(self, name: str) -> bool:
        Registry.load_plugins()
        return name in self._users or name in self._found or name in self._built_in

    def __iter__(self) -> Iterator[str]:
        Registry.load_plugins()
        return iter(sorted({*self._users, *self._found, *self._built_in}))

    def describe(self, name: str) -> str:
        """Returns the first line of an entry's docstring, without importing a lazy one."""
        entry = self._first(name).entry
        # Its own, not that of a base class.
        doc = entry.doc if isinstance(entry, Lazy) else entry.__doc__ or ""
        return doc.strip().split("\n")[0]
