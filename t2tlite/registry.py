"""Names -> problems, models, hparams sets and ranges: what the command line can choose from.

    @registry.register_problem            # PoetryLineProblem -> "poetry_line_problem"
    class PoetryLineProblem(text_problems.Text2TextProblem): ...

    @registry.register_hparams("my_set")  # or an explicit name
    def some_function(): ...

Looking a name up loads the plugins first (see `t2tlite.plugins`), so that a name is known as soon
as its package is installed or its folder is passed as `--t2t_usr_dir`.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import re
from collections.abc import Callable, Iterator
from typing import Any, TypeVar, overload

from t2tlite.errors import DuplicateNameError, UnknownNameError

P = TypeVar("P", bound=Callable[..., Any])

# T2T's two expressions for class names: the first opens a word before a capital that starts one
# ("PoetryLine" -> "Poetry_Line"), the second after a run of lower case or digits ("wmt32K").
_WORD_START = re.compile("(.)([A-Z][a-z0-9]+)")
_WORD_END = re.compile("([a-z0-9])([A-Z])")


def snake_case(class_name: str) -> str:
    """Returns the name that T2T gives to a class registered without one: `SQuAD` -> `s_qu_ad`."""
    return _WORD_END.sub(r"\1_\2", _WORD_START.sub(r"\1_\2", class_name)).lower()


class Lazy:
    """A registered object whose module is imported on first use, so that listing it costs nothing.

    Attributes:
      target: "package.module:attribute".
      doc: the line that `--registry_help` prints.
    """

    def __init__(self, target: str, doc: str):
        self.target = target
        self.doc = doc

    def load(self) -> Any:
        """Imports the module and returns the object."""
        module, attribute = self.target.split(":")
        return getattr(importlib.import_module(module), attribute)


def _place(thing: Any) -> str:
    """Where `thing` is defined, as "file:line" when Python knows it."""
    if isinstance(thing, Lazy):
        return thing.target
    try:
        return f"{inspect.getsourcefile(thing)}:{inspect.getsourcelines(thing)[1]}"
    except (OSError, TypeError):
        return f"{thing.__module__}.{thing.__qualname__}"


class Registry:
    """One table of names.

    Attributes:
      kind: what it holds, in the words of the error messages ("problem", "hparams set").
    """

    # Set by t2tlite.plugins, which lies above this module: loads what may register more names, and
    # says where it has looked.
    load_plugins: Callable[[], None] = staticmethod(lambda: None)
    searched: Callable[[], str] = staticmethod(lambda: "nowhere")
    # True while the plugin loop imports what ships with t2tlite: a user's thing of the same name
    # wins, so that a plugin written before a built-in got that name goes on working.
    adding_built_ins = False

    def __init__(self, kind: str, default_name: Callable[[str], str]):
        self.kind = kind
        self._default_name = default_name
        self._entries: dict[str, Any] = {}
        self._built_in: set[str] = set()

    def add(self, name: str, thing: Any) -> None:
        """Registers `thing`; the same object under the same name twice is fine.

        Raises:
          DuplicateNameError: another object has the name, and neither is built in.
        """
        old = self._entries.get(name)
        # A module that is imported anew (a reload in a notebook) defines the same thing again.
        if old is not None and _place(old) != _place(thing):
            if Registry.adding_built_ins:
                return
            if name not in self._built_in:
                raise DuplicateNameError(
                    f"{self.kind} {name} is registered twice: at {_place(old)} and at "
                    f"{_place(thing)}; rename one of them"
                )
            self._built_in.remove(name)
        self._entries[name] = thing
        if Registry.adding_built_ins:
            self._built_in.add(name)

    def decorator(self, name: str | P | None) -> Any:
        """Serves `@register`, `@register()`, `@register("name")` with one function."""
        if name is None or isinstance(name, str):

            def register(thing: P) -> P:
                self.add(name or self._default_name(thing.__name__), thing)
                return thing

            return register
        self.add(self._default_name(name.__name__), name)
        return name

    def get(self, name: str) -> Any:
        """Returns the object registered as `name`.

        Raises:
          UnknownNameError: nobody registered it.
        """
        if name not in self._entries:
            Registry.load_plugins()
        if name not in self._entries:
            raise UnknownNameError(self._unknown(name))
        thing = self._entries[name]
        return thing.load() if isinstance(thing, Lazy) else thing

    def _unknown(self, name: str) -> str:
        close = difflib.get_close_matches(name, self._entries, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(close)}?" if close else "none is close"
        return (
            f"no {self.kind} is registered as {name!r}: {hint} Looked in "
            f"{Registry.searched()}; --registry_help lists all, --t2t_usr_dir adds a folder"
        )

    def __contains__(self, name: str) -> bool:
        if name not in self._entries:
            Registry.load_plugins()
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        Registry.load_plugins()
        return iter(sorted(self._entries))

    def describe(self, name: str) -> str:
        """Returns the first line of the docstring of `name`, without importing what is lazy."""
        thing = self._entries[name]
        doc = thing.doc if isinstance(thing, Lazy) else inspect.getdoc(thing) or ""
        return doc.strip().split("\n")[0]


problems = Registry("problem", snake_case)
models = Registry("model", snake_case)
hparams_sets = Registry("hparams set", lambda function_name: function_name)
ranged_hparams_sets = Registry("hparams range", lambda function_name: function_name)


@overload
def register_problem(name: P) -> P: ...
@overload
def register_problem(name: str | None = None) -> Callable[[P], P]: ...
def register_problem(name: Any = None) -> Any:
    """Registers a `Problem` class; without a name under T2T's form of the class's own.

    Raises:
      DuplicateNameError: another class has the name.
    """
    return problems.decorator(name)


@overload
def register_model(name: P) -> P: ...
@overload
def register_model(name: str | None = None) -> Callable[[P], P]: ...
def register_model(name: Any = None) -> Any:
    """Registers a model: a `keras.Model` class made as `Model(hparams, problem_hparams)`.

    Its `call(features, training)` takes `{"inputs": int32 [B, L], "targets": int32 [B, T]}` and
    returns float32 logits [B, T, V]. See `t2tlite.model.transformer` for the whole protocol.

    Raises:
      DuplicateNameError: another class has the name.
    """
    return models.decorator(name)


@overload
def register_hparams(name: P) -> P: ...
@overload
def register_hparams(name: str | None = None) -> Callable[[P], P]: ...
def register_hparams(name: Any = None) -> Any:
    """Registers a function that returns an `HParams`; without a name under the function's.

    Raises:
      DuplicateNameError: another function has the name.
    """
    return hparams_sets.decorator(name)


@overload
def register_ranged_hparams(name: P) -> P: ...
@overload
def register_ranged_hparams(name: str | None = None) -> Callable[[P], P]: ...
def register_ranged_hparams(name: Any = None) -> Any:
    """Registers a function that fills the `RangedHParams` it is given.

    Raises:
      DuplicateNameError: another function has the name.
    """
    return ranged_hparams_sets.decorator(name)


def parse_problem_name(name: str) -> tuple[str, bool, bool]:
    """Splits T2T's suffixes off: `"g2p_rev"` -> `("g2p", True, False)`.

    Returns:
      The base name, whether inputs and targets are swapped (`_rev`), and whether the targets are a
      copy of the inputs (`_copy`). The two may be joined in either order, as in T2T.
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
    """Makes the `Problem` registered as `name`; `NAME_rev` and `NAME_copy` work too.

    Raises:
      UnknownNameError: nobody registered it.
    """
    base, was_reversed, was_copy = parse_problem_name(name)
    made = problems.get(base)(was_reversed=was_reversed, was_copy=was_copy)
    made.name = base
    return made


def model(name: str) -> Any:
    """Returns the model class registered as `name`.

    Raises:
      UnknownNameError: nobody registered it.
    """
    return models.get(name)


def hparams(name: str) -> Any:
    """Returns a new `HParams` of the set registered as `name`.

    Raises:
      UnknownNameError: nobody registered it.
    """
    return hparams_sets.get(name)()


def ranged_hparams(name: str) -> Any:
    """Returns the function registered as hparams range `name`.

    Raises:
      UnknownNameError: nobody registered it.
    """
    return ranged_hparams_sets.get(name)


def list_problems() -> list[str]:
    """Names of all registered problems, sorted, without their `_rev` and `_copy` forms."""
    return list(problems)


def list_models() -> list[str]:
    """Names of all registered models, sorted."""
    return list(models)


def list_hparams() -> list[str]:
    """Names of all registered hparams sets, sorted."""
    return list(hparams_sets)


def help_string() -> str:
    """Returns what `--registry_help` prints: every name with its one-line doc."""
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
