"""The version of t2tlite; see CHANGELOG.md for what a version number promises."""

__version__ = "0.1.0"
