from . import one_vocabulary, two_vocabularies  # noqa: F401
