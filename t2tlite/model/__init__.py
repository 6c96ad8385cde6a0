"""The built-in models, their losses, optimizers and searches, in keras.ops for all backends.

Importing the package doesn't import Keras: models are registered by name and imported when used.
"""

from t2tlite import registry


def register_models() -> None:
    """Registers the built-in models; `plugins` calls it through an entry point."""
    for name, target, doc in [
        (
            "transformer",
            "t2tlite.model.transformer:Transformer",
            "Encoder-decoder Transformer; without inputs, a decoder-only language model.",
        ),
        (
            "transformer_encoder",
            "t2tlite.model.transformer:TransformerEncoder",
            "Transformer encoder that classifies a text; for Text2ClassProblem.",
        ),
        (
            "lstm_seq2seq",
            "t2tlite.model.lstm:LSTMSeq2seq",
            "LSTM encoder and decoder; without inputs, a language model.",
        ),
        (
            "lstm_seq2seq_attention",
            "t2tlite.model.lstm:LSTMSeq2seqAttention",
            "LSTM encoder and decoder with Bahdanau's or Luong's attention.",
        ),
        (
            "lstm_seq2seq_bidirectional_encoder",
            "t2tlite.model.lstm:LSTMSeq2seqBidirectionalEncoder",
            "lstm_seq2seq that reads inputs in both directions.",
        ),
        (
            "lstm_seq2seq_attention_bidirectional_encoder",
            "t2tlite.model.lstm:LSTMSeq2seqAttentionBidirectionalEncoder",
            "lstm_seq2seq_attention that reads inputs in both directions.",
        ),
        (
            "universal_transformer",
            "t2tlite.model.universal_transformer:UniversalTransformer",
            "Transformer that repeats one layer; without inputs, a language model.",
        ),
        (
            "universal_transformer_encoder",
            "t2tlite.model.universal_transformer:UniversalTransformerEncoder",
            "Encoder of universal_transformer that classifies a text; for Text2ClassProblem.",
        ),
    ]:
        registry.models.add(name, registry.Lazy(target, doc))
