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
    ]:
        registry.models.add(name, registry.Lazy(target, doc))
