from clears_writers.trainer import problem  # noqa: F401
