"""Decoding in bulk: files and splits of the data, and how good the answers are."""
