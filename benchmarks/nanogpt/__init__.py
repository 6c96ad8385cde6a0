"""tinyshakespeare as nanoGPT's CPU configuration reads it, each character from 1 to 64 before it.

With the hparam prepend_mode the decoder alone reads a window: the first character is its input, a
separator follows, and the loss counts the 64 characters after it. No window ends with EOS, so the
loss is that of characters alone. It is for measuring; `char_lm_tinyshakespeare` also writes text.
"""

from t2tlite import problem, registry, text_problems

CONTEXT = 64


@registry.register_problem
class CharLmTinyshakespeare64(text_problems.Text2TextProblem):
    """A character, and the 64 after it, of the text that char_lm_tinyshakespeare has in a split.

    In evaluation windows touch, so each character but the first is predicted once, and as often
    from 1 character as from 64, like those of nanoGPT's random windows. In training they start
    every 32 characters.
    """

    vocab_type = text_problems.VocabType.CHARACTER
    dataset_splits = [
        {"split": problem.DatasetSplit.TRAIN, "shards": 10},
        {"split": problem.DatasetSplit.EVAL, "shards": 1},
    ]

    def generate_encoded_samples(self, data_dir, tmp_dir, dataset_split):
        whole = registry.problem("char_lm_tinyshakespeare")
        samples = whole.generate_samples(data_dir, tmp_dir, dataset_split)
        text = "".join(sample["targets"] for sample in samples)
        ids = self.get_or_create_vocab(data_dir, tmp_dir).encode(text)
        step = CONTEXT // 2 if dataset_split == problem.DatasetSplit.TRAIN else CONTEXT
        for start in range(0, len(ids) - 1, step):
            first, *rest = ids[start : start + 1 + CONTEXT]
            yield {"inputs": [first], "targets": rest}


@registry.register_hparams
def transformer_nanogpt():
    """The modern block at nanoGPT's size for a CPU: 4 layers, 128 wide, batches of 12 windows."""
    hparams = registry.hparams("transformer_modern_tiny")
    hparams.prepend_mode = "prepend_inputs_masked_attention"
    hparams.num_hidden_layers = 4
    hparams.filter_size = 328
    hparams.max_length = CONTEXT + 2  # the first character and the separator
    hparams.batch_size = 12 * hparams.max_length
    hparams.batching = "pad"
    hparams.label_smoothing = 0.0
    hparams.layer_prepostprocess_dropout = 0.0
    hparams.learning_rate_schedule = "constant*linear_warmup*linear_decay_to_zero"
    hparams.learning_rate_warmup_steps = 200
    return hparams
