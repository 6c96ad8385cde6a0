"""A problem by name, class or instance."""

import pytest

from t2tlite import registry
from t2tlite.api.problems import resolve
from t2tlite.errors import DataError, UnknownNameError
from t2tlite.text_problems import Text2TextProblem


class OwnWords(Text2TextProblem):
    """Not registered."""

    approx_vocab_size = 50

    def __init__(self, *arguments, words=(), **options):
        super().__init__(*arguments, **options)
        self.words = words


def test_a_registered_name_stays_a_name():
    assert resolve("reverse_digits") == "reverse_digits"
    assert resolve("reverse_digits_rev") == "reverse_digits_rev"
    with pytest.raises(UnknownNameError, match="reverse_digit"):
        resolve("reverse_digit")


def test_a_class_needs_no_registration():
    problem = resolve(OwnWords)
    assert type(problem) is OwnWords
    assert problem.name == "own_words"


def test_the_process_remembers_what_has_no_name_yet(own_names):
    resolve(OwnWords(words=("a",)))
    assert registry.problem("own_words_rev").words == ("a",)
    resolve(OwnWords(words=("b",)))
    assert registry.problem("own_words").words == ("b",)
    # A name that somebody registered is theirs.
    built_in = type(registry.problem("reverse_digits"))
    resolve(type("ReverseDigits", (OwnWords,), {}))
    assert type(registry.problem("reverse_digits")) is built_in
    registry.register_problem(OwnWords)
    assert type(registry.problem("own_words")) is OwnWords
    assert registry.problem("own_words").words == ()


def test_an_instance_is_copied_with_what_it_holds():
    given = OwnWords(was_reversed=True, words=("a", "b"))
    given.approx_vocab_size = 70
    problem = resolve(given)
    assert problem is not given
    assert (problem.full_name, problem.words, problem.approx_vocab_size) == (
        *("own_words_rev", ("a", "b"), 70),
    )
    given.name = "named"
    assert resolve(given).name == "named"


def test_a_registered_class_has_its_registered_name(own_names):
    registry.register_problem("other_name")(OwnWords)
    assert resolve(OwnWords).name == "other_name"
    assert resolve(OwnWords()).name == "other_name"


@pytest.mark.parametrize("value", ["", None, 5, dict, object()])
def test_anything_else_is_an_error(value):
    with pytest.raises(DataError, match="expected a registered name, a subclass of Problem"):
        resolve(value)
