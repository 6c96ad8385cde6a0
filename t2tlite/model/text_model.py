"""`TextModel`: the base class of the built-in models."""

import logging
import typing

import keras
from keras import ops

from t2tlite.assignments import check_fields, convert
from t2tlite.config import PAD_ID, HParams
from t2tlite.errors import HParamsError
from t2tlite.model.layers import Embedding

log = logging.getLogger(__name__)


class TextModel(keras.Model):
    """A model of text; see `t2tlite.model.protocol` for its methods.

    Args:
      hparams: `t2tlite.HParams`.
      problem_hparams: `ProblemHParams`; reads vocab_size and modality.

    Attributes:
      family: the first part of all weights' paths.
      packs: whether it masks the other examples of a packed row.
      takes_block: whether the hparam transformer_block may choose its layers.
      unread: hparams that the model ignores; it warns of values other than the default.
    """

    family: str
    packs = False
    takes_block = False
    unread: tuple[str, ...] = ()

    def __init__(self, hparams, problem_hparams):
        bfloat16 = hparams.activation_dtype == "bfloat16"
        # A layer takes the dtype policy that is set while it is created.
        before = keras.config.dtype_policy()
        keras.config.set_dtype_policy("mixed_bfloat16" if bfloat16 else "float32")
        try:
            super().__init__(name=self.family)
            self.hparams = hparams.check()
            if "transformer_block" in hparams.extra and not self.takes_block:
                raise HParamsError(
                    f"model {self.family} has no transformer_block, which this set chooses; use "
                    f"--model=transformer, or another --hparams_set"
                )
            for name in self.unread:
                if (value := getattr(hparams, name)) != getattr(HParams(), name):
                    log.warning(
                        "hparam %s=%s has no effect: this model doesn't read it", name, value
                    )
            self.vocab_size = dict(problem_hparams.vocab_size)
            # Or predicts numbers: one output for a text, which has no tokens.
            self.classifies = problem_hparams.modality.get("targets", "symbol") != "symbol"
            # Named, as its path is in checkpoints: Keras numbers unnamed objects.
            self.seed_generator = keras.random.SeedGenerator(name="seed_generator")
            self.make_layers(hparams, problem_hparams)
        finally:
            keras.config.set_dtype_policy(before)

    def make_layers(self, hparams, problem_hparams):
        """Creates the layers; called under the model's dtype policy."""
        raise NotImplementedError

    def make_input_embedding(self, hparams):
        """Returns the inputs' embedding; as in T2T, only equal vocabularies can share one."""
        sizes = self.vocab_size
        if hparams.shared_embedding_and_softmax_weights and sizes["inputs"] == sizes["targets"]:
            return self.target_embedding
        return Embedding(sizes["inputs"], hparams, name="input_embedding")

    def check_extra(self, hints, hparams_sets):
        """Checks hparams that sets add.

        Args:
          hints: their types by name, for `check_fields`.
          hparams_sets: the sets to advise where one is missing.
        """
        for name, hint in hints.items():
            if name not in self.hparams.values():
                raise HParamsError(
                    f"model {self.family} needs the hparam {name}, which is missing; use "
                    f"--hparams_set={hparams_sets}"
                )
            if typing.get_origin(hint) is not typing.Literal:
                setattr(self.hparams, name, convert(name, getattr(self.hparams, name), hint))
        check_fields(self.hparams, hints)

    def check_generates(self, classifier):
        """Raises HParamsError, with the model to use, if the targets aren't text."""
        if self.classifies:
            raise HParamsError(
                f"model {self.family} generates text, but the problem's targets aren't text; "
                f"use --model={classifier}"
            )

    def build(self, _=None):
        shape = (None, None, self.hparams.hidden_size)
        for layer in self._flatten_layers(include_self=False, recursive=False):
            layer.build(shape)
        self.built = True

    def drop_symbols(self, ids, training):
        """Replaces a random share of the tokens, hparam symbol_dropout, by padding, as T2T does.

        Padding becomes a zero vector; a decoder of modern blocks puts its learned start vector in
        place of it.
        """
        rate = self.hparams.symbol_dropout
        if not training or not rate:
            return ids
        drawn = keras.random.uniform(ops.shape(ids), seed=self.seed_generator)
        return ops.where(drawn < rate, PAD_ID, ids)
