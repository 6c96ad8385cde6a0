"""The models: keras and numpy only, written once in `keras.ops` for every backend and device.

Importing this package loads no Keras: the models are registered by name and imported when used.
"""

from t2tlite import registry


def register_models() -> None:
    """Registers the built-in models; the entry point through which the plugin loop finds them."""
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
            "LSTM encoder and decoder with attention of Bahdanau or Luong.",
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
            "Transformer that runs one layer again and again; without inputs, a language model.",
        ),
        (
            "universal_transformer_encoder",
            "t2tlite.model.universal_transformer:UniversalTransformerEncoder",
            "Encoder of universal_transformer that classifies a text; for Text2ClassProblem.",
        ),
    ]:
        registry.models.add(name, registry.Lazy(target, doc))
