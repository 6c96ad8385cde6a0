"""Predicts the next line of a poem: a complete t2tlite project of a problem and an hparams set.

README.md has the commands. Put your own poems into TMP_DIR/poems.txt. Without that file, the poems
beside this module are used.
"""

from pathlib import Path

from t2tlite import problem, registry, text_problems


@registry.register_problem
class MyPoetryLines(text_problems.Text2TextProblem):
    """A line of verse -> the next line, from poems.txt."""

    approx_vocab_size = 2**10  # tokens; about 2**13 for a few megabytes of text
    decode_defaults = {"sampling_method": "random", "sampling_temp": 0.7}
    is_generate_per_split = False  # one stream; of ten samples, nine train and one evaluates
    dataset_splits = [
        {"split": problem.DatasetSplit.TRAIN, "shards": 9},
        {"split": problem.DatasetSplit.EVAL, "shards": 1},
    ]

    def generate_samples(self, data_dir, tmp_dir, dataset_split):
        poems = Path(tmp_dir, "poems.txt")
        if not poems.exists():
            poems = Path(__file__).with_name("poems.txt")
        lines = [line.strip() for line in poems.read_text(encoding="utf-8-sig").split("\n")]
        for line, next_line in zip(lines, lines[1:], strict=False):
            if line and next_line:  # a blank line separates poems
                yield {"inputs": line, "targets": next_line}


@registry.register_hparams
def my_poetry_tiny():
    """transformer_modern_tiny with more dropout, for a small text."""
    hparams = registry.hparams("transformer_modern_tiny")
    hparams.layer_prepostprocess_dropout = 0.3
    return hparams
