"""The registry: problems, models, hparams sets and hparams ranges by name.

    @registry.register_problem            # PoetryLineProblem -> "poetry_line_problem"
    class PoetryLineProblem(text_problems.Text2TextProblem): ...

    @registry.register_hparams("my_set")  # or an explicit name
    def some_function(): ...

Looking up a name loads the installed plugins first. A folder passed as `--t2t_usr_dir` is loaded by
the commands, or by `plugins.load_usr_dir`.
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

from t2tlite import user_code
from t2tlite.errors import (
    DuplicateNameError,
    HParamsError,
    PluginError,
    ReturnTypeError,
    UnknownNameError,
)

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
        return cls(
            entry,
            module.startswith(f"{__package__}."),
            f"{os.path.realpath(code.co_filename)}:{frame.f_lineno}",
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
    are registered, so that new built-ins don't break older plugins.

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
        self._takes = takes
        self._users: dict[str, _Registration] = {}
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
                f"{Registry.searched()}; --registry_help lists all names, --t2t_usr_dir adds a "
                f"folder"
            )
        found = self._users.get(name) or self._built_in[name]
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
        self._users.clear()
        self._built_in.clear()

    def where(self, name: str) -> str:
        """Returns the file and line that registered a name, of a built-in its module."""
        found = self._users.get(name) or self._built_in[name]
        return found.entry.target if isinstance(found.entry, Lazy) else found.where

    def __contains__(self, name: str) -> bool:
        Registry.load_plugins()
        return name in self._users or name in self._built_in

    def __iter__(self) -> Iterator[str]:
        Registry.load_plugins()
        return iter(sorted({*self._users, *self._built_in}))

    def describe(self, name: str) -> str:
        """Returns the first line of an entry's docstring, without importing a lazy one."""
        entry = (self._users.get(name) or self._built_in[name]).entry
        # Its own, not that of a base class.
        doc = entry.doc if isinstance(entry, Lazy) else entry.__doc__ or ""
        return doc.strip().split("\n")[0]


problems = Registry("problem")
models = Registry("model")
hparams_sets = Registry("hparams set")
ranged_hparams_sets = Registry("hparams range", takes="the RangedHParams that it fills")

register_problem = problems.register
"""Registers a `Problem` class; the default name is T2T's form of the class name."""

register_model = models.register
"""Registers a `keras.Model` class, created as `Model(hparams, problem_hparams)`.

`call(features, training)` takes `{"inputs": int32 [B, L], "targets": int32 [B, T]}`, padded with 0,
and returns float32 logits [B, T, V]. Optional:

- `start(features, max_steps)`, which returns (memory, cache), and `step(ids [N], position, memory,
  cache)`, which returns (logits [N, V], cache): decoding with a cache. Without them each step runs
  `call` on the whole prefix.
- `hidden(features, training)` and `softmax.logits(hidden)`: training without all logits in memory.
- `packs = True`: the model reads the features "inputs_segmentation", "targets_position" and so on,
  which separate the examples of a packed row.
"""

register_hparams = hparams_sets.register
"""Registers a function that returns an `HParams`; the default name is made as a problem's."""

register_ranged_hparams = ranged_hparams_sets.register
"""Registers a function that fills the `RangedHParams` it gets; named as a set is."""


def parse_problem_name(name: str) -> tuple[str, bool, bool]:
    """Splits off T2T's suffixes: `"g2p_rev"` -> `("g2p", True, False)`.

    Returns:
      The base name, whether inputs and targets are swapped (`_rev`), and whether the targets are a
      copy of the inputs (`_copy`). The suffixes may come in either order.
    """
    reversed_, copied = False, False
    base = name
    while base not in problems:
        if base.endswith("_rev") and not reversed_:
            base, reversed_ = base.removesuffix("_rev"), True
        elif base.endswith("_copy") and not copied:
            base, copied = base.removesuffix("_copy"), True
        else:
            return name, False, False
    return base, reversed_, copied


def set_name(problem: Any, name: str) -> None:
    """Names an instance of a problem; a `name` that its class defines is replaced, as in T2T."""
    try:
        problem.name = name
    except AttributeError:
        # A property without a setter.
        type(problem).name = name


def problem(name: str, adapt: Callable[[type], type] = lambda registered: registered) -> Any:
    """Returns a new `Problem` registered as `name`, which may end in `_rev` or `_copy`.

    Args:
      name: of the problem.
      adapt: returns the class to instantiate, a subclass of the registered one.

    Raises:
      UnknownNameError: the name isn't registered.
      PluginError: a plugin's class can't be instantiated.
    """
    base, was_reversed, was_copy = parse_problem_name(name)
    problem_class = adapt(problems.get(base))
    suffixes: dict[str, Any] = {"was_reversed": was_reversed, "was_copy": was_copy}
    where = f"{problems.where(base)}: problem {base}"
    try:
        inspect.signature(problem_class).bind(**suffixes)
    except TypeError:
        raise PluginError(
            f"{where} doesn't take was_reversed and was_copy; write `def __init__(self, *args, "
            f"**kwargs)` and call `super().__init__(*args, **kwargs)` in it"
        ) from None
    with user_code.reported(where):
        instance = problem_class(**suffixes)
    if not hasattr(instance, "_was_reversed"):
        raise PluginError(
            f"{where} has an __init__ that doesn't call `super().__init__(*args, **kwargs)`; add it"
        )
    set_name(instance, base)
    return instance


model = models.get
"""Returns the model class registered as `name`."""


def hparams(name: str) -> Any:
    """Returns a new `HParams` of the set registered as `name`.

    Raises:
      UnknownNameError: the name isn't registered.
      PluginError: a plugin's function raised an exception.
      ReturnTypeError: it returned no HParams.
    """
    function = hparams_sets.get(name)
    where = f"{hparams_sets.where(name)}: hparams set {name}"
    with user_code.reported(where):
        made = function()
    if made is None:
        raise ReturnTypeError(f"{where} is None; end its function with `return hparams`")
    if callable(made):
        raise ReturnTypeError(f"{where} is {made!r}, expected HParams; call it: `return ...()`")
    # T2T's HParams hold only what a plugin put in; t2tlite's have all fields.
    complete = getattr(made, "complete", None)
    made = complete() if complete else made
    if hasattr(made, "changes"):
        # Their text form says what differs from the set.
        vars(made)["of_set"] = name, made.copy()
    return made


ranged_hparams = ranged_hparams_sets.get
"""Returns the function registered as hparams range `name`; it fills a `RangedHParams`."""


def list_problems() -> list[str]:
    """Returns the names of all problems, sorted, without their `_rev` and `_copy` forms."""
    return list(problems)


def list_models() -> list[str]:
    """Returns the names of all models, sorted."""
    return list(models)


def list_hparams() -> list[str]:
    """Returns the names of all hparams sets, sorted."""
    return list(hparams_sets)


def help_string() -> str:
    """Returns what `--registry_help` prints: all names with the first line of their docstrings."""
    parts = []
    for title, table in [
        ("Problems (each also as NAME_rev and NAME_copy)", problems),
        ("Models", models),
        ("HParams sets", hparams_sets),
        ("HParams ranges", ranged_hparams_sets),
    ]:
        names = list(table)
        width = max(map(len, names), default=0)
        lines = [f"  {name:<{width}}  {table.describe(name)}".rstrip() for name in names]
        parts.append("\n".join([f"{title}:", *(lines or ["  (none)"])]))
    return "\n\n".join(parts) + f"\n\nLooked in {Registry.searched()}."
