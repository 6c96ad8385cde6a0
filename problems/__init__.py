"""The built-in problems: one file a data set, found as a plugin like any other package."""
