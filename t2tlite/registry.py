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
import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeVar, overload

from t2tlite.errors import DuplicateNameError, PluginError, UnknownNameError

P = TypeVar("P", bound=Callable[..., Any])

# T2T's regular expressions: a word starts at a capital letter that is followed by lower case
# ("PoetryLine" -> "Poetry_Line"), or at one that follows lower case or a digit ("wmt32K").
_WORD_START = re.compile("(.)([A-Z][a-z0-9]+)")
_WORD_END = re.compile("([a-z0-9])([A-Z])")


def snake_case(class_name: str) -> str:
    """Returns T2T's default name of a registered class: `SQuAD` -> `s_qu_ad`."""
    return _WORD_END.sub(r"\1_\2", _WORD_START.sub(r"\1_\2", class_name)).lower()


class Lazy(NamedTuple):
    """A registered object whose module is imported when it is first used, not when it is listed."""

    target: str  # "package.module:attribute"
    doc: str  # its description in --registry_help

    def load(self) -> Any:
        """Imports the module and returns the object."""
        module, attribute = self.target.split(":")
        return getattr(importlib.import_module(module), attribute)


def _location(entry: Any) -> str:
    """Returns where an entry is defined: "file:line" if the source is available."""
    if isinstance(entry, Lazy):
        return entry.target
    try:
        return f"{inspect.getsourcefile(entry)}:{inspect.getsourcelines(entry)[1]}"
    except (OSError, TypeError):
        return f"{entry.__module__}.{entry.__qualname__}"


class Registry:
    """A table of entries by name.

    Args:
      kind: of its entries, for error messages: "problem", "hparams set".
      default_name: maps the `__name__` of a class or function to its default name.
    """

    # Set by t2tlite.plugins, a layer above: loads the installed plugins; returns what is loaded.
    load_plugins: Callable[[], None] = staticmethod(lambda: None)
    searched: Callable[[], str] = staticmethod(lambda: "nowhere")
    # True while the built-in problems, models and sets are imported. A user's entry replaces a
    # built-in one of the same name, so that new built-ins don't break older plugins.
    adding_built_ins = False

    def __init__(self, kind: str, default_name: Callable[[str], str]):
        self.kind = kind
        self._default_name = default_name
        self._entries: dict[str, Any] = {}
        self._built_in: set[str] = set()

    def add(self, name: str, entry: Any) -> None:
        """Registers an entry; registering the same one twice is allowed.

        Raises:
          DuplicateNameError: another entry has the name, and neither is built in.
          PluginError: files can't be named by it.
        """
        if not name.strip(".") or set(name) & set("/\\") or not name.isprintable():
            raise PluginError(
                f"the name of a {self.kind}: {name!a} isn't a plain file name; leave out slashes"
            )
        old = self._entries.get(name)
        # A module that is imported again (a reload in a notebook) defines the same entry again.
        if old is not None and _location(old) != _location(entry):
            if Registry.adding_built_ins:
                return
            if name not in self._built_in:
                raise DuplicateNameError(
                    f"{self.kind} {name} is registered twice: at {_location(old)} and at "
                    f"{_location(entry)}; rename one of them"
                )
            self._built_in.remove(name)
        self._entries[name] = entry
        if Registry.adding_built_ins:
            self._built_in.add(name)

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
            self.add(self._default_name(name.__name__), name)
            return name

        def decorate(entry: P) -> P:
            self.add(name or self._default_name(entry.__name__), entry)
            return entry

        return decorate

    def get(self, name: str) -> Any:
        """Returns the entry registered as `name`.

        Raises:
          UnknownNameError: the name isn't registered.
        """
        if name not in self:
            close = difflib.get_close_matches(name, self._entries, n=3, cutoff=0.5)
            hint = f"did you mean {' or '.join(close)}?" if close else "none is close"
            raise UnknownNameError(
                f"no {self.kind} is registered as {name!r}: {hint} Looked in {Registry.searched()}"
                f"; --registry_help lists all names, --t2t_usr_dir adds a folder"
            )
        entry = self._entries[name]
        return entry.load() if isinstance(entry, Lazy) else entry

    def __contains__(self, name: str) -> bool:
        if name not in self._entries:
            Registry.load_plugins()
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        Registry.load_plugins()
        return iter(sorted(self._entries))

    def describe(self, name: str) -> str:
        """Returns the first line of an entry's docstring, without importing a lazy one."""
        entry = self._entries[name]
        doc = entry.doc if isinstance(entry, Lazy) else inspect.getdoc(entry) or ""
        return doc.strip().split("\n")[0]


problems = Registry("problem", snake_case)
models = Registry("model", snake_case)
hparams_sets = Registry("hparams set", str)
ranged_hparams_sets = Registry("hparams range", str)

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
"""Registers a function that returns an `HParams`; the default name is the function's."""

register_ranged_hparams = ranged_hparams_sets.register
"""Registers a function that fills the `RangedHParams` it gets; the default name is its own."""


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


def problem(name: str) -> Any:
    """Returns a new `Problem` registered as `name`, which may end in `_rev` or `_copy`.

    Raises:
      UnknownNameError: the name isn't registered.
    """
    base, was_reversed, was_copy = parse_problem_name(name)
    instance = problems.get(base)(was_reversed=was_reversed, was_copy=was_copy)
    instance.name = base
    return instance


model = models.get
"""Returns the model class registered as `name`."""


def hparams(name: str) -> Any:
    """Returns a new `HParams` of the set registered as `name`.

    Raises:
      UnknownNameError: the name isn't registered.
    """
    return hparams_sets.get(name)()


ranged_hparams = ranged_hparams_sets.get
"""Returns the function registered as hparams range `name`."""


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
