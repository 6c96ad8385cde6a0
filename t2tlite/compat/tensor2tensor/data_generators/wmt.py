"""As `tensor2tensor.data_generators.wmt`, T2T's only module of translation before 1.3."""

from typing import Any

from t2tlite.compat.built_in import find_module
from t2tlite.compat.tensor2tensor.data_generators import (
    generator_utils,
    problem,
    text_encoder,
    tokenizer,
    translate,
)
from t2tlite.compat.tensor2tensor.data_generators.translate import (
    bi_vocabs_token_generator,
    character_generator,
    tabbed_generator,
    token_generator,
)
from t2tlite.compat.tensor2tensor.utils import registry

EOS = text_encoder.EOS_ID
TranslateProblem = translate.TranslateProblem
_compile_data = translate.compile_data


def __getattr__(name: str) -> Any:
    """Returns a problem such as TranslateEndeWmt32k from its module of today."""
    languages = name.removeprefix("Translate")[:4].lower()
    module = find_module(f"tensor2tensor.data_generators.translate_{languages}")
    return getattr(module or translate, name)
