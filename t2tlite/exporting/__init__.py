"""A trained model as a SavedModel or in CTranslate2's format."""
