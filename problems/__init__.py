"""The built-in problems: one file per data set, loaded as a plugin like any other package."""
