"""A classifier, a language model and a plugin's model, trained and decoded by the commands."""

import pytest

PLUGIN = '''
"""A classifier, a language model, a model of its own."""
import keras
from t2tlite import problem, registry, text_problems


class Words:
    vocab_type = text_problems.VocabType.CHARACTER
    dataset_splits = [
        {"split": problem.DatasetSplit.TRAIN, "shards": 2},
        {"split": problem.DatasetSplit.EVAL, "shards": 1},
    ]


@registry.register_problem
class VowelFirst(Words, text_problems.Text2ClassProblem):
    """Does a word begin with a vowel?"""
    num_classes = 2

    def class_labels(self, data_dir):
        return ["no", "yes"]

    def generate_samples(self, data_dir, tmp_dir, dataset_split):
        for i in range(400 if dataset_split == "train" else 50):
            word = "aeioubcdfg"[i % 10] + "tnrls"[i // 10 % 5] + "aeiou"[i // 50 % 5]
            yield {"inputs": word, "label": int(word[0] in "aeiou")}


@registry.register_problem
class Counting(Words, text_problems.Text2SelfProblem):
    """Counting up."""

    def generate_samples(self, data_dir, tmp_dir, dataset_split):
        for i in range(400):
            yield {"targets": "abcabcabc"[i % 3 : i % 3 + 6]}


@registry.register_model
class BagOfEmbeddings(keras.Model):
    """Predicts each letter from the one before it."""

    def __init__(self, hparams, problem_hparams):
        super().__init__()
        size = problem_hparams.vocab_size["targets"]
        self.embed = keras.layers.Embedding(size, hparams.hidden_size)
        self.project = keras.layers.Dense(size)

    def call(self, features, training=False):
        before = keras.ops.pad(features["targets"], [[0, 0], [1, 0]])[:, :-1]
        return self.project(self.embed(before))
'''

HPARAMS = (
    "hidden_size=32,filter_size=64,num_hidden_layers=1,batch_size=512,learning_rate_constant=0.3,"
    "learning_rate_warmup_steps=20,layer_prepostprocess_dropout=0,attention_dropout=0"
)


@pytest.fixture(scope="module")
def plugin(tmp_path_factory):
    folder = tmp_path_factory.mktemp("plugins") / "words_plugin"
    folder.mkdir()
    (folder / "__init__.py").write_text(PLUGIN)
    return folder


def trained(command, plugin, tmp_path, problem, model, backend="tensorflow"):
    """Trains 120 steps and returns the model folder."""
    command(
        "t2t-trainer",
        f"--t2t_usr_dir={plugin}",
        "--generate_data",
        f"--problem={problem}",
        f"--data_dir={tmp_path / 'data'}",
        f"--output_dir={tmp_path / 'model'}",
        f"--model={model}",
        "--hparams_set=transformer_tiny",
        f"--hparams={HPARAMS}",
        "--train_steps=120",
        "--local_eval_frequency=60",
        f"--backend={backend}",
    )
    return tmp_path / "model"


@pytest.mark.parametrize("backend", ["tensorflow", pytest.param("jax", marks=pytest.mark.long)])
def test_classifier_names_the_label(command, plugin, tmp_path, backend):
    if backend == "jax":
        pytest.importorskip("jax", reason="the JAX backend needs t2tlite[jax]")
    model = trained(command, plugin, tmp_path, "vowel_first", "transformer_encoder", backend)
    done = command(
        "t2t-decoder",
        f"--output_dir={model}",
        "--decode_interactive",
        stdin="ota\nbre\nuli\nns=2\nota\n:attention\n",
    )
    labels, shown = done.stdout.splitlines()[:3], done.stdout.splitlines()[3:]
    assert labels == ["yes", "no", "yes"]
    probabilities = {line[10:]: float(line[:8]) for line in shown[:2]}
    assert probabilities["yes"] > 0.5
    assert sum(probabilities.values()) == pytest.approx(1, abs=0.002)
    assert shown[2] == "encoder attention, mean of layers and heads"


def test_language_model_continues_a_prompt(command, plugin, tmp_path):
    model = trained(command, plugin, tmp_path, "counting", "transformer")
    done = command(
        "t2t-decoder",
        f"--output_dir={model}",
        "--decode_interactive",
        "--decode_hparams=beam_size=1",
        stdin="abca\nca\n:next\n:attention\n",
    )
    # A complete answer isn't continued.
    assert done.stdout.splitlines()[:3] == ["abcabc", "cabcab", "cabcab"]
    assert done.stdout.splitlines()[3] == "decoder attention, mean of layers and heads"


def test_a_users_model_trains_and_decodes(command, plugin, tmp_path):
    model = trained(command, plugin, tmp_path, "counting", "bag_of_embeddings")
    done = command(
        "t2t-decoder",
        f"--output_dir={model}",
        "--decode_interactive",
        "--decode_hparams=beam_size=1,extra_length=4",
        stdin="bc\n:attention\n",
    )
    assert done.stdout.startswith("bca")
    assert "model bag_of_embeddings doesn't give its attention weights" in done.stderr


@pytest.mark.parametrize(
    ("model", "hparams_set", "status", "message"),
    [
        ("transformer", "transformer_tiny", 0, "--model=transformer_encoder is trained"),
        ("lstm_seq2seq", "lstm_seq2seq", 1, "use --model=transformer_encoder"),
    ],
)
def test_a_model_that_generates_text_for_classes(
    command, plugin, tmp_path, model, hparams_set, status, message
):
    done = command(
        "t2t-trainer",
        f"--t2t_usr_dir={plugin}",
        "--generate_data",
        "--problem=vowel_first",
        f"--data_dir={tmp_path}",
        f"--output_dir={tmp_path / 'm'}",
        f"--model={model}",
        f"--hparams_set={hparams_set}",
        "--train_steps=1",
        status=status,
    )
    assert message in done.stderr
