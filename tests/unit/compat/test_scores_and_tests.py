"""T2T's scores of tokens and files, its names, and what its tests are decorated with."""

import pytest
import tensorflow as tf

from t2tlite.compat.tensor2tensor.utils import bleu_hook, misc_utils, rouge, test_utils
from t2tlite.config import HParams
from t2tlite.errors import PluginError


def test_bleu_of_tokens():
    assert bleu_hook.compute_bleu([["a", "b", "c"]], [["a", "b", "c"]]) == 1
    # One of three unigrams matches, and the n-grams up to 2 alone count.
    unigrams, bigrams = 1 / 3, 1 / (2 * 2)
    bleu = bleu_hook.compute_bleu([[1, 2, 3]], [[1, 5, 6]], max_order=2)
    assert bleu == pytest.approx((unigrams * bigrams) ** 0.5)
    short = [[1, 2, 3, 4, 5, 6]], [[1, 2, 3, 4]]
    assert bleu_hook.compute_bleu(*short, use_bp=False) == 1
    assert bleu_hook.compute_bleu(*short) == pytest.approx(2.718281828 ** (1 - 6 / 4))


def test_bleu_of_files(tmp_path):
    for name, text in (("ours", "Oh, “you”!\n1.5 x\n"), ("right", "oh , “ YOU ” !\n1.5 x\n")):
        (tmp_path / name).write_text(text, encoding="utf-8")
    ours, right = tmp_path / "ours", tmp_path / "right"
    assert bleu_hook.bleu_tokenize("Oh, “you”! 1.5") == ["Oh", ",", "“", "you", "”", "!", "1.5"]
    assert bleu_hook.bleu_wrapper(right, ours) == pytest.approx(1)
    assert bleu_hook.bleu_wrapper(right, ours, case_sensitive=True) < 1
    right.write_text("one line\n")
    with pytest.raises(AssertionError):
        bleu_hook.bleu_wrapper(right, ours)


def test_rouge():
    ours, right = [[1, 2, 3, 4], [5, 6, 7]], [[1, 2, 4, 3], [5, 6, 7]]
    # Of the first pair one of three bigrams and none of two trigrams matches.
    assert rouge.rouge_n(ours, right) == pytest.approx((1 / 3 + 1) / 2)
    assert rouge.rouge_n(ours, right, n=3) == pytest.approx(1 / 2)
    assert rouge.rouge_l_sentence_level(ours, right) == pytest.approx((3 / 4 + 1) / 2)
    with pytest.raises(PluginError, match=r"rouge\.rouge_2_fscore"):
        rouge.rouge_2_fscore(None, None)


def test_names_and_printing():
    assert misc_utils.camelcase_to_snakecase("SQuAD") == "s_qu_ad"
    assert misc_utils.snakecase_to_camelcase("my_problem2x") == "MyProblem2x"
    printed = misc_utils.pprint_hparams(HParams(hidden_size=7))
    assert printed.startswith("\n{")
    assert "\n 'hidden_size': 7,\n" in printed


class Example(tf.test.TestCase):
    """Notes in which mode its methods run."""

    __test__ = False
    modes: list = []

    @test_utils.run_in_graph_and_eager_modes()
    def both(self, extra):
        self.modes.append((extra, tf.executing_eagerly()))

    @test_utils.run_in_graph_mode_only
    def graph(self):
        self.modes.append(tf.executing_eagerly())


def test_modes():
    Example.modes.clear()
    Example("both").both("x")
    Example("graph").graph()
    assert Example.modes == [("x", True), ("x", False), False]
