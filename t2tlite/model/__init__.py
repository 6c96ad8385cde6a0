"""The built-in models, their losses, optimizers and searches, in keras.ops for all backends.

Importing the package doesn't import Keras: models are registered by name and imported when used.
"""

from t2tlite import registry

_DOCS = {
    "transformer:Transformer": "Encoder and decoder; without inputs, a language model.",
    "transformer:TransformerEncoder": "Encoder that classifies a text, or predicts numbers.",
    "lstm:LSTMSeq2seq": "LSTM encoder and decoder; without inputs, a language model.",
    "lstm:LSTMSeq2seqAttention": "lstm_seq2seq with Bahdanau's or Luong's attention.",
    "lstm:LSTMSeq2seqBidirectionalEncoder": "lstm_seq2seq that reads inputs both ways.",
    "lstm:LSTMSeq2seqAttentionBidirectionalEncoder": "lstm_seq2seq with attention, both ways.",
    "universal_transformer:UniversalTransformer": "transformer that repeats one layer.",
    "universal_transformer:UniversalTransformerEncoder": (
        "transformer_encoder that repeats one layer."
    ),
}

# By registered name.
BUILT_IN = {
    registry.snake_case(target.partition(":")[2]): registry.Lazy(f"t2tlite.model.{target}", doc)
    for target, doc in _DOCS.items()
}

# The model for targets that are labels or numbers, by the one that generates text.
CLASSIFIERS = {
    "transformer": "transformer_encoder",
    "universal_transformer": "universal_transformer_encoder",
}

# Hparams that the sets with a transformer_block gained, with what a model computes without them.
GAINED = {"residual_factors": False}


def register_models() -> None:
    """Registers the built-in models; `plugins` calls it through an entry point."""
    for name, model in BUILT_IN.items():
        registry.models.add(name, model)
