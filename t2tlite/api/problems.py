"""A problem by name, class or instance."""

from __future__ import annotations

import copy

from t2tlite import registry
from t2tlite.api.arguments import PathLike
from t2tlite.assignments import shown
from t2tlite.checkpoint import distilled_problem
from t2tlite.errors import DataError
from t2tlite.files import folder_path
from t2tlite.problem import Problem

ProblemLike = str | type[Problem] | Problem

# Names that `_remember` registered.
_remembered: set[str] = set()


def resolve(problem: ProblemLike, data_dir: PathLike = "") -> str | Problem:
    """Returns the name of a registered problem, or a new instance of one that needn't be.

    Args:
      problem: a registered name, which may end in `_rev` or `_copy`; a class; or an instance, which
        is copied, because generating data changes it.
      data_dir: a data folder; the problems that it describes are registered.

    Raises:
      UnknownNameError: the name isn't registered.
      DataError: it isn't a problem at all.
    """
    if data_dir:
        distilled_problem.register_folder(folder_path(data_dir, "data_dir"))
    if isinstance(problem, str) and problem:
        registry.problem(problem)
        return problem
    if isinstance(problem, type) and issubclass(problem, Problem):
        problem = problem()
    if isinstance(problem, Problem):
        made = _copy(problem)
        _remember(made)
        return made
    raise DataError(
        f"problem={shown(problem, quoted=True)}; expected a registered name, a subclass of Problem "
        f"or an instance of one"
    )


def _copy(problem: Problem) -> Problem:
    name = problem.name
    suffixes = problem.full_name.removeprefix(name)
    made = copy.copy(problem)
    Problem.__init__(made, "_rev" in suffixes, "_copy" in suffixes)
    if name == registry.snake_case(type(problem).__name__):
        # Nobody named the instance itself.
        name = _registered_name(type(problem)) or name
    made.name = name
    return made


def _registered_name(problem_class: type[Problem]) -> str | None:
    for name in registry.problems:
        if registry.problems.get(name) is problem_class:
            return name
    return None


def _remember(problem: Problem) -> None:
    """Registers a problem that isn't, so that this process can decode if that needs its code."""

    def copies(was_reversed: bool = False, was_copy: bool = False) -> Problem:
        made = copy.copy(problem)
        Problem.__init__(made, was_reversed, was_copy)
        return made

    name = problem.name
    if name in _remembered or name not in registry.problems:
        _remembered.add(name)
        registry.problems.add(name, copies)
