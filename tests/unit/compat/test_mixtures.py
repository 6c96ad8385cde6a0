"""T2T's multi_problem_v2: its schedules, and its problem class on t2tlite's mixtures."""

import numpy as np
import pytest

from t2tlite import registry
from t2tlite.checkpoint.run_record import RunRecord
from t2tlite.compat import mixtures as multi
from t2tlite.config import HParams
from t2tlite.datagen.generate_data import generate_data
from t2tlite.decode.model_folder import ModelFolder
from t2tlite.errors import PluginError, VocabularyError
from tests.unit.conftest import TINY
from tests.unit.mixtures.conftest import Lines, Reversing, Shouting

POINTS = ("linear", (0, 100, 300), ((1.0, 0.0), (0.9, 0.1), (0.0, 1.0)))


def test_schedules_are_texts_and_back():
    text = "linear @0 1.0 0.0 @100 0.9 0.1 @300 0.0 1.0"
    assert multi.encode_schedule(POINTS) == text
    assert multi.decode_schedule(text) == POINTS
    assert multi.constant_schedule([0.7, 0.3]) == ("step", (0,), ((0.7, 0.3),))
    assert multi.example_rates_to_pmf([3, 1]) == [0.75, 0.25]
    assert multi.tuplize([[1, [2]], "ab"]) == ((1, (2,)), "ab")


def test_rates_of_epochs():
    class Sized:
        def __init__(self, count):
            self.num_training_examples = count

    problems = [Sized(30), Sized(10)]
    assert multi.epoch_rates_to_pmf(problems) == [0.75, 0.25]
    assert multi.epoch_rates_to_pmf(problems, [1, 3]) == [0.5, 0.5]


@pytest.mark.parametrize(
    ("interpolate", "expected"),
    [
        (multi.linear_interpolation, [[1, 0], [0.95, 0.05], [0.9, 0.1], [0.45, 0.55], [0, 1]]),
        (multi.step_interpolation, [[1, 0], [1, 0], [0.9, 0.1], [0.9, 0.1], [0, 1]]),
    ],
)
def test_interpolation(interpolate, expected):
    steps = np.array([-5, 50, 100, 200, 400])
    values = interpolate(steps, np.array(POINTS[1]), np.array(POINTS[2]))
    assert values.dtype == np.float32
    np.testing.assert_allclose(values, expected, atol=1e-6)


def test_a_plugins_class_mixes_its_problems(tmp_path, own_names):
    @registry.register_problem
    class Multi(multi.MultiText2TextProblem):
        """As a plugin of T2T's writes it."""

        def __init__(self, was_reversed=False, was_copy=False):
            super().__init__(
                problems=[Reversing(), Shouting()],
                schedule=multi.constant_schedule([0.7, 0.3]),
                was_reversed=was_reversed,
                was_copy=was_copy,
            )

        @property
        def vocab_filename(self):
            return "vocab.global.300.subwords"

    folder = str(tmp_path)
    with pytest.raises(VocabularyError, match=r"none of vocab\.global\.300\.subwords, vocab"):
        Multi().generate_data_with_shared_vocab(folder, folder)
    generate_data("multi", folder)
    Multi().generate_data_with_shared_vocab(folder, folder)
    made = registry.problem("multi")
    examples = made.read_examples(made.shards(folder, "train"), "train", HParams())
    assert {name: len(part.lengths) for name, part in examples.parts.items()} == {
        "reversing": 60,
        "shouting": 15,
    }
    assert examples.mixing.shares == ((0.7, 0.3),)
    evaluated = made.shards(folder, "eval")
    assert len(made.read_examples(evaluated, "eval", HParams()).parts) == 2
    made.only_eval_first_problem = True
    assert list(made.read_examples(evaluated, "eval", HParams()).parts) == ["reversing"]


def test_text_alone_joins_the_inputs_of_the_others(tmp_path, own_names):
    @registry.register_problem
    class Joined(multi.MultiText2TextProblem):
        """A language model of lines, and of questions with answers."""

        has_inputs = False
        tags = {"shouting": "<up>"}

        def __init__(self, *args, **kwargs):
            schedule = ("step", (0,), ((0.5, 0.5),))
            super().__init__([Lines(), Shouting()], schedule, *args, **kwargs)

    folder = str(tmp_path)
    generate_data("joined", folder)
    run = RunRecord.describe("joined", "transformer", HParams(**TINY), [])
    run.take_vocabularies(tmp_path / "model", folder)
    run.write(tmp_path, folder)
    # As registered, and as the model folder describes it.
    for made in (registry.problem("joined"), ModelFolder(tmp_path).problem):
        examples = made.read_examples(made.shards(folder, "eval"), "eval", HParams())
        encoder = made.get_feature_encoders(folder)["targets"]
        [ids] = examples.parts["shouting"].ids(np.array([0]))
        text = encoder.decode(ids[:-1]).removeprefix("<up>")
        assert text[len(text) // 2 :] == text[: len(text) // 2].upper()
        assert (ids == 1).sum() == 1


def test_what_is_never_called_is_an_error():
    class Normalizing(multi.MultiText2TextProblem):
        def normalize_example(self, example, hparams):
            return example

    with pytest.raises(PluginError, match="Normalizing overrides normalize_example"):
        Normalizing([Reversing()])
