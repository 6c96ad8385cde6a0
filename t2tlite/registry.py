"""The registry: problems, models, hparams sets and hparams ranges by name.

    @registry.register_problem            # PoetryLineProblem -> "poetry_line_problem"
    class PoetryLineProblem(text_problems.Text2TextProblem): ...

    @registry.register_hparams("my_set")  # or an explicit name
    def some_function(): ...

Looking up a name loads the installed plugins first. A folder passed as `--t2t_usr_dir` is loaded by
the commands, or by `plugins.load_usr_dir`.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any

from t2tlite import user_code
from t2tlite.errors import HParamsError, PluginError, ReturnTypeError
from t2tlite.registration import Lazy as Lazy
from t2tlite.registration import Registry as Registry
from t2tlite.registration import snake_case as snake_case

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


# Makes the mixture of a text such as "a:0.7+b:0.3"; its module is a layer above.
_MIXTURE = Lazy("t2tlite.mixtures.spec:of_spec", "")


def is_mixture(name: str) -> bool:
    """Whether a problem's name is that of several problems, "a+b", rather than a registered one."""
    return "+" in name and parse_problem_name(name)[0] not in problems


def recorded_name(name: str) -> str:
    """Returns the name by which run.json has a problem: of a mixture that of its members alone.

    >>> recorded_name("translate_ende<2de>:0.7+translate_enfr:0.3")
    'translate_ende+translate_enfr'
    """
    if not is_mixture(name):
        return name
    return re.sub("<[^+]*>|[:*][^+<]*", "", name.strip().partition(" ")[0])


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
      name: of the problem; or of several, "a:0.7+b:0.3", for a mixture of them.
      adapt: returns the class to instantiate, a subclass of the registered one.

    Raises:
      UnknownNameError: the name isn't registered.
      PluginError: a plugin's class can't be instantiated.
    """
    if is_mixture(name):
        return _MIXTURE.load()(name)
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
            f"{where} is no Problem, or has an __init__ without `super().__init__(*args, "
            f"**kwargs)`; add it"
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
      HParamsError: it assigned an hparam that doesn't exist, or a wrong value.
      ReturnTypeError: it returned no HParams.
    """
    function = hparams_sets.get(name)
    where = f"{hparams_sets.where(name)}: hparams set {name}"
    with user_code.reported(where):
        try:
            made = function()
        except HParamsError as error:
            raise HParamsError(f"{where}: {error}") from None
    if made is None:
        raise ReturnTypeError(f"{where} is None; end its function with `return hparams`")
    if callable(made):
        raise ReturnTypeError(f"{where} is {made!r}, expected HParams; call it: `return ...()`")
    if isinstance(made, (dict, list, tuple)):
        raise ReturnTypeError(
            f"{where} is a {type(made).__name__}, expected HParams; end its function with "
            f"`return hparams`"
        )
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
