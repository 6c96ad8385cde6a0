"""check_problem: what it accepts, and that it notices a problem that loses text."""

import pytest

from t2tlite import registry
from t2tlite.errors import DataError
from t2tlite.problem import DatasetSplit
from t2tlite.testing import check_problem
from t2tlite.text_problems import Text2ClassProblem, Text2SelfProblem, Text2TextProblem, VocabType

pytestmark = pytest.mark.usefixtures("own_names")


class Letters:
    vocab_type = VocabType.CHARACTER
    dataset_splits = [
        {"split": DatasetSplit.TRAIN, "shards": 2},
        {"split": DatasetSplit.EVAL, "shards": 1},
    ]
    inputs_prefix = "in: "

    def generate_samples(self, data_dir, tmp_dir, dataset_split):
        for i in range(30):
            yield {"inputs": f"number {i}", "targets": dataset_split * i, "label": i % 2}


class LettersAlone(Letters, Text2SelfProblem):
    pass


class LettersClass(Letters, Text2ClassProblem):
    num_classes = 2


@pytest.mark.parametrize(
    "recipe", [type("ToText", (Letters, Text2TextProblem), {}), LettersAlone, LettersClass]
)
def test_good_problems(tmp_path, recipe):
    registry.register_problem("letters")(recipe)
    assert check_problem("letters", tmp_path, samples=7) == {"train": 7, "eval": 7}
    assert (tmp_path / "data" / "letters.manifest.json").exists()


def test_a_usr_dir(tmp_path):
    (tmp_path / "check_plug.py").write_text(
        "from t2tlite import registry, text_problems\n"
        "@registry.register_problem\n"
        "class CheckedPlugin(text_problems.Text2SelfProblem):\n"
        "    vocab_type = 'character'\n"
        "    dataset_splits = [{'split': 'train', 'shards': 1}]\n"
        "    def generate_samples(self, data_dir, tmp_dir, split):\n"
        "        with open(tmp_dir + '/own.txt') as file:\n"
        "            yield {'targets': file.read()}\n"
    )
    (tmp_path / "own.txt").write_text("mine")
    counts = check_problem(
        "checked_plugin", tmp_path / "work", str(tmp_path / "check_plug.py"), tmp_dir=tmp_path
    )
    assert counts == {"train": 1}


def test_a_problem_that_loses_text(tmp_path):
    class Losing(Letters, Text2TextProblem):
        def generate_encoded_samples(self, *args):
            for sample in super().generate_encoded_samples(*args):
                yield {**sample, "targets": sample["targets"][1:] or [1]}

    registry.register_problem("losing")(Losing)
    with pytest.raises(
        DataError, match="losing: train holds .* which generate_samples didn't yield"
    ):
        check_problem("losing", tmp_path)


def test_a_problem_without_eos(tmp_path):
    class Endless(Letters, Text2TextProblem):
        def generate_encoded_samples(self, *args):
            for sample in super().generate_encoded_samples(*args):
                yield {**sample, "inputs": sample["inputs"][:-1]}

    registry.register_problem("endless")(Endless)
    with pytest.raises(DataError, match="endless: train holds"):
        check_problem("endless", tmp_path)


def test_a_problem_that_writes_no_manifest(tmp_path):
    class Silent(Letters, Text2TextProblem):
        def generate_data(self, *args):
            pass

    registry.register_problem("silent")(Silent)
    with pytest.raises(DataError, match="silent: generate_data wrote no manifest"):
        check_problem("silent", tmp_path)
