"""`TextModel`: the base class of the built-in models."""

import logging

import keras
from keras import ops

from t2tlite.config import PAD_ID, HParams

log = logging.getLogger(__name__)


class TextModel(keras.Model):
    """A model of text; see `t2tlite.model.transformer` for the protocol.

    Args:
      hparams: `t2tlite.HParams`.
      problem_hparams: `ProblemHParams`; reads vocab_size and modality.
      name: the first part of all weights' paths.

    Attributes:
      packs: whether it masks the other examples of a packed row.
      unread: hparams that the model ignores; it warns of values other than the default.
    """

    packs = False
    unread: tuple[str, ...] = ()

    def __init__(self, hparams, problem_hparams, name):
        bfloat16 = hparams.activation_dtype == "bfloat16"
        # A layer takes the dtype policy that is set while it is created.
        before = keras.config.dtype_policy()
        keras.config.set_dtype_policy("mixed_bfloat16" if bfloat16 else "float32")
        try:
            super().__init__(name=name)
            self.hparams = hparams.check()
            self._warn_unread()
            self.vocab_size = dict(problem_hparams.vocab_size)
            self.classifies = problem_hparams.modality.get("targets") == "class_label"
            # Named, as its path is in checkpoints: Keras numbers unnamed objects.
            self.seed_generator = keras.random.SeedGenerator(name="seed_generator")
            self.make_layers(hparams, problem_hparams)
        finally:
            keras.config.set_dtype_policy(before)

    def _warn_unread(self):
        defaults = HParams()
        for name in self.unread:
            value = getattr(self.hparams, name)
            if value != getattr(defaults, name):
                log.warning("hparam %s=%s has no effect: this model doesn't read it", name, value)

    def make_layers(self, hparams, problem_hparams):
        """Creates the layers; called under the model's dtype policy."""
        raise NotImplementedError

    def build(self, _=None):
        shape = (None, None, self.hparams.hidden_size)
        for layer in self._flatten_layers(include_self=False, recursive=False):
            layer.build(shape)
        self.built = True

    def drop_symbols(self, ids, training):
        """Replaces a random share of the tokens, hparam symbol_dropout, by padding."""
        rate = self.hparams.symbol_dropout
        if not training or not rate:
            return ids
        drawn = keras.random.uniform(ops.shape(ids), seed=self.seed_generator)
        return ops.where(drawn < rate, PAD_ID, ids)
